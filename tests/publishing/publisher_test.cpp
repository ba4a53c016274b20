#include "publishing/publisher.hpp"

#include <gmock/gmock.h>

#include <future>

#include "journal_writer.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::publishing {
namespace {

using namespace std::chrono_literals;

/// Hands over the ids that it is sent; fails while told to.
class telling_sink final : public sink {
 public:
  struct shared {
    std::mutex guard;
    std::condition_variable_any changed;
    std::vector<std::string> ids;
    int failures_left = 0;
    std::size_t calls = 0;
    bool blocks = false;
    void wait_for_calls(std::size_t count) {
      std::unique_lock lock(guard);
      changed.wait(lock, [&] { return calls >= count; });
    }
  };
  explicit telling_sink(shared& to) : to_(to) {}
  std::string address() const override { return "the test"; }
  result<void, sink_error> send(std::vector<cloud_event>&& events, std::stop_token stop) override {
    std::unique_lock lock(to_.guard);
    ++to_.calls;
    to_.changed.notify_all();
    to_.changed.wait(lock, stop, [this] { return !to_.blocks; });
    if (to_.blocks) return unexpected(sink_error{"told to stop"});
    if (to_.failures_left > 0) {
      --to_.failures_left;
      return unexpected(sink_error{"it is away"});
    }
    for (const cloud_event& each : events) to_.ids.push_back(each.attributes.at(1).second);
    return {};
  }

 private:
  shared& to_;
};

class Publisher : public testing::Test {
 protected:
  Publisher() {
    auto what = std::make_unique<relay>(relay_options{}, *store_, std::make_unique<telling_sink>(place_),
                                        [this](partition_id, std::uint64_t through) { confirmed_ = through; }, time_, log());
    publisher_.emplace(std::move(what), time_, publisher::delays{100ms, 400ms});
  }
  /// Lets the time pass until the sink was called so often.
  void advance_to_call(std::size_t count, std::chrono::milliseconds by) {
    while (time_.alarms() == 0) std::this_thread::yield();
    time_.advance(by - 1ms);
    EXPECT_EQ(time_.alarms(), 1U) << "it is tried again too soon";
    time_.advance(1ms);
    place_.wait_for_calls(count);
  }

  std::unique_ptr<storage::key_value_store> store_ = storage::make_memory_store();
  journal_writer journal_{*store_};
  telling_sink::shared place_;
  std::atomic<std::uint64_t> confirmed_{0};
  tests::manual_clock time_;
  std::optional<publisher> publisher_;
};

TEST_F(Publisher, SendsWhatIsOffered) {
  publisher_->offer(partition_id(1), 0, journal_.add(2));
  publisher_->start();
  EXPECT_TRUE(publisher_->finish(1h));
  publisher_->offer(partition_id(1), 1, journal_.add(1));
  EXPECT_TRUE(publisher_->finish(1h));
  EXPECT_THAT(place_.ids, testing::ElementsAre("1.1.1", "1.1.2", "1.2.1"));
  EXPECT_EQ(confirmed_, 2U);
}

TEST_F(Publisher, TriesAgainAfterLongerAndLongerDelays) {
  place_.failures_left = 4;
  publisher_->start();
  publisher_->offer(partition_id(1), 0, journal_.add(1));
  place_.wait_for_calls(1);
  EXPECT_FALSE(publisher_->finish(1h)) << "it does not wait for a place that is away";
  advance_to_call(2, 100ms);
  advance_to_call(3, 200ms);
  advance_to_call(4, 400ms);
  advance_to_call(5, 400ms);
  while (!publisher_->finish(1h)) std::this_thread::yield();
  EXPECT_THAT(place_.ids, testing::ElementsAre("1.1.1"));
}

TEST_F(Publisher, StopsWhileItWaitsToTryAgain) {
  place_.failures_left = 1;
  publisher_->start();
  publisher_->offer(partition_id(1), 0, journal_.add(1));
  place_.wait_for_calls(1);
  publisher_->stop();
  EXPECT_EQ(confirmed_, 0U);
}

TEST_F(Publisher, StopsWhileThePlaceTakesItsTime) {
  place_.blocks = true;
  publisher_->start();
  publisher_->offer(partition_id(1), 0, journal_.add(1));
  place_.wait_for_calls(1);
  EXPECT_FALSE(publisher_->finish(0ms));
  publisher_->stop();
  EXPECT_EQ(confirmed_, 0U);
}

}  // namespace
}  // namespace evermill::publishing
