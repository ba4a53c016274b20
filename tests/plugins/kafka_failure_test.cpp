// What only a real Kafka can do to a broker: servers that are killed or stand still, topics that are not what they were.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "plugins/queue/kafka/kafka_broker.hpp"
#include "plugins/queue/kafka/producer.hpp"
#include "broker_conformance.hpp"
#include "tests/plugins/kafka_service.hpp"

namespace evermill::tests {
namespace {

using queue::broker_errc;
using answer = std::future<queue::broker_result<queue::position>>;

std::unique_ptr<queue::broker> connect(const std::string& address) {
  auto made = queue::make_kafka_broker(address);
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return made ? std::move(*made) : nullptr;
}

answer start_append(queue::broker& by, const queue::stream_partition& to, std::vector<queue::record> records) {
  auto told = std::make_shared<std::promise<queue::broker_result<queue::position>>>();
  answer later = told->get_future();
  const auto taken = by.append(to, std::move(records), [told](const auto& outcome) { told->set_value(outcome); });
  if (!taken) told->set_value(unexpected(taken.error()));
  return later;
}

std::vector<queue::record> numbered(std::size_t from, std::size_t through) {
  std::vector<queue::record> records;
  for (; from <= through; ++from) records.push_back({"", std::to_string(from)});
  return records;
}

queue::position append(queue::broker& by, const queue::stream_partition& to, std::size_t from, std::size_t through) {
  const auto outcome = start_append(by, to, numbered(from, through)).get();
  EXPECT_TRUE(outcome.has_value()) << outcome.error().message;
  return outcome.value_or(0);
}

/// On the Kafka that all tests share.
class KafkaFailure : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto& reason = kafka_service::shared().why_not()) GTEST_SKIP() << *reason;
    stream_ = std::string(testing::UnitTest::GetInstance()->current_test_info()->name());
    broker_ = connect(kafka_service::shared().address());
    ASSERT_EQ(broker_->ensure_stream(stream_, 1).value(), 1U);
  }

  std::string stream_;
  std::unique_ptr<queue::broker> broker_;
};

TEST_F(KafkaFailure, AServerThatStandsStillLosesAndReordersNothing) {
  const queue::stream_partition to{stream_, 0};
  broker_reading reading(*broker_, to);
  append(*broker_, to, 1, 1);
  EXPECT_EQ(reading.take(1).size(), 1U);
  kafka_service::shared().pause(1);
  std::vector<answer> answers;
  for (std::size_t i = 2; i <= 100; ++i) answers.push_back(start_append(*broker_, to, numbered(i, i)));
  const auto impatient = connect(kafka_service::shared().address("prefix=tests&operation-timeout-ms=300"));
  EXPECT_EQ(impatient->bounds(to).error().code, broker_errc::unavailable);
  impatient->close();
  kafka_service::shared().resume(1);
  for (answer& each : answers) EXPECT_TRUE(each.get().has_value());
  const auto records = reading.take(99);
  for (std::size_t i = 0; i < records.size(); ++i) ASSERT_EQ(records[i].what.value, std::to_string(i + 2));
}

TEST_F(KafkaFailure, ClosesWhileTheServerStandsStill) {
  const queue::stream_partition to{stream_, 0};
  append(*broker_, to, 1, 1);
  broker_reading reading(*broker_, to);
  broker_member member(*broker_, {.group = stream_, .member_id = "a"});
  member.wait_for_coordinator("a");
  kafka_service::shared().pause(1);
  answer pending = start_append(*broker_, to, numbered(2, 2));
  broker_->close();
  EXPECT_EQ(pending.get().error().code, broker_errc::closed);
  EXPECT_FALSE(member.membership->view().joined);
  kafka_service::shared().resume(1);
}

TEST_F(KafkaFailure, ALiveReaderOfATopicThatWasMadeAnewEndsAsRegressed) {
  const queue::stream_partition from{stream_, 0};
  append(*broker_, from, 1, 50);
  broker_reading reading(*broker_, from);
  EXPECT_EQ(reading.take(50).size(), 50U);
  ASSERT_TRUE(broker_->delete_stream(stream_).has_value());
  ASSERT_TRUE(broker_->ensure_stream(stream_, 1).has_value());
  append(*broker_, from, 1, 2);
  EXPECT_EQ(reading.take_end(), broker_errc::regressed);
  EXPECT_EQ(broker_reading(*broker_, from, {.after = 50}).failure->code, broker_errc::regressed);
}

TEST_F(KafkaFailure, ALiveReaderIsToldWhatWasDeletedBeforeItCameThere) {
  const queue::stream_partition from{stream_, 0};
  broker_reading slow(*broker_, from, {.prefetch_bytes = 1});
  const std::string large(100'000, 'x');
  for (int i = 0; i < 20; ++i) start_append(*broker_, from, {{"", large}});
  ASSERT_TRUE(broker_->flush(std::chrono::minutes(10)));
  const auto bounds = broker_->bounds(from).value();
  ASSERT_TRUE(broker_->trim(from, bounds.last - 1).has_value());
  EXPECT_EQ(broker_->bounds(from).value().first, bounds.last);
  EXPECT_EQ(slow.take_end(), broker_errc::trimmed);
  EXPECT_NE(slow.failure->message.find(stream_), std::string::npos);
}

TEST_F(KafkaFailure, SaysThatARecordIsTooLarge) {
  const auto refused = broker_->append({stream_, 0}, {{"", std::string(broker_->max_record_bytes() + 1, 'x')}}, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, broker_errc::too_large);
  EXPECT_NE(refused.error().message.find(std::to_string(broker_->max_record_bytes())), std::string::npos);
}

TEST_F(KafkaFailure, AProducerThatCanNotGoOnIsReplaced) {
  const auto with = queue::kafka::parse_address(kafka_service::shared().address()).value();
  const auto producer = queue::kafka::producer::open(with, log()).value();
  const auto write = [&](const char* text) {
    std::promise<queue::broker_result<queue::position>> told;
    const auto taken = producer->append("tests." + stream_, 0, {{"", text}},
                                        [&](const auto& outcome) { told.set_value(outcome); });
    if (!taken) return queue::broker_result<queue::position>(unexpected(taken.error()));
    return told.get_future().get();
  };
  ASSERT_TRUE(write("before").has_value());
  producer->fail_for_good();
  // Those that come before the new one is there are told so, and nothing hangs.
  queue::broker_result<queue::position> outcome = write("after");
  while (!outcome) {
    EXPECT_EQ(outcome.error().code, broker_errc::unavailable);
    outcome = write("after");
  }
  EXPECT_EQ(producer->replacements(), 1U);
  const auto records = broker_reading(*broker_, {stream_, 0}).take(2);
  EXPECT_EQ(records.back().what.value, "after");
}

TEST_F(KafkaFailure, OneServerAloneDoesNotSurviveAPowerCut) {
  const auto durability = broker_->durability();
  ASSERT_TRUE(durability.has_value()) << durability.error().message;
  EXPECT_FALSE(durability->survives_power_cut);
  EXPECT_NE(durability->reason.find("1 replicas"), std::string::npos) << durability->reason;
}

/// A process that joins a group and stays until it is killed.
class member_process {
 public:
  member_process(const std::string& address, const std::string& group, const std::string& id, int session_ms) {
    std::array<int, 2> from{};
    EXPECT_EQ(::pipe(from.data()), 0);
    const std::string session = std::to_string(session_ms);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(from[1], STDOUT_FILENO);
      ::execl("/proc/self/exe", "kafka_tests", "--member", address.c_str(), group.c_str(), id.c_str(), session.c_str(),
              nullptr);
      ::_exit(127);
    }
    ::close(from[1]);
    char first = 0;
    EXPECT_EQ(::read(from[0], &first, 1), 1) << "the process did not join";
    ::close(from[0]);
  }
  ~member_process() { kill(); }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

TEST_F(KafkaFailure, AnotherDecidesWhenTheProcessThatDidIsKilled) {
  constexpr int session_ms = 1000;
  member_process first(kafka_service::shared().address(), stream_, "first", session_ms);
  broker_member second(*broker_, {.group = stream_,
                                  .member_id = "second",
                                  .description = "waits",
                                  .session_timeout = std::chrono::milliseconds(session_ms)});
  second.wait_for_members({"first", "second"});
  const auto before = second.wait_until([](const auto& view) {
    return view.coordinator == "first" && view.members.size() == 2 && view.members[0].description == "first";
  });
  first.kill();
  second.wait_for_members({"second"});
  EXPECT_GT(second.wait_for_coordinator("second").generation, before.generation);
}

TEST(KafkaCluster, LosesNothingAcknowledgedWhenAServerIsKilledUnderAppends) {
  kafka_service cluster(3);
  if (cluster.why_not()) GTEST_SKIP() << *cluster.why_not();
  const auto broker = connect(cluster.address());
  const queue::stream_partition to{"decisions", 0};
  ASSERT_EQ(broker->ensure_stream(to.stream, 3).value(), 3U);
  const auto durability = broker->durability();
  ASSERT_TRUE(durability.has_value()) << durability.error().message;
  EXPECT_TRUE(durability->survives_power_cut) << durability->reason;

  constexpr std::size_t per_kill = 3'000;
  std::vector<answer> answers;
  std::vector<queue::position> told;
  broker_reading reading(*broker, to);
  // Each in turn: the leader is among them.
  for (int server = 1; server <= 3; ++server) {
    for (std::size_t i = 0; i < per_kill; ++i) {
      answers.push_back(start_append(*broker, to, {{"", std::to_string(answers.size())}}));
      if (i == per_kill / 3) cluster.kill(server);
    }
    for (std::size_t i = told.size(); i < answers.size(); ++i) {
      const auto outcome = answers[i].get();
      ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
      told.push_back(*outcome);
    }
    cluster.up(server);
  }
  const auto records = reading.take(told.size());
  ASSERT_EQ(records.size(), told.size());
  for (std::size_t i = 0; i < told.size(); ++i) {
    ASSERT_EQ(records[i].what.value, std::to_string(i));
    if (told[i] == 0) continue;  // it is there, and was found as a duplicate that lies too far back
    ASSERT_EQ(records[i].at, told[i]);
  }
  EXPECT_LT(std::count(told.begin(), told.end(), queue::position{0}), static_cast<std::ptrdiff_t>(told.size() / 2));
}

}  // namespace
}  // namespace evermill::tests
