// Commands that lie in a broker, and what is asked of the engine because of them.
#include "engine/command_ingress.hpp"

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "plugins/queue/memory/memory_broker.hpp"

namespace evermill::commands {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

/// What is asked, until the test answers.
class asked_requests {
 public:
  void ask(messages::DecisionEvent&& event, on_request_done done) {
    const std::lock_guard lock(mutex_);
    all_.emplace_back(std::move(event), std::move(done));
    changed_.notify_all();
  }
  /// Waits until there are so many that were not answered.
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return all_.size() >= count; });
    std::vector<std::string> names;
    for (const auto& [event, done] : all_) names.push_back(name_of(event));
    return names;
  }
  /// The first of them.
  messages::DecisionEvent answer(actors::answer::outcome what, const std::string& message = "") {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !all_.empty(); });
    auto [event, done] = std::move(all_.front());
    all_.erase(all_.begin());
    lock.unlock();
    actors::answer answer;
    answer.what = what;
    answer.message = message;
    done(std::nullopt, std::move(answer));
    return event;
  }

 private:
  static std::string name_of(const messages::DecisionEvent& event) {
    return event.workflow_id() + ":" + event.event().workflow_execution_signaled().signal_name();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<messages::DecisionEvent, on_request_done>> all_;
};

class CommandIngress : public testing::Test {
 protected:
  CommandIngress() {
    EXPECT_TRUE(broker_->ensure_stream(stream_name, 2));
    EXPECT_TRUE(broker_->ensure_stream(rejected_stream_name, 1));
    EXPECT_TRUE(broker_->ensure_stream(read_stream_name, 2));
  }
  std::unique_ptr<ingress> read(asked_requests& asked, const std::function<bool(partition_id)>& owns = [](partition_id) { return true; }) {
    ingress_options options;
    options.partitions = 2;
    options.tick = 1ms;
    options.tell_interval = 0ms;
    options.trim_interval = trim_interval_;
    return std::make_unique<ingress>(options, queue::make_memory_broker(server_), *time_, *random_, owns,
                                     [&asked](messages::DecisionEvent&& event, on_request_done done) {
                                       asked.ask(std::move(event), std::move(done));
                                     },
                                     counts_, log());
  }
  void write(std::uint32_t partition, const std::string& text) {
    EXPECT_TRUE(broker_->append({stream_name, partition}, {{.key = "", .value = text}}, nullptr));
  }
  void write_signal(std::uint32_t partition, const std::string& id, const std::string& name) {
    write(partition, R"({"signal": {"id": ")" + id + R"(", "name": ")" + name + "\"}}");
  }
  /// Waits for a record of the stream that is so.
  queue::stored_record wait_for(const queue::stream_partition& in, const std::function<bool(const queue::stored_record&)>& is) {
    auto reader = broker_->read(in, {}, [] {});
    std::vector<queue::stored_record> records;
    for (;;) {
      records.clear();
      EXPECT_TRUE((*reader)->poll(records, 1));
      if (!records.empty() && is(records.front())) return records.front();
      std::this_thread::yield();
    }
  }
  void wait_until_read(std::uint32_t partition, queue::position through) {
    wait_for({read_stream_name, partition}, [&](const auto& each) { return each.what.value == std::to_string(through); });
  }

  std::chrono::milliseconds trim_interval_ = 1h;
  std::shared_ptr<queue::memory_server> server_ = queue::make_memory_server();
  std::unique_ptr<queue::broker> broker_ = queue::make_memory_broker(server_);
  std::unique_ptr<clock> time_ = make_system_clock();
  std::unique_ptr<random_source> random_ = make_seeded_random(3);
  ingress_metrics counts_;
};

TEST_F(CommandIngress, WhatIsForOneExecutionKeepsItsOrder) {
  asked_requests asked;
  const auto reading = read(asked);
  write_signal(0, "a", "first");
  write_signal(0, "a", "second");
  write_signal(0, "b", "other");
  EXPECT_THAT(asked.wait_for(2), ElementsAre("a:first", "b:other")) << "the second one waits for the first one's answer";
  asked.answer(actors::answer::outcome::unavailable, "just now");
  EXPECT_THAT(asked.wait_for(2), ElementsAre("b:other", "a:first")) << "it is asked for again";
  asked.answer(actors::answer::outcome::accepted);
  asked.answer(actors::answer::outcome::accepted);
  EXPECT_THAT(asked.wait_for(1), ElementsAre("a:second"));
  asked.answer(actors::answer::outcome::accepted);
  wait_until_read(0, 3);
  EXPECT_EQ(counts_.accepted.value(), 3U);
}

TEST_F(CommandIngress, WhatIsNotDoneIsReadAgainAsTheSameRequest) {
  write_signal(1, "a", "first");
  write_signal(1, "b", "second");
  messages::DecisionEvent second;
  {
    asked_requests asked;
    const auto reading = read(asked);
    EXPECT_THAT(asked.wait_for(2), SizeIs(2));
    asked.answer(actors::answer::outcome::accepted);
    second = asked.answer(actors::answer::outcome::unavailable);
    wait_until_read(1, 1);
  }
  asked_requests asked;
  const auto reading = read(asked);
  EXPECT_THAT(asked.wait_for(1), ElementsAre("b:second"));
  EXPECT_EQ(asked.answer(actors::answer::outcome::accepted).request_id(), second.request_id());
  wait_until_read(1, 2);
}

TEST_F(CommandIngress, WhatCanNotBeDoneIsSetAsideWithTheReason) {
  asked_requests asked;
  const auto reading = read(asked);
  write(0, "nonsense");
  write_signal(0, "a", "go");
  asked.answer(actors::answer::outcome::not_found, "no execution \"a\"");
  wait_until_read(0, 2);
  const auto reason_of = [](const queue::stored_record& record) { return record.what.headers.at(0).second; };
  const auto first = wait_for({rejected_stream_name, 0}, [](const auto& each) { return each.what.value == "nonsense"; });
  EXPECT_THAT(reason_of(first), HasSubstr("no JSON"));
  const auto second = wait_for({rejected_stream_name, 0}, [](const auto& each) { return each.what.value != "nonsense"; });
  EXPECT_THAT(reason_of(second), HasSubstr("no execution"));
  EXPECT_EQ(counts_.rejected.value(), 2U);
}

TEST_F(CommandIngress, OnlyTheOwnerReads) {
  asked_requests first, second;
  std::atomic<bool> moved = false;
  const auto one = read(first, [&](partition_id id) { return id.value == 0 || moved; });
  const auto other = read(second, [&](partition_id id) { return id.value == 1 && !moved; });
  write_signal(0, "a", "go");
  write_signal(1, "b", "go");
  EXPECT_THAT(first.wait_for(1), ElementsAre("a:go"));
  EXPECT_THAT(second.wait_for(1), ElementsAre("b:go"));
  moved = true;
  EXPECT_THAT(first.wait_for(2), ElementsAre("a:go", "b:go")) << "what the earlier owner has not finished";
}

TEST_F(CommandIngress, WhatWasReadIsTrimmedAndReadingGoesOnBehindIt) {
  trim_interval_ = 0ms;
  {
    asked_requests asked;
    const auto reading = read(asked);
    for (int n = 0; n < 3; ++n) write_signal(0, "a", "go");
    for (int n = 0; n < 3; ++n) asked.answer(actors::answer::outcome::accepted);
    while (broker_->bounds({stream_name, 0})->first < 4) std::this_thread::yield();
  }
  // As if the place that was read had been told before that: what is gone is no reason to stop.
  EXPECT_TRUE(broker_->append({read_stream_name, 0}, {{.key = "", .value = "1"}}, nullptr));
  write_signal(0, "a", "next");
  asked_requests asked;
  const auto reading = read(asked);
  EXPECT_THAT(asked.wait_for(1), ElementsAre("a:next"));
}

}  // namespace
}  // namespace evermill::commands
