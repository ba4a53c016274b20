#include "plugins/queue/memory/memory_broker.hpp"

#include "broker_conformance.hpp"

namespace evermill::tests {
namespace {

std::shared_ptr<queue::memory_server> shared_server() {
  static const auto server = queue::make_memory_server();
  return server;
}

broker_factory memory_factory() {
  broker_factory factory{.name = "memory"};
  factory.make = [](const std::string&, const broker_settings& settings) {
    queue::memory_broker_options options;
    options.max_pending_bytes = settings.max_pending_bytes.value_or(options.max_pending_bytes);
    return queue::make_memory_broker(shared_server(), options);
  };
  factory.stop_server = [] { shared_server()->set_available(false); };
  factory.start_server = [] { shared_server()->set_available(true); };
  factory.lose_process = [](const std::string&, const queue::membership_options& joined) {
    ASSERT_TRUE(shared_server()->expel(joined.group, joined.member_id));
  };
  factory.comes_back = false;
  factory.buffered_bytes = [](const queue::stream_reader&) { return 0; };  // it reads what lies on the server
  return factory;
}

INSTANTIATE_TEST_SUITE_P(Memory, broker_conformance, testing::Values(memory_factory()), broker_factory::name_of);

TEST(MemoryBroker, CallsOnTheThreadOfTheOperationAndInOrder) {
  const auto server = queue::make_memory_server();
  const auto broker = queue::make_memory_broker(server);
  ASSERT_TRUE(broker->ensure_stream("s", 1).has_value());
  std::vector<std::string> calls;
  const auto first = broker->read({"s", 0}, {}, [&] { calls.emplace_back("first reader"); });
  const auto second = broker->read({"s", 0}, {}, [&] { calls.emplace_back("second reader"); });
  const auto taken = broker->append({"s", 0}, {{"", "1"}}, [&](const auto&) {
    ASSERT_TRUE(broker->append({"s", 0}, {{"", "2"}}, [&](const auto& at) { calls.push_back(std::to_string(*at)); }));
    calls.emplace_back("1");
  });
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(calls, (std::vector<std::string>{"1", "first reader", "second reader", "2"}));
}

TEST(MemoryBroker, MakesWhatItHeldInTheOrderOfAllProcesses) {
  const auto server = queue::make_memory_server();
  const auto one = queue::make_memory_broker(server);
  const auto other = queue::make_memory_broker(server);
  ASSERT_TRUE(one->ensure_stream("s", 1).has_value());
  server->set_available(false);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(one->append({"s", 0}, {{"", "one"}}, nullptr));
    ASSERT_TRUE(other->append({"s", 0}, {{"", "other"}}, nullptr));
  }
  other->close();
  server->set_available(true);
  const auto reader = one->read({"s", 0}, {}, [] {});
  std::vector<queue::stored_record> records;
  EXPECT_EQ((*reader)->poll(records, 10).value(), 3U);
  for (const auto& each : records) EXPECT_EQ(each.what.value, "one");
}

TEST(MemoryBroker, TheLongestJoinedDecides) {
  const auto server = queue::make_memory_server();
  const auto broker = queue::make_memory_broker(server);
  auto c = broker->join({.group = "g", .member_id = "c"}, [] {}).value();
  auto b = broker->join({.group = "g", .member_id = "b"}, [] {}).value();
  auto a = broker->join({.group = "g", .member_id = "a"}, [] {}).value();
  EXPECT_EQ(a->view().coordinator, "c");
  EXPECT_TRUE(server->expel("g", "c"));
  EXPECT_FALSE(server->expel("g", "c"));
  EXPECT_EQ(a->view().coordinator, "b");
  EXPECT_FALSE(c->view().joined);
  b.reset();
  EXPECT_EQ(a->view().coordinator, "a");
  EXPECT_EQ(broker->join({.group = "g", .member_id = "a"}, [] {}).error().code, queue::broker_errc::invalid);
}

}  // namespace
}  // namespace evermill::tests
