// Events in a broker's stream: in memory, and on a real Redis.
#include "publishing/broker_sink.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <future>
#include <thread>

#include "plugins/queue/memory/memory_broker.hpp"
#include "plugins/queue/redis/redis_broker.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::publishing {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

cloud_event event_of(std::uint16_t partition, std::uint64_t run, const std::string& text = "x") {
  messages::Event event;
  event.mutable_workflow_execution_signaled()->set_signal_name(text);
  const std::string id = "w" + std::to_string(run);
  return make_event({"/evermill/test", partition_id(partition), run_number(run), event_seq(1), {}, id, "orders"}, event,
                    data_format::protobuf);
}

std::vector<queue::stored_record> all_in(queue::broker& broker, std::uint32_t partition) {
  std::vector<queue::stored_record> records;
  std::promise<void> readable;
  std::atomic<bool> told{false};
  auto reader = broker.read({"events", partition}, {}, [&] {
    if (!told.exchange(true)) readable.set_value();
  });
  EXPECT_TRUE(reader) << reader.error().message;
  const auto bounds = broker.bounds({"events", partition});
  EXPECT_TRUE(bounds);
  while (reader && bounds && (records.empty() ? 0 : records.back().at) < bounds->last) {
    if (!(*reader)->poll(records, 100)) break;
    std::this_thread::yield();
  }
  return records;
}

std::vector<std::string> ids_of(const std::vector<queue::stored_record>& records) {
  std::vector<std::string> ids;
  for (const queue::stored_record& each : records) {
    for (const auto& [name, value] : each.what.headers) {
      if (name == "ce_id") ids.push_back(value);
    }
  }
  return ids;
}

class MemoryBrokerSink : public testing::Test {
 protected:
  MemoryBrokerSink() { make(); }
  void make(queue::memory_broker_options options = {}) {
    sink_ = make_broker_sink(queue::make_memory_broker(server_, options), "events", 4, log());
  }

  std::shared_ptr<queue::memory_server> server_ = queue::make_memory_server();
  std::unique_ptr<queue::broker> other_ = queue::make_memory_broker(server_);
  std::unique_ptr<sink> sink_;
};

TEST_F(MemoryBrokerSink, MakesTheStreamAndWritesEachPartitionsEventsInOrder) {
  ASSERT_TRUE(sink_->send({event_of(0, 1), event_of(5, 1), event_of(0, 2), event_of(1, 7)}, {}));
  EXPECT_EQ(*other_->find_stream("events"), 4U);
  EXPECT_THAT(ids_of(all_in(*other_, 0)), ElementsAre("0.1.1", "0.2.1"));
  EXPECT_THAT(ids_of(all_in(*other_, 1)), ElementsAre("5.1.1", "1.7.1"));
  const auto records = all_in(*other_, 0);
  EXPECT_EQ(records[0].what.key, "w1");
  EXPECT_THAT(records[0].what.headers, Contains(Pair("ce_type", "evermill.WorkflowExecutionSignaled")));
  messages::Event parsed;
  EXPECT_TRUE(parsed.ParseFromString(records[0].what.value));
  EXPECT_EQ(parsed.workflow_execution_signaled().signal_name(), "x");
}

TEST_F(MemoryBrokerSink, UsesAStreamThatIsThereWithWhatPartitionsItHas) {
  ASSERT_TRUE(other_->ensure_stream("events", 1));
  ASSERT_TRUE(sink_->send({event_of(3, 1)}, {}));
  EXPECT_THAT(ids_of(all_in(*other_, 0)), ElementsAre("3.1.1"));
}

TEST_F(MemoryBrokerSink, PublishesWhatIsTooLargeWithoutItsData) {
  make({.max_record_bytes = 1000});
  ASSERT_TRUE(sink_->send({event_of(0, 1), event_of(0, 2, std::string(2000, 'x')), event_of(0, 3)}, {}));
  const auto records = all_in(*other_, 0);
  EXPECT_THAT(ids_of(records), ElementsAre("0.1.1", "0.2.1", "0.3.1"));
  EXPECT_EQ(records[1].what.value, "");
  EXPECT_THAT(records[1].what.headers, Contains(Pair("ce_omittedbytes", testing::_)));
}

TEST_F(MemoryBrokerSink, FailsWhereTheServerIsAway) {
  server_->set_available(false);
  EXPECT_FALSE(sink_->send({event_of(0, 1)}, {}));
  server_->set_available(true);
  EXPECT_TRUE(sink_->send({event_of(0, 1)}, {}));
}

TEST_F(MemoryBrokerSink, StopsWhereNoAnswerComes) {
  ASSERT_TRUE(sink_->send({event_of(0, 1)}, {}));
  server_->set_available(false);
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_FALSE(sink_->send({event_of(0, 2)}, stop.get_token()));
  stopper.join();
  sink_.reset();
  server_->set_available(true);
}

TEST(RedisBrokerSink, WritesToARealServer) {
  if (const auto why = tests::why_no_redis()) GTEST_SKIP() << *why;
  const tests::temporary_directory directory;
  tests::redis_server server(directory.path() / "redis");
  const std::string address = "redis://" + server.host();
  const auto to = make_broker_sink(*queue::make_redis_broker(address), "events", 2, log());
  std::vector<std::string> even;
  for (std::uint64_t batch = 0; batch < 20; ++batch) {
    std::vector<cloud_event> events;
    for (std::uint64_t n = 1; n <= 50; ++n) events.push_back(event_of(static_cast<std::uint16_t>(n % 2), batch * 50 + n));
    for (const cloud_event& each : events) {
      if (each.partition.value == 0) even.push_back(each.attributes.at(1).second);
    }
    const auto sent = to->send(std::move(events), {});
    ASSERT_TRUE(sent) << sent.error().message;
  }
  const auto other = *queue::make_redis_broker(address);
  const auto records = all_in(*other, 0);
  EXPECT_EQ(ids_of(records), even);
  EXPECT_THAT(all_in(*other, 1), SizeIs(500));
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records[0].what.key, "w2");
  EXPECT_THAT(records[0].what.headers, Contains(Pair("content-type", "application/protobuf")));
  other->close();
}

}  // namespace
}  // namespace evermill::publishing
