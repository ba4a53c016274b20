#include "evermill/engine.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "evermill/context.hpp"
#include "evermill/future.hpp"
#include "evermill/shell.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;

inline constexpr activity<int(int)> add_one{.name = "add_one"};
inline constexpr activity<int(int)> flaky{.name = "flaky", .options = {.retry = {.initial_interval = 1ms}}};
inline constexpr activity<int(int)> refuses{.name = "refuses"};
inline constexpr activity<int(int)> endless{
    .name = "endless", .options = {.start_to_close = 20ms, .retry = {.max_attempts = 2, .initial_interval = 1ms}}};
inline constexpr signal<std::string> approval{.name = "approval"};

task<int> chain(context ctx, int steps) {
  int value = 0;
  for (int i = 0; i < steps; ++i) value = co_await ctx.call(add_one, value);
  co_return value;
}

task<int> fan_out(context ctx, int width) {
  std::vector<future<int>> parts;
  for (int i = 0; i < width; ++i) parts.push_back(ctx.call(add_one, i));
  auto together = all(std::move(parts));
  std::vector<int> values = co_await std::move(together);
  int sum = 0;
  for (int value : values) sum += value;
  co_return sum;
}

task<std::string> approved(context ctx) {
  std::string by = co_await ctx.wait(approval);
  co_return "approved by " + by;
}

task<std::string> approved_in_time(context ctx, int milliseconds) {
  std::optional<std::string> by = co_await ctx.wait(approval, std::chrono::milliseconds(milliseconds));
  co_return by ? *by : "nobody";
}

task<int> with_flaky(context ctx, int n) { co_return co_await ctx.call(flaky, n); }
task<int> with_refusal(context ctx, int n) { co_return co_await ctx.call(refuses, n); }
inline constexpr activity<int(int)> single{.name = "single", .options = {.retry = {.max_attempts = 1}}};
/// The first one holds the only thread until it is told to stop.
task<int> with_two_singles(context ctx) {
  future<int> first = ctx.call(single, 0);
  future<int> second = ctx.call(single, 1);
  co_await std::move(first);
  co_return co_await std::move(second);
}
task<int> with_endless(context ctx, int n) { co_return co_await ctx.call(endless, n); }

task<int> parent(context ctx, int children) {
  std::vector<future<int>> results;
  for (int i = 0; i < children; ++i) results.push_back(ctx.start(chain, 2));
  auto together = all(std::move(results));
  std::vector<int> values = co_await std::move(together);
  int sum = 0;
  for (int value : values) sum += value;
  co_return sum;
}

task<int> counts_down(context ctx, int n) {
  co_await ctx.sleep(1ms);
  if (n > 0) co_await ctx.continue_as_new(n - 1);
  std::string carried = co_await ctx.wait(approval);
  co_return static_cast<int>(carried.size());
}

std::atomic<int> steps_run{0};
task<int> with_step(context ctx) {
  auto count = [] { return ++steps_run; };
  int value = co_await ctx.step("count", count);
  co_await ctx.wait(approval);
  co_return value;
}

task<std::string> cleans_up(context ctx) {
  bool canceled = false;
  try {
    co_await ctx.sleep(1h);
  } catch (const canceled_error&) {
    canceled = true;
  }
  if (!canceled) co_return "slept";
  int value = co_await ctx.call(add_one, 41);
  if (value != 42) co_return "no cleanup";
  throw canceled_error();
}

task<std::string> runs_shell(context ctx, std::string script) {
  shell_command command;
  command.script = script;
  shell_result result = co_await ctx.call(shell, command);
  co_return result.stdout_text;
}

class EngineTest : public testing::Test {
 protected:
  EngineTest() : directory_(std::filesystem::temp_directory_path() / ("evermill-engine-test-" + unique())) {
    registry_.add("chain", chain);
    registry_.add("fan_out", fan_out);
    registry_.add("approved", approved);
    registry_.add("approved_in_time", approved_in_time);
    registry_.add("with_flaky", with_flaky);
    registry_.add("with_refusal", with_refusal);
    registry_.add("with_endless", with_endless);
    registry_.add("parent", parent);
    registry_.add("counts_down", counts_down);
    registry_.add("with_step", with_step);
    registry_.add("cleans_up", cleans_up);
    registry_.add("runs_shell", runs_shell);
    registry_.add(add_one, [this](int n) {
      ++calls_;
      return n + 1;
    });
    registry_.add(flaky, [](activity_context& about, int n) {
      if (about.attempt() <= static_cast<std::uint32_t>(n)) throw application_error("Flaky", "not yet");
      return static_cast<int>(about.attempt());
    });
    registry_.add(refuses, [](int) -> int { throw application_error("Refused", "no", {}, true); });
    registry_.add(endless, [](activity_context& about, int) {
      std::mutex m;
      std::unique_lock lock(m);
      std::condition_variable_any().wait(lock, about.stop_token(), [] { return false; });
      return 0;
    });
  }
  ~EngineTest() override { std::filesystem::remove_all(directory_); }

  engine_options durable() const { return {.data_directory = directory_, .stop_grace = 1s}; }

  registry registry_;
  std::filesystem::path directory_;
  std::atomic<int> calls_{0};

 private:
  static std::string unique() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    return std::string(test->name()) + "-" + std::to_string(::getpid());
  }
};

TEST_F(EngineTest, RunsActivitiesOneAfterTheOther) {
  engine e(registry_, durable());
  EXPECT_EQ(e.start(chain, 10).result(), 10);
  EXPECT_EQ(calls_, 10);
}

TEST_F(EngineTest, RunsInMemoryWithoutADirectory) {
  engine e(registry_);
  EXPECT_EQ(e.start(chain, 3).result(), 3);
  EXPECT_EQ(e.statistics().durability, "none");
}

TEST_F(EngineTest, GathersParallelActivities) {
  engine e(registry_, durable());
  EXPECT_EQ(e.start(fan_out, 100).result(), 5050);
}

TEST_F(EngineTest, DeliversSignalsAlsoBeforeTheCodeWaits) {
  engine e(registry_, durable());
  auto h = e.start(approved, {.id = "a"});
  h.signal(approval, "ann");
  EXPECT_EQ(h.result(), "approved by ann");
}

TEST_F(EngineTest, AWaitEndsWithItsTimeout) {
  engine e(registry_, durable());
  EXPECT_EQ(e.start(approved_in_time, 5).result(), "nobody");
  auto h = e.start(approved_in_time, 3'600'000);
  h.signal(approval, "bob");
  EXPECT_EQ(h.result(), "bob");
}

TEST_F(EngineTest, RetriesWithANewAttemptEachTime) {
  engine e(registry_, durable());
  EXPECT_EQ(e.start(with_flaky, 3).result(), 4);
}

TEST_F(EngineTest, ANonRetryableFailureEndsTheExecution) {
  engine e(registry_, durable());
  auto h = e.start(with_refusal, 1, {.id = "r"});
  try {
    h.result();
    FAIL() << "a result came";
  } catch (const workflow_failed& failed) {
    EXPECT_EQ(failed.status(), "failed");
    ASSERT_NE(failed.why().cause, nullptr);
    EXPECT_EQ(failed.why().cause->type, "Refused");
  }
  EXPECT_EQ(e.describe("r").status, execution_status::failed);
}

TEST_F(EngineTest, AnAttemptThatTakesTooLongTimesOut) {
  engine e(registry_, durable());
  try {
    e.start(with_endless, 1).result();
    FAIL() << "a result came";
  } catch (const workflow_failed& failed) {
    ASSERT_NE(failed.why().cause, nullptr);
    EXPECT_EQ(failed.why().cause->kind, failure_kind::start_to_close);
  }
}

TEST_F(EngineTest, ChildrenReportToTheirParentAcrossPartitions) {
  engine e(registry_, durable());
  EXPECT_EQ(e.start(parent, 20).result(), 40);
}

TEST_F(EngineTest, ContinueAsNewCarriesUnreadSignals) {
  engine e(registry_, durable());
  auto h = e.start(counts_down, 5, {.id = "c"});
  h.signal(approval, "four");
  EXPECT_EQ(h.result(), 4);
  const auto history = e.history("c");
  EXPECT_EQ(history.front().type, "WorkflowExecutionStarted");
}

TEST_F(EngineTest, CancelLetsTheCodeCleanUp) {
  engine e(registry_, durable());
  auto h = e.start(cleans_up, {.id = "x"});
  h.cancel("enough");
  EXPECT_EQ(e.wait("x").status, execution_status::canceled);
  EXPECT_EQ(calls_, 1);
}

TEST_F(EngineTest, TerminateEndsAtOnce) {
  engine e(registry_, durable());
  auto h = e.start(approved, {.id = "t"});
  h.terminate("over");
  EXPECT_EQ(e.wait("t").status, execution_status::terminated);
  EXPECT_EQ(calls_, 0);
}

TEST_F(EngineTest, RunsShellCommands) {
  engine e(registry_, durable());
  EXPECT_EQ(e.start(runs_shell, std::string("printf hello; echo $EVERMILL_ATTEMPT")).result(), "hello1\n");
}

TEST_F(EngineTest, StartingAgainFindsTheSameExecution) {
  engine e(registry_, durable());
  auto first = e.start(chain, 2, {.id = "same"});
  EXPECT_EQ(first.result(), 2);
  auto second = e.start(chain, 2, {.id = "same"});
  EXPECT_TRUE(second.existed());
  EXPECT_EQ(second.run_id(), first.run_id());
  EXPECT_EQ(second.result(), 2);
  EXPECT_EQ(calls_, 2);
  try {
    e.start(chain, 3, {.id = "same"});
    FAIL() << "another input was accepted";
  } catch (const engine_error& error) {
    EXPECT_EQ(error.code(), engine_errc::already_exists);
  }
}

TEST_F(EngineTest, ExecuteTellsTheEndOfWhatItStartsOrFinds) {
  engine e(registry_, durable());
  const auto executed = [&](int steps) {
    std::promise<execution_end> told;
    e.execute("chain", codec<int>::encode(steps), {.id = "x"}, [&](std::optional<engine_error> error, execution_end end) {
      if (error) return told.set_exception(std::make_exception_ptr(*error));
      told.set_value(std::move(end));
    });
    return told.get_future().get();
  };
  EXPECT_EQ(codec<int>::decode(*executed(3).result), 3);
  EXPECT_EQ(codec<int>::decode(*executed(3).result), 3) << "the same start finds the same execution, which has ended";
  EXPECT_EQ(calls_, 3);
  EXPECT_THROW(executed(4), engine_error) << "another input under the same id";
}

TEST_F(EngineTest, GoesOnAfterTheEngineIsOpenedAgain) {
  {
    engine e(registry_, durable());
    auto h = e.start(with_step, {.id = "s"});
    while (e.history("s").back().type != "MarkerRecorded") std::this_thread::yield();
  }
  const int runs_before = steps_run;
  engine e(registry_, durable());
  auto h = e.find<int>("s");
  h.signal(approval, "go");
  EXPECT_EQ(h.result(), runs_before);
  EXPECT_EQ(steps_run, runs_before) << "a finished step ran again";
}

TEST_F(EngineTest, AnAttemptThatHadNotStartedIsNotCountedAfterARestart) {
  registry_.add("with_two_singles", with_two_singles);
  std::atomic<int> begun = 0;
  registry_.add(single, [&](activity_context& about, int n) {
    ++begun;
    std::mutex m;
    std::unique_lock lock(m);
    if (n == 0) std::condition_variable_any().wait(lock, about.stop_token(), [] { return false; });
    return static_cast<int>(about.attempt());
  });
  engine_options options = durable();
  options.native_threads = 1;
  {
    engine e(registry_, options);
    e.start(with_two_singles, {.id = "two"});
    while (begun == 0) std::this_thread::yield();
  }
  EXPECT_EQ(begun, 1) << "the second one started while the engine stopped";
  engine e(registry_, options);
  EXPECT_EQ(e.find<int>("two").result(), 1);
  EXPECT_EQ(begun, 2);
}

TEST_F(EngineTest, ATimerGoesOnAfterARestart) {
  {
    engine e(registry_, durable());
    e.start(approved_in_time, 50, {.id = "timed"});
  }
  engine e(registry_, durable());
  EXPECT_EQ(e.find<std::string>("timed").result(), "nobody");
}

TEST_F(EngineTest, AnIdleInstanceLeavesMemoryAndComesBack) {
  engine_options options = durable();
  options.passivate_after = 1ms;
  engine e(registry_, options);
  auto h = e.start(approved, {.id = "sleeper"});
  while (e.statistics().live_instances != 0) std::this_thread::yield();
  h.signal(approval, "eve");
  EXPECT_EQ(h.result(), "approved by eve");
}

TEST_F(EngineTest, CodeThatDiffersMakesTheInstanceStuckAndFittingCodeGoesOn) {
  {
    engine e(registry_, durable());
    e.start(approved, {.id = "v"});
  }
  {
    registry changed;
    changed.add("approved", cleans_up);  // sleeps where the journal waits
    engine e(changed, durable());
    e.signal("v", "approval", codec<std::string>::encode("zoe"));
    while (e.describe("v").blocked.empty()) std::this_thread::yield();
    const execution_description about = e.describe("v");
    EXPECT_EQ(about.blocked, "stuck");
    EXPECT_EQ(about.blocked_at_event, 2u);
    EXPECT_NE(about.blocked_message.find("TimerStarted"), std::string::npos) << about.blocked_message;
  }
  engine e(registry_, durable());
  EXPECT_EQ(e.find<std::string>("v").result(), "approved by zoe");
}

TEST_F(EngineTest, AWorkflowWithoutCodeWaitsUnserved) {
  {
    engine e(registry_, durable());
    e.start(approved, {.id = "u"});
  }
  {
    engine e(registry(), durable());
    e.signal("u", "approval", codec<std::string>::encode("kim"));
    EXPECT_EQ(e.describe("u").blocked, "unserved");
  }
  engine e(registry_, durable());
  EXPECT_EQ(e.find<std::string>("u").result(), "approved by kim");
}

TEST_F(EngineTest, MayEndOnAnotherThreadThanItWasMadeOn) {
  std::unique_ptr<engine> e;
  std::thread([&] { e = std::make_unique<engine>(registry_, durable()); }).join();
  EXPECT_EQ(e->start(chain, 1).result(), 1);
  e.reset();
  EXPECT_NO_THROW(engine(registry_, durable()));
}

TEST_F(EngineTest, ASecondEngineOnTheDirectoryIsRefused) {
  engine e(registry_, durable());
  try {
    engine other(registry_, durable());
    FAIL() << "opened twice";
  } catch (const engine_error& error) {
    EXPECT_EQ(error.code(), engine_errc::locked) << error.what();
  }
}

TEST_F(EngineTest, RefusesBadNamesBeforeAnythingHappens) {
  engine e(registry_, durable());
  const auto code_of = [&](auto&& call) {
    try {
      call();
    } catch (const engine_error& error) {
      return error.code();
    }
    return engine_errc::unavailable;
  };
  EXPECT_EQ(code_of([&] { e.start("nobody", {}, {}); }), engine_errc::unknown_workflow);
  EXPECT_EQ(code_of([&] { e.start("chain", json_payload("1"), {.id = "a\nb"}); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { e.start("chain", json_payload("1"), {.id = std::string(513, 'x')}); }),
            engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { e.start("chain", json_payload("1"), {.id = "\xff"}); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { e.signal("missing", "s", {}); }), engine_errc::not_found);
  EXPECT_TRUE(e.list("", 10).empty());
}

TEST_F(EngineTest, AnInputThatCannotBeDecodedFailsTheExecution) {
  engine e(registry_, durable());
  e.start("chain", json_payload("\"ten\""), {.id = "bad"});
  const execution_end end = e.wait("bad");
  EXPECT_EQ(end.status, execution_status::failed);
  EXPECT_EQ(end.cause->kind, failure_kind::invalid_payload);
}

TEST_F(EngineTest, HistoryNamesEveryEventInOrder) {
  engine e(registry_, durable());
  e.start(chain, 1, {.id = "h"}).result();
  std::vector<std::string> types;
  for (const history_event& event : e.history("h")) types.push_back(event.type);
  EXPECT_EQ(types, (std::vector<std::string>{"WorkflowExecutionStarted", "ActivityTaskScheduled",
                                             "ActivityTaskCompleted", "WorkflowExecutionCompleted"}));
}

TEST_F(EngineTest, ManyInstancesAtOnce) {
  engine e(registry_, durable());
  constexpr int count = 2000;
  std::vector<execution<int>> started;
  for (int i = 0; i < count; ++i) started.push_back(e.start(chain, 5));
  for (auto& h : started) EXPECT_EQ(h.result(), 5);
  EXPECT_EQ(calls_, 5 * count);
}

}  // namespace
}  // namespace evermill
