// What every broker promises, one test per promise: in broker_conformance.cpp and broker_liveness_conformance.cpp, which belong
// into the same binary. A plugin's test instantiates the suite with a server of its own:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, broker_conformance, testing::Values(factory), broker_factory::name_of);
//
// One server serves all tests: each has streams and groups of names that no other uses. How far a reader reads ahead can't be
// seen through the interface; `broker_factory::buffered_bytes` tells where a plugin can.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "evermill/broker.hpp"
#include "tests/support/permits.hpp"

namespace evermill::tests {

struct broker_settings {
  std::optional<std::size_t> max_pending_bytes;  ///< as the plugin has it
};

struct broker_factory {
  std::string name;
  /// Why no test can run here, where that is so; starts the server otherwise.
  std::function<std::optional<std::string>()> why_not = [] { return std::nullopt; };
  /// A broker object of another process on the same server.
  std::function<std::unique_ptr<queue::broker>(const std::string& process, const broker_settings& settings)> make;
  /// The server goes away, and comes back with everything that it acknowledged. Empty: can't be done, these tests are skipped.
  std::function<void()> stop_server{};
  std::function<void()> start_server{};
  /// The process is not heard of from here on, though it has not left. Its objects may be destroyed afterwards.
  std::function<void(const std::string& process, const queue::membership_options& joined)> lose_process{};
  /// What a reader holds that was not polled, where it can be told.
  std::function<std::size_t(const queue::stream_reader& of)> buffered_bytes{};
  bool fences = true;         ///< refuses what comes with a lower fence
  bool trims_exactly = true;  ///< what was given up is never read again
  bool sees_deletion = true;  ///< a live reader of a stream that is deleted and made again ends with `regressed`
  bool comes_back = true;     ///< a member that was given up joins again by itself
  bool rejoins = true;        ///< a member that was given up while the server was away counts again when it is back

  friend std::ostream& operator<<(std::ostream& to, const broker_factory& of) { return to << of.name; }
  static std::string name_of(const testing::TestParamInfo<broker_factory>& of) { return of.param.name; }
};

/// Reads on whenever the broker says that there is something.
class broker_reading {
 public:
  broker_reading(queue::broker& from, const queue::stream_partition& what, const queue::reader_options& options = {}) {
    auto begun = from.read(what, options, [calls = calls_, readable = readable_] {
      ++*calls;
      readable->release();
    });
    if (begun) {
      reader = std::move(*begun);
    } else {
      failure = begun.error();
    }
  }

  /// Waits for so many; fewer once the reader has ended.
  std::vector<queue::stored_record> take(std::size_t count, std::size_t at_once = 1'000) {
    std::vector<queue::stored_record> records;
    while (!failure && records.size() < count) {
      const auto polled = reader->poll(records, std::min(at_once, count - records.size()));
      if (!polled) {
        failure = polled.error();
      } else if (*polled == 0) {
        readable_->acquire();  // a lost wake-up ends here, at the test's time limit
      }
    }
    return records;
  }
  std::vector<std::string> values(std::size_t count) {
    std::vector<std::string> list;
    for (const auto& each : take(count)) list.push_back(each.what.value);
    return list;
  }
  /// Waits for the reader's end.
  queue::broker_errc take_end() {
    while (!failure) take(1);
    return failure->code;
  }
  int calls() const { return *calls_; }
  void wait_for_call() { readable_->acquire(); }

  std::optional<queue::broker_error> failure;

 private:
  // Before the reader, which calls them until it is destroyed.
  const std::shared_ptr<permits> readable_ = std::make_shared<permits>();
  const std::shared_ptr<std::atomic<int>> calls_ = std::make_shared<std::atomic<int>>(0);

 public:
  std::unique_ptr<queue::stream_reader> reader;
};

/// A member that looks whenever it is told to.
class broker_member {
 public:
  broker_member(queue::broker& of, queue::membership_options options) : options(std::move(options)) {
    auto begun = of.join(this->options, [calls = calls_, changed = changed_] {
      ++*calls;
      changed->release();
    });
    EXPECT_TRUE(begun.has_value()) << begun.error().message;
    if (begun) membership = std::move(*begun);
  }

  queue::membership_view wait_until(const std::function<bool(const queue::membership_view&)>& is) {
    for (;;) {
      queue::membership_view view = membership->view();
      if (is(view)) return view;
      changed_->acquire();  // a change that is not told ends here, at the test's time limit
    }
  }
  queue::membership_view wait_for_members(std::vector<std::string> ids) {
    std::sort(ids.begin(), ids.end());
    return wait_until([&](const queue::membership_view& view) {
      std::vector<std::string> seen;
      for (const auto& each : view.members) seen.push_back(each.id);
      return view.joined && seen == ids;
    });
  }
  queue::membership_view wait_for_coordinator(const std::string& id) {
    return wait_until([&](const queue::membership_view& view) { return view.joined && view.coordinator == id; });
  }
  int calls() const { return *calls_; }
  void wait_for_call() { changed_->acquire(); }

  const queue::membership_options options;

 private:
  const std::shared_ptr<permits> changed_ = std::make_shared<permits>();
  const std::shared_ptr<std::atomic<int>> calls_ = std::make_shared<std::atomic<int>>(0);

 public:
  std::unique_ptr<queue::membership> membership;
};

class broker_conformance : public testing::TestWithParam<broker_factory> {
 protected:
  using texts = std::vector<std::string>;

  void SetUp() override {
    if (const auto reason = GetParam().why_not()) GTEST_SKIP() << *reason;
    name_ = unique_name();
    broker_ = make("first");
    ASSERT_NE(broker_, nullptr);
    const auto made = broker_->ensure_stream(name_, 3);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    ASSERT_EQ(*made, 3U);
  }
  void TearDown() override {
    if (stopped_) start_server();
    if (broker_ != nullptr) broker_->delete_stream(name_);
  }

  static std::string unique_name() {
    static std::atomic<unsigned> count = 0;
    std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace_if(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '-');
    return name.substr(0, 80) + "-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  }

  std::unique_ptr<queue::broker> make(const std::string& process, const broker_settings& settings = {}) const {
    return GetParam().make(process, settings);
  }
  void stop_server() {
    GetParam().stop_server();
    stopped_ = true;
  }
  void start_server() {
    GetParam().start_server();
    stopped_ = false;
  }
  bool cannot_stop_server() const { return !GetParam().stop_server; }

  queue::stream_partition part(std::uint32_t partition) const { return {name_, partition}; }

  static std::vector<queue::record> numbered(std::size_t from, std::size_t through) {
    std::vector<queue::record> records;
    for (; from <= through; ++from) records.push_back({"", std::to_string(from)});
    return records;
  }
  static texts number_texts(std::size_t from, std::size_t through) {
    texts list;
    for (; from <= through; ++from) list.push_back(std::to_string(from));
    return list;
  }

  using answer = std::future<queue::broker_result<queue::position>>;

  static answer start_append(queue::broker& by, const queue::stream_partition& to, std::vector<queue::record> records,
                             std::uint64_t fence = 0) {
    auto told = std::make_shared<std::promise<queue::broker_result<queue::position>>>();
    answer later = told->get_future();
    const auto taken = by.append(
        to, std::move(records), [told](queue::broker_result<queue::position> outcome) { told->set_value(std::move(outcome)); },
        fence);
    if (!taken) told->set_value(unexpected(taken.error()));
    return later;
  }
  /// The position of the last one; 0 where it failed.
  static queue::position append(queue::broker& by, const queue::stream_partition& to, std::vector<queue::record> records,
                                std::uint64_t fence = 0) {
    const auto outcome = start_append(by, to, std::move(records), fence).get();
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message;
    return outcome.value_or(0);
  }
  queue::position append(std::size_t from, std::size_t through) { return append(*broker_, part(0), numbered(from, through)); }

  /// Nothing where it succeeded.
  template <class T>
  static std::optional<queue::broker_errc> code(const queue::broker_result<T>& outcome) {
    if (outcome) return std::nullopt;
    EXPECT_FALSE(outcome.error().message.empty());
    return outcome.error().code;
  }

  queue::membership_options member_options(const std::string& id) const {
    return {.group = name_, .member_id = id, .description = id + " says hello", .session_timeout = a_long_time};
  }

  static constexpr std::chrono::milliseconds a_long_time{600'000};  // so that what happens does not happen because it passed

  std::string name_;  // of the stream and of the group
  std::unique_ptr<queue::broker> broker_;
  bool stopped_ = false;
};

}  // namespace evermill::tests
