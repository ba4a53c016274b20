// The backend that sends messages and receives them, with a real Kafka.
#include "plugins/task/kafka/kafka_backend.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "attempt_ends.hpp"
#include "evermill/kafka.hpp"
#include "plugins/queue/kafka/kafka_broker.hpp"
#include "plugins/task/kafka/kafka_link.hpp"
#include "plugins/task/kafka/kafka_message.hpp"
#include "tests/plugins/kafka_service.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using tasks::dispatch_id_of;

struct backend_of_kafka {
  explicit backend_of_kafka(const std::string& secrets = {}) {
    tasks::call_options options;
    options.time = &time;
    options.max_calls = 8;  // that are sent; receives that wait are no burden
    if (!secrets.empty()) options.secrets = tasks::open_secrets(secrets);
    options.on_heartbeat = ends.heartbeat_recorder();
    backend = make_kafka_backend(options, log(), ends.recorder());
  }
  task_ptr send(const kafka_message& what) { return run("kafka.send", codec<kafka_message>::encode(what)); }
  task_ptr receive(const kafka_reading& what, std::int64_t heartbeat_us = 0) {
    return run("kafka.receive", codec<kafka_reading>::encode(what), heartbeat_us);
  }
  kafka_place placed(const kafka_message& what) { return result<kafka_place>(send(what)); }
  kafka_batch received(const kafka_reading& what) { return result<kafka_batch>(receive(what)); }
  failure failed(const task_ptr& task) { return failure_of(ends.of(task->scheduled_seq())); }
  template <class T>
  T result(const task_ptr& task) {
    const auto end = ends.of(task->scheduled_seq());
    if (const auto* const how = std::get_if<tasks::failed>(&end.how)) {
      ADD_FAILURE() << how->failure.type() << ": " << how->failure.message();
      return {};
    }
    return result_of<T>(end);
  }

  manual_clock time;
  attempt_ends ends;
  std::unique_ptr<tasks::task_backend> backend;

 private:
  task_ptr run(const std::string& type, payload input, std::int64_t heartbeat_us = 0) {
    const auto made = make_task(type, std::move(input), ++last_seq_);
    const_cast<messages::ActivityTask&>(*made).mutable_options()->set_heartbeat_us(heartbeat_us);
    backend->run({made});
    return made;
  }
  std::uint64_t last_seq_ = 0;
};

struct KafkaBackend : testing::Test, backend_of_kafka {
  void SetUp() override {
    if (kafka_service::shared().why_not()) GTEST_SKIP() << *kafka_service::shared().why_not();
    static int topics = 0;
    stream = "backend-" + std::to_string(++topics);
    auto made = queue::make_kafka_broker(kafka_service::shared().address());
    ASSERT_TRUE(made) << made.error().message;
    broker = std::move(*made);
    create(1);
  }
  void create(std::uint32_t partitions) {
    stream += "x";
    ASSERT_TRUE(broker->ensure_stream(stream, partitions));
  }
  kafka_server server() const {
    kafka_server made;
    made.servers = kafka_service::shared().servers();
    return made;
  }
  kafka_message message(json value, const std::string& key = {}) const {
    kafka_message made;
    made.server = server();
    made.topic = "tests." + stream;
    made.key = key;
    made.value = std::move(value);
    return made;
  }
  kafka_reading from(std::map<std::string, std::int64_t> positions) const {
    kafka_reading made;
    made.server = server();
    made.topic = "tests." + stream;
    made.positions = std::move(positions);
    return made;
  }
  std::vector<json> values(const kafka_batch& of) {
    std::vector<json> all;
    for (const kafka_record& each : of.messages) all.push_back(each.value);
    return all;
  }

  std::string stream;
  std::unique_ptr<queue::broker> broker;
};

using all_values = std::vector<json>;

TEST_F(KafkaBackend, SendsAndReceives) {
  create(3);
  kafka_reading begin = from({});
  const kafka_batch begun = received(begin);
  EXPECT_TRUE(begun.messages.empty());
  EXPECT_EQ(begun.positions.size(), 3U);
  kafka_message what = message({{"n", 1}}, "order-7");
  what.headers = {{"trace", "a b"}};
  what.idempotency_header = "id";
  const kafka_place first = placed(what);
  EXPECT_EQ(first.offset, 0);
  const kafka_place second = placed(message(2, "order-7"));
  EXPECT_EQ(second.partition, first.partition) << "the same key";
  EXPECT_EQ(second.offset, 1);
  begin.positions = begun.positions;
  const kafka_batch batch = received(begin);
  ASSERT_EQ(values(batch), (all_values{{{"n", 1}}, 2}));
  EXPECT_EQ(batch.messages[0].key, "order-7");
  EXPECT_EQ(batch.messages[0].headers, (std::map<std::string, std::string>{{"id", "1.2.2"}, {"trace", "a b"}}));
  EXPECT_EQ(batch.messages[0].partition, first.partition);
  EXPECT_EQ(batch.messages[1].offset, 1);
  EXPECT_GT(batch.messages[0].timestamp_ms, 1'600'000'000'000);
  EXPECT_EQ(batch.positions.at(std::to_string(first.partition)), 2);
  EXPECT_EQ(values(received(begin)), (all_values{{{"n", 1}}, 2})) << "the same places give the same";
}

TEST_F(KafkaBackend, BeginsWhereItIsTold) {
  placed(message(1));
  placed(message(2));
  EXPECT_EQ(received(from({})).positions, (std::map<std::string, std::int64_t>{{"0", 2}}));
  kafka_reading all = from({});
  all.start = "earliest";
  EXPECT_EQ(received(all).positions, (std::map<std::string, std::int64_t>{{"0", 0}}));
  ASSERT_TRUE(broker->trim({stream, 0}, 1));
  EXPECT_EQ(received(all).positions, (std::map<std::string, std::int64_t>{{"0", 1}}));
}

TEST_F(KafkaBackend, TellsJsonTextAndBytesApart) {
  for (const json& each : {json{{"a", {1, nullptr}}}, json("no JSON"), json("{\"as\": \"text\"}"), json(nullptr)}) {
    placed(message(each));
  }
  kafka_message bytes = message(nullptr);
  bytes.value_base64 = "AP8=";
  placed(bytes);
  const kafka_batch batch = received(from({{"0", 0}}));
  EXPECT_EQ(values(batch), (all_values{{{"a", {1, nullptr}}}, "no JSON", {{"as", "text"}}, nullptr, "AP8="}));
  EXPECT_FALSE(batch.messages[1].is_base64);
  EXPECT_TRUE(batch.messages[4].is_base64);
}

TEST_F(KafkaBackend, GivesNoMoreThanIsWanted) {
  for (int i = 0; i < 5; ++i) placed(message(std::string(1'000, static_cast<char>('a' + i))));
  kafka_reading few = from({{"0", 0}});
  few.max_messages = 2;
  const kafka_batch two = received(few);
  EXPECT_EQ(two.messages.size(), 2U);
  EXPECT_EQ(two.positions.at("0"), 2);
  few.positions = two.positions;
  few.max_messages = 100;
  few.max_bytes = 2'500;
  const kafka_batch bounded = received(few);
  EXPECT_EQ(bounded.messages.size(), 2U);
  EXPECT_EQ(bounded.messages[0].offset, 2);
  few.positions = bounded.positions;
  few.max_bytes = 1;
  const kafka_batch large = received(few);
  EXPECT_EQ(large.messages.size(), 1U) << "one that is larger comes alone";
  EXPECT_EQ(large.messages[0].offset, 4);
}

TEST_F(KafkaBackend, ManyWaitTogetherWhereverTheyAre) {
  constexpr int count = 40;
  std::vector<task_ptr> waiting;
  for (int i = 0; i < count; ++i) waiting.push_back(receive(from({{"0", 0}})));
  placed(message("first"));
  for (const task_ptr& each : waiting) EXPECT_EQ(values(result<kafka_batch>(each)), all_values{"first"});
  waiting.clear();
  for (int i = 0; i < 30; ++i) placed(message(i));
  kafka_reading one = from({});
  one.max_messages = 1;
  for (int i = 0; i < count; ++i) {
    one.positions = {{"0", 1 + i % 30}};
    waiting.push_back(receive(one));
    waiting.push_back(receive(from({{"0", 31}})));
  }
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(values(result<kafka_batch>(waiting[static_cast<std::size_t>(2 * i)])), all_values{i % 30});
  }
  placed(message("last"));
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(values(result<kafka_batch>(waiting[static_cast<std::size_t>(2 * i + 1)])), all_values{"last"});
  }
}

TEST_F(KafkaBackend, ReadsPartitionsThatWereAddedFromTheirBeginning) {
  create(2);
  kafka_message what = message("in the other one");
  while (placed(what).partition == 0) what.key += "k";
  const auto bounds = broker->bounds({stream, 0});
  ASSERT_TRUE(bounds);
  const kafka_batch batch = received(from({{"0", static_cast<std::int64_t>(bounds->last)}}));
  EXPECT_EQ(values(batch), all_values{"in the other one"});
  EXPECT_EQ(batch.positions.at("1"), 1);
}

TEST_F(KafkaBackend, ACanceledReceiveEndsAtOnce) {
  const task_ptr canceled = receive(from({{"0", 0}}));
  const task_ptr other = receive(from({{"0", 0}}));
  backend->cancel(dispatch_id_of(*canceled));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(canceled->scheduled_seq()).how));
  placed(message(1));
  EXPECT_EQ(values(result<kafka_batch>(other)), all_values{1});
}

TEST_F(KafkaBackend, AReceiveThatWaitsIsHeardOf) {
  const task_ptr waits = receive(from({{"0", 0}}), 10'000'000);
  ends.heartbeats(waits->scheduled_seq(), 1);
  for (int i = 0; i < 5; ++i) time.advance(8s);
  ends.heartbeats(waits->scheduled_seq(), 5);
  placed(message(1));
  EXPECT_EQ(values(result<kafka_batch>(waits)), all_values{1}) << "it did not exceed its heartbeat";
}

TEST_F(KafkaBackend, StopDoesNotWaitForWhatMayNeverCome) {
  const task_ptr waits = receive(from({{"0", 0}}), 10'000'000);
  ends.heartbeats(waits->scheduled_seq(), 1);  // it has begun
  backend->stop(24h);
  EXPECT_TRUE(ends.reports().empty()) << "another process begins it again";
}

TEST_F(KafkaBackend, WaitsForAServerThatIsAway) {
  const task_ptr waits = receive(from({{"0", 0}}));
  placed(message("before"));
  EXPECT_EQ(values(result<kafka_batch>(waits)), all_values{"before"});
  const task_ptr later = receive(from({{"0", 1}}), 10'000'000);
  ends.heartbeats(later->scheduled_seq(), 1);
  kafka_service::shared().kill(1);
  kafka_service::shared().up(1);
  placed(message("after"));
  EXPECT_EQ(values(result<kafka_batch>(later)), all_values{"after"});
}

TEST_F(KafkaBackend, TellsFailuresApart) {
  const auto type_of = [&](const task_ptr& task, bool retried) {
    const failure why = failed(task);
    EXPECT_EQ(why.non_retryable, !retried) << why.type << why.message;
    return why.type;
  };
  kafka_message lost = message(1);
  lost.topic = "nothing-here";
  EXPECT_EQ(type_of(send(lost), false), "KafkaTopicNotFound");
  kafka_reading nowhere = from({});
  nowhere.topic = "nothing-here";
  EXPECT_EQ(type_of(receive(nowhere), false), "KafkaTopicNotFound");
  EXPECT_EQ(type_of(receive(from({{"0", 5}})), false), "KafkaPositionGone");
  placed(message(1));
  placed(message(2));
  ASSERT_TRUE(broker->trim({stream, 0}, 1));
  EXPECT_EQ(type_of(receive(from({{"0", 0}})), false), "KafkaPositionGone");
  EXPECT_EQ(type_of(send(message(std::string(2'000'000, 'x'))), false), "KafkaMessageTooLarge");
  lost.server.servers = "127.0.0.1:1";
  lost.server.properties = {{"message.timeout.ms", "300"}};
  EXPECT_EQ(type_of(send(lost), true), "KafkaUnavailable");
}

TEST(KafkaBackendLogin, ShowsUserAndPasswordOverTls) {
  const kafka_service service(1, "--login yes");
  if (service.why_not()) GTEST_SKIP() << *service.why_not();
  temporary_directory secrets;
  std::ofstream(secrets.path() / "kafka") << service.text_of("password");
  backend_of_kafka rig(secrets.path().string());
  auto broker = queue::make_kafka_broker(service.address());
  ASSERT_TRUE(broker);
  ASSERT_TRUE((*broker)->ensure_stream("secured", 1));
  kafka_message what;
  what.topic = "tests.secured";
  what.server.servers = service.text_of("secured");
  what.server.tls = true;
  what.server.ca_file = service.path("ca.pem");
  what.server.authentication = {{"kind", "basic"}, {"username", "evermill"}, {"password", secret("kafka")}};
  what.value = 1;
  EXPECT_EQ(rig.placed(what).offset, 0);
  kafka_reading reading;
  reading.server = what.server;
  reading.topic = what.topic;
  reading.positions = {{"0", 0}};
  EXPECT_EQ(rig.received(reading).messages.at(0).value, 1);
  reading.server.authentication["password"] = "wrong";
  const failure why = rig.failed(rig.receive(reading));
  EXPECT_EQ(why.type, "KafkaRefused") << why.message;
  EXPECT_TRUE(why.non_retryable);
}

TEST(KafkaMessage, ThatCantBeIsRefused) {
  backend_of_kafka rig;
  kafka_message right;
  right.server.servers = "127.0.0.1:1";
  right.topic = "t";
  std::vector<kafka_message> wrong(10, right);
  wrong[0].topic.clear();
  wrong[1].server.servers.clear();
  wrong[2].server.servers = "kafka://127.0.0.1:1";
  wrong[3].server.properties = {{"acks", "1"}};
  wrong[4].server.properties = {{"password-env", "HOME"}};
  wrong[5].server.properties = {{"no.such", "1"}};
  wrong[6].server.authentication = {{"kind", "bearer"}, {"token", "t"}};
  wrong[7].server.authentication = {{"kind", "basic"}, {"username", "u"}};
  wrong[8].value_base64 = "no base64!";
  wrong[9].value = 1;
  wrong[9].value_base64 = "AAE=";
  for (const kafka_message& each : wrong) {
    const failure why = rig.failed(rig.send(each));
    EXPECT_EQ(why.type, "InvalidPayload") << why.message;
    EXPECT_TRUE(why.non_retryable);
  }
  kafka_reading reading;
  reading.server = right.server;
  reading.topic = "t";
  for (const auto& positions : {std::map<std::string, std::int64_t>{{"x", 1}}, {{"-1", 1}}, {{"0", -1}}}) {
    reading.positions = positions;
    EXPECT_EQ(rig.failed(rig.receive(reading)).type, "InvalidPayload");
  }
  reading.positions.clear();
  reading.start = "first";
  EXPECT_EQ(rig.failed(rig.receive(reading)).type, "InvalidPayload");
}

TEST(KafkaLinks, AreSharedBoundedAndGivenUpWhenNobodyUsesThem) {
  manual_clock time;
  tasks::kafka_links links(time, log());
  const auto server = [](int number) {
    kafka_server made;
    made.servers = "127.0.0.1:" + std::to_string(number);
    return tasks::kafka_settings_of(made);
  };
  std::vector<std::shared_ptr<tasks::kafka_link>> used;
  for (int i = 1; i <= 16; ++i) used.push_back(links.to(server(i)).value());
  EXPECT_EQ(links.to(server(1)).value(), used[0]);
  EXPECT_EQ(links.to(server(17)).error().code, queue::broker_errc::overloaded);
  used.pop_back();
  EXPECT_TRUE(links.to(server(17)));
  EXPECT_EQ(links.count(), 16U);
  time.advance(20min);
  EXPECT_EQ(links.count(), 15U) << "those that are used stay";
  used.clear();
  time.advance(20min);
  EXPECT_EQ(links.count(), 0U);
}

}  // namespace
}  // namespace evermill::tests
