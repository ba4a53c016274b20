// Activities on a real engine: completed from elsewhere, in task queues, stopped in the ways that their options say.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "tests/support/permits.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;

constexpr activity<int(int)> later{.name = "later", .options = {.retry = {.max_attempts = 1}, .schedule_to_close = 1h}};
constexpr activity<int(int)> on_gpu{.name = "on_gpu", .options = {.task_queue = "gpu"}};
constexpr activity<int(int)> on_gpu_soon{
    .name = "on_gpu", .options = {.schedule_to_start = 10ms, .task_queue = "gpu"}};
constexpr activity<int(int)> obedient{
    .name = "obedient", .options = {.cancellation = activity_cancellation::wait_cancellation_completed}};

constexpr activity<int(int)> priced{.name = "priced", .options = {.retry = {.max_attempts = 1}, .version = "2"}};

task<int> calls_priced(context ctx, int n) { co_return co_await ctx.call(priced, n); }
task<int> calls_later(context ctx, int n) { co_return co_await ctx.call(later, n); }
task<int> calls_gpu(context ctx, int n) { co_return co_await ctx.call(on_gpu, n); }
task<int> calls_gpu_soon(context ctx, int n) { co_return co_await ctx.call(on_gpu_soon, n); }
task<int> calls_obedient(context ctx, int n) { co_return co_await ctx.call(obedient, n); }
task<int> many_on_gpu(context ctx, int n) {
  std::vector<future<int>> parts;
  for (int i = 0; i < n; ++i) parts.push_back(ctx.call(on_gpu, i));
  auto together = all(std::move(parts));
  const std::vector<int> values = co_await std::move(together);
  co_return static_cast<int>(values.size());
}

engine_errc code_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const engine_error& error) {
    return error.code();
  }
  ADD_FAILURE() << "it did not throw";
  return engine_errc::storage;
}

class Activities : public testing::Test {
 protected:
  Activities() {
    definitions.add("calls_later", calls_later);
    definitions.add("calls_gpu", calls_gpu);
    definitions.add("calls_priced", calls_priced);
    definitions.add("calls_gpu_soon", calls_gpu_soon);
    definitions.add("calls_obedient", calls_obedient);
    definitions.add("many_on_gpu", many_on_gpu);
    definitions.add(later, [this](activity_context& about, int) {
      tokens.set_value(about.complete_later());
      return 0;
    });
    definitions.add(on_gpu, [this](int n) {
      most = std::max(most.load(), ++running);
      --running;
      return n;
    });
    definitions.add(obedient, [this](activity_context& about, int n) {
      tests::permits stopped;
      const std::stop_callback told(about.stop_token(), [&] { stopped.release(); });
      started.release();
      stopped.acquire();
      return n + 1;
    });
  }
  engine_options options(std::vector<task_queue_options> queues = {}) {
    return {.data_directory = folder.path() / "data", .native_threads = 4, .task_queues = std::move(queues)};
  }

  tests::temporary_directory folder;
  registry definitions;
  std::promise<std::string> tokens;
  tests::permits started;
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
};

TEST_F(Activities, AreCompletedFromElsewhereAlsoByTheNextProcess) {
  std::string token;
  {
    engine first(definitions, options());
    first.start(calls_later, 1, {.id = "w"});
    token = tokens.get_future().get();
    EXPECT_FALSE(first.heartbeat_activity(token, json_payload("{\"done\":40}")));
  }
  engine second(definitions, options());
  const auto open = second.describe("w").activities.at(0);
  EXPECT_EQ(open.token, token);
  EXPECT_TRUE(open.completed_elsewhere);
  EXPECT_EQ(open.attempt, 1U);
  EXPECT_EQ(open.heartbeat_details, json_payload("{\"done\":40}"));
  second.complete_activity(token, json_payload("42"));
  EXPECT_EQ(second.find<int>("w").result(), 42);
  EXPECT_EQ(code_of([&] { second.complete_activity(token, json_payload("43")); }), engine_errc::not_found);
  EXPECT_EQ(code_of([&] { second.heartbeat_activity(token); }), engine_errc::not_found);
}

TEST_F(Activities, MayFailElsewhere) {
  engine here(definitions, options());
  auto execution = here.start(calls_later, 1, {.id = "w"});
  const std::string token = tokens.get_future().get();
  here.fail_activity(token, {.type = "Refused", .message = "no stock"});
  try {
    execution.result();
    FAIL();
  } catch (const workflow_failed& failed) {
    EXPECT_EQ(failed.why().cause->type, "Refused");
  }
}

TEST_F(Activities, ATokenThatIsNoneIsRefused) {
  engine here(definitions, options());
  EXPECT_EQ(code_of([&] { here.complete_activity("order-1"); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { here.complete_activity("60000.1.2.1.1"); }), engine_errc::not_found);
  EXPECT_EQ(code_of([&] { here.complete_activity("0.1.2.1.1"); }), engine_errc::not_found);
}

TEST_F(Activities, NoMoreRunAtOnceThanTheirQueueAllows) {
  engine here(definitions, options({{.name = "gpu", .concurrency = 1}}));
  EXPECT_EQ(here.start(many_on_gpu, 50).result(), 50);
  EXPECT_EQ(most, 1);
}

TEST_F(Activities, WaitForAProcessThatServesTheirQueue) {
  {
    engine without(definitions, options());
    without.start(calls_gpu, 5, {.id = "w"});
    const auto open = without.describe("w").activities.at(0);
    EXPECT_EQ(open.task_queue, "gpu");
    EXPECT_FALSE(open.dispatched);
  }
  engine with(definitions, options({{.name = "gpu"}}));
  EXPECT_EQ(with.find<int>("w").result(), 5);
}

TEST_F(Activities, ThatNobodyServesEndAtTheirScheduleToStart) {
  engine here(definitions, options());
  try {
    here.start(calls_gpu_soon, 5).result();
    FAIL();
  } catch (const workflow_failed& failed) {
    EXPECT_EQ(failed.why().cause->kind, failure_kind::schedule_to_start);
  }
}

TEST_F(Activities, ThatWaitInTheirQueueWhenTheEngineStopsCostNoAttempt) {
  {
    engine here(definitions, options({{.name = "gpu", .rate_per_second = 1e-6}}));
    here.start(calls_gpu, 1, {.id = "first"});
    EXPECT_EQ(here.find<int>("first").result(), 1);
    here.start(calls_gpu, 2, {.id = "second"});
  }
  engine again(definitions, options({{.name = "gpu"}}));
  EXPECT_EQ(again.find<int>("second").result(), 2);
  for (const history_event& event : again.history("second")) {
    if (event.type == "ActivityTaskCompleted") {
      EXPECT_NE(event.json.find("\"number\":1"), std::string::npos) << event.json;
    }
  }
}

TEST_F(Activities, QueuesAreNamedOnceAndHaveSensibleLimits) {
  EXPECT_EQ(code_of([&] { engine here(definitions, options({{.name = "a"}, {.name = "a"}})); }),
            engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { engine here(definitions, options({{.name = ""}})); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { engine here(definitions, options({{.name = "a", .rate_per_second = -1}})); }),
            engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { engine here(definitions, options({{.name = "a", .burst = 0}})); }),
            engine_errc::invalid_argument);
}

TEST_F(Activities, ACancelRequestIsObeyedBeforeTheExecutionEnds) {
  engine here(definitions, options());
  auto execution = here.start(calls_obedient, 5);
  started.acquire();
  execution.cancel();
  EXPECT_EQ(execution.result(), 6) << "what the attempt gave counts";
}

TEST_F(Activities, ACallWaitsVisiblyForTheVersionThatItNames) {
  definitions.add(priced, [](int n) { return n; }, {.version = "1"});
  {
    engine e(definitions, options());
    e.start(calls_priced, 5, {.id = "p"});
    while (e.describe("p").activities.empty()) std::this_thread::yield();
    const auto waiting = e.describe("p").activities.at(0);
    EXPECT_FALSE(waiting.dispatched);
    EXPECT_EQ(waiting.version, "2");
  }
  definitions.add(priced, [](int n) { return 10 * n; }, {.version = "2"});
  definitions.add(priced, [](int n) { return n; }, {.version = "3"});
  engine e(definitions, options());
  EXPECT_EQ(e.wait("p").result, json_payload("50")) << "its only attempt is still to be had";
}

}  // namespace
}  // namespace evermill
