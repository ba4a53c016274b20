// What engines that only record or inspect do with a directory that another one left.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "tests/support/interrupted_first_start.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;

inline constexpr activity<int()> once{.name = "once", .options = {.retry = {.max_attempts = 1}}};
inline constexpr signal<int> go{.name = "go"};

task<int> waits_then_calls(context ctx) {
  const int n = co_await ctx.wait(go);
  const int called = co_await ctx.call(once);
  co_return n + called;
}

task<int> waits_then_steps(context ctx) {
  const int n = co_await ctx.wait(go);
  auto one = [] { return 1; };
  const int stepped = co_await ctx.step("one", one);
  co_return n + stepped;
}

class EngineMode : public testing::Test {
 protected:
  EngineMode()
      : directory_(std::filesystem::temp_directory_path() /
                   ("evermill-engine-mode-" + std::to_string(::getpid()) + "-" +
                    testing::UnitTest::GetInstance()->current_test_info()->name())) {
    registry_.add("waits_then_calls", waits_then_calls);
    registry_.add("waits_then_steps", waits_then_steps);
    registry_.add(once, [this] { return ++calls_; });
  }
  ~EngineMode() override { std::filesystem::remove_all(directory_); }

  engine_options in(engine_mode mode) const { return {.mode = mode, .data_directory = directory_}; }

  std::map<std::string, std::uintmax_t> files() const {
    std::map<std::string, std::uintmax_t> found;
    for (const auto& file : std::filesystem::directory_iterator(directory_)) {
      found[file.path().filename()] = file.file_size();
    }
    return found;
  }

  registry registry_;
  std::filesystem::path directory_;
  std::atomic<int> calls_{0};
};

TEST_F(EngineMode, RecordJournalsASignalAndRunsNoActivity) {
  engine(registry_, in(engine_mode::run)).start(waits_then_calls, {.id = "w"});
  {
    engine recorder(registry_, in(engine_mode::record));
    recorder.signal("w", "go", codec<int>::encode(41));
    const auto events = recorder.history("w");
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[1].type, "WorkflowExecutionSignaled");
    EXPECT_EQ(events[2].type, "ActivityTaskScheduled");
  }
  EXPECT_EQ(calls_, 0);
  engine runner(registry_, in(engine_mode::run));
  EXPECT_EQ(runner.find<int>("w").result(), 42) << "an attempt that was never dispatched is not lost";
}

TEST_F(EngineMode, RecordLeavesAnOpenActivityAsItIs) {
  engine(registry_, in(engine_mode::run)).start(waits_then_calls, {.id = "w"});
  engine(registry_, in(engine_mode::record)).signal("w", "go", codec<int>::encode(41));
  for (int i = 0; i < 3; ++i) engine(registry_, in(engine_mode::record)).taint("w");
  engine runner(registry_, in(engine_mode::run));
  EXPECT_EQ(runner.find<int>("w").result(), 42);
  EXPECT_EQ(calls_, 1);
}

TEST_F(EngineMode, RecordRunsNoStep) {
  engine(registry_, in(engine_mode::run)).start(waits_then_steps, {.id = "w"});
  {
    engine recorder(registry_, in(engine_mode::record));
    recorder.signal("w", "go", codec<int>::encode(41));
    EXPECT_FALSE(recorder.wait_for("w", 0ms));
  }
  engine runner(registry_, in(engine_mode::run));
  EXPECT_EQ(runner.find<int>("w").result(), 42);
  const auto events = runner.history("w");
  EXPECT_EQ(events[3].type, "MarkerRecorded");
}

TEST_F(EngineMode, InspectReadsAndChangesNothing) {
  engine(registry_, in(engine_mode::run)).start(waits_then_calls, {.id = "w"});
  const auto before = files();
  {
    engine inspector(registry_, in(engine_mode::inspect));
    EXPECT_EQ(inspector.describe("w").status, execution_status::running);
    EXPECT_EQ(inspector.list("", 10).size(), 1u);
    EXPECT_EQ(inspector.history("w").size(), 1u);
    EXPECT_EQ(inspector.statistics().turns, 0u);
    try {
      inspector.signal("w", "go", codec<int>::encode(1));
      FAIL() << "an inspecting engine took a request";
    } catch (const engine_error& error) {
      EXPECT_EQ(error.code(), engine_errc::unavailable);
    }
  }
  EXPECT_EQ(files(), before);
}

TEST_F(EngineMode, InspectSeesADirectoryThatIsOpen) {
  engine runner(registry_, in(engine_mode::run));
  runner.start(waits_then_calls, {.id = "w"});
  engine inspector(registry_, in(engine_mode::inspect));
  EXPECT_EQ(inspector.describe("w").workflow_type, "waits_then_calls");
}

TEST_F(EngineMode, InspectFindsNothingInWhatAnInterruptedFirstStartLeft) {
  tests::make_interrupted_first_start(directory_);
  {
    engine looks(registry_, {.mode = engine_mode::inspect, .data_directory = directory_});
    EXPECT_TRUE(looks.list("", 10).empty());
    EXPECT_THROW(looks.describe("w"), engine_error);
  }
  EXPECT_NO_THROW(engine(registry_, {.data_directory = directory_}));
}

TEST_F(EngineMode, InspectRefusesADirectoryThatDoesNotExist) {
  try {
    engine inspector(registry_, in(engine_mode::inspect));
    FAIL() << "there is nothing to inspect";
  } catch (const engine_error& error) {
    EXPECT_EQ(error.code(), engine_errc::storage);
    EXPECT_NE(std::string(error.what()).find(directory_.string()), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

}  // namespace
}  // namespace evermill
