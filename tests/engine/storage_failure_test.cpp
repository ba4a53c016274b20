// The disk refuses a write while the engine runs: what was not durable is not told, and the engine goes on by itself.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <future>
#include <thread>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;

inline constexpr activity<int()> count{.name = "count"};
inline constexpr signal<int> go{.name = "go"};

task<int> waits_then_counts(context ctx) {
  const int n = co_await ctx.wait(go);
  const int counted = co_await ctx.call(count);
  co_return n + counted;
}

/// While it lives no file may grow beyond `bytes`: writes fail as they do on a full disk.
class file_size_limit {
 public:
  explicit file_size_limit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~file_size_limit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

class StorageFailure : public testing::Test {
 protected:
  StorageFailure()
      : directory_(std::filesystem::temp_directory_path() /
                   ("evermill-storage-failure-" + std::to_string(::getpid()) + "-" +
                    testing::UnitTest::GetInstance()->current_test_info()->name())) {
    registry_.add("waits_then_counts", waits_then_counts);
    registry_.add(count, [this] { return ++calls_; });
  }
  ~StorageFailure() override { std::filesystem::remove_all(directory_); }

  engine_errc signal_code(engine& e, const char* id) {
    try {
      e.signal(id, "go", codec<int>::encode(1));
    } catch (const engine_error& error) {
      return error.code();
    }
    ADD_FAILURE() << "a signal that could not be written was acknowledged";
    return {};
  }

  registry registry_;
  std::filesystem::path directory_;
  std::atomic<int> calls_{0};
};

TEST_F(StorageFailure, WhatCouldNotBeWrittenIsRefusedAndTheEngineGoesOn) {
  engine e(registry_, {.data_directory = directory_});
  auto waiting = e.start(waits_then_counts, {.id = "w"});
  {
    const file_size_limit full(1);
    EXPECT_EQ(signal_code(e, "w"), engine_errc::unavailable);
    EXPECT_EQ(signal_code(e, "w"), engine_errc::unavailable);
  }
  EXPECT_EQ(calls_, 0) << "an activity was dispatched by a turn that is not durable";
  // The directory is opened again by itself; until then requests are refused.
  for (bool taken = false; !taken;) {
    try {
      e.signal("w", "go", codec<int>::encode(41));
      taken = true;
    } catch (const engine_error& error) {
      ASSERT_EQ(error.code(), engine_errc::unavailable) << error.what();
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(waiting.result(), 42);
  int signals = 0;
  for (const history_event& event : e.history("w")) signals += event.type == "WorkflowExecutionSignaled";
  EXPECT_EQ(signals, 1);
}

TEST_F(StorageFailure, ACallerThatWaitsForAnEndIsToldItAfterTheEngineHasRecovered) {
  engine e(registry_, {.data_directory = directory_});
  e.start(waits_then_counts, {.id = "w"});
  std::promise<execution_end> told;
  e.wait("w", [&](std::optional<engine_error> error, execution_end end) {
    if (error) return told.set_exception(std::make_exception_ptr(*error));
    told.set_value(std::move(end));
  });
  {
    const file_size_limit full(1u << 20);  // enough to open the directory again, too little for the signal
    try {
      e.signal("w", "go", codec<std::string>::encode(std::string(2u << 20, 'x')));
      FAIL() << "a signal that could not be written was acknowledged";
    } catch (const engine_error& error) {
      EXPECT_EQ(error.code(), engine_errc::unavailable);
    }
  }
  for (bool taken = false; !taken;) {
    try {
      e.signal("w", "go", codec<int>::encode(41));
      taken = true;
    } catch (const engine_error&) {
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(told.get_future().get().status, execution_status::completed);
}

}  // namespace
}  // namespace evermill
