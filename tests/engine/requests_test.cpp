// Queries, updates, starts with policies and request ids, on a real engine: across restarts, from many threads, refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

inline constexpr query<int()> total{.name = "total"};
inline constexpr update<int(int)> add{.name = "add"};
inline constexpr signal<> finish{.name = "finish"};
inline constexpr activity<int(int)> checked{.name = "checked"};
inline constexpr child_workflow<int()> counter{.name = "counter"};
inline constexpr child_workflow<int(int)> parent{.name = "parent"};
inline constexpr child_workflow<void()> sleeper{.name = "sleeper"};

using sum_ptr = std::shared_ptr<int>;

task<int> add_checked(context ctx, sum_ptr sum, int n) {
  const int value = co_await ctx.call(checked, n);
  *sum += value;
  co_return *sum;
}

task<int> run_counter(context ctx) {
  const auto sum = std::make_shared<int>(0);
  ctx.on_query(total, [sum] { return *sum; }).keep();
  const handler adding = ctx.on_update(add, [ctx, sum](int n) { return add_checked(ctx, sum, n); }, [](int n) {
    if (n < 0) throw application_error("Negative", "no negative numbers");
  });
  co_await ctx.wait(finish);
  co_return *sum;
}

task<int> run_child(context, int n) { co_return n; }

task<int> run_parent(context ctx, int children) {
  std::vector<future<int>> results;
  for (int i = 0; i < children; ++i) results.push_back(ctx.start(run_child, 1));
  const std::vector<int> values = co_await all(std::move(results));
  int sum = 0;
  for (const int value : values) sum += value;
  co_return sum;
}

task<void> run_sleeper(context ctx) { co_await ctx.sleep(1h); }

task<void> run_orphanage(context ctx) {
  constexpr child_workflow<void()> unknown{.name = "unknown"};
  auto child = ctx.start_with({.id = "waiting", .run_timeout = 20ms}, unknown);
  try {
    co_await std::move(child);
  } catch (const child_workflow_error& error) {
    if (error.why().kind != failure_kind::timed_out) throw;
  }
}

class Requests : public testing::Test {
 protected:
  Requests() {
    registry_.add(counter, run_counter);
    registry_.add("child", run_child);
    registry_.add(parent, run_parent);
    registry_.add(sleeper, run_sleeper);
    registry_.add(checked, [](int n) { return n; });
  }

  engine_options options(engine_mode mode = engine_mode::run) const {
    return {.mode = mode, .data_directory = directory_.path() / "data"};
  }
  static engine_errc error_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const engine_error& error) {
      return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return engine_errc::unavailable;
  }

  registry registry_;
  tests::temporary_directory directory_;
};

TEST_F(Requests, ManyUpdatesAtOnceAreEachDoneOnce) {
  engine e(registry_, options());
  auto run = e.start(counter, {.id = "c"});
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&e, caller] {
      for (int i = 0; i < 20; ++i) {
        const std::string id = std::to_string(caller) + "-" + std::to_string(i);
        auto mine = e.find<int>("c");
        const int first = mine.update(add, 1, id);
        EXPECT_EQ(mine.update(add, 1, id), first) << "the same update gives the same result";
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(run.query(total), 160);
  run.signal(finish);
  EXPECT_EQ(run.result(), 160);
}

TEST_F(Requests, AnUpdateThatWasDoneIsRememberedAcrossARestart) {
  {
    engine e(registry_, options());
    EXPECT_EQ(e.start(counter, {.id = "c"}).update(add, 5, "five"), 5);
  }
  engine e(registry_, options());
  auto run = e.find<int>("c");
  EXPECT_EQ(run.update(add, 5, "five"), 5);
  EXPECT_EQ(run.query(total), 5) << "after a replay";
}

TEST_F(Requests, AnUpdateThatIsRefusedSaysWhyAndLeavesNoTrace) {
  engine e(registry_, options());
  auto run = e.start(counter, {.id = "c"});
  try {
    run.update(add, -1, "minus");
    FAIL();
  } catch (const update_failed& refused) {
    EXPECT_FALSE(refused.accepted());
    EXPECT_EQ(refused.why().type, "Negative");
  }
  EXPECT_EQ(e.history("c").size(), 1U);
  EXPECT_EQ(run.update(add, 1, "minus"), 1) << "what was refused may be asked for again";
}

TEST_F(Requests, WhatEndsBeforeItsUpdatesTellsTheirCallers) {
  std::promise<void> running;
  std::promise<void> go;
  registry other;
  other.add(counter, run_counter);
  other.add(checked, [&](int n) {
    running.set_value();
    go.get_future().wait();
    return n;
  });
  engine e(other, options());
  auto run = e.start(counter, {.id = "c"});
  std::promise<std::exception_ptr> ended;
  e.update("c", "add", codec<int>::encode(1), "u", [&](std::exception_ptr error, std::optional<payload>) { ended.set_value(error); });
  running.get_future().wait();
  run.terminate();
  const std::exception_ptr error = ended.get_future().get();
  ASSERT_TRUE(error);
  EXPECT_EQ(error_of([&] { std::rethrow_exception(error); }), engine_errc::closed);
  go.set_value();
}

TEST_F(Requests, QueriesReachWhateverHasAJournal) {
  {
    engine e(registry_, options());
    auto run = e.start(counter, {.id = "c"});
    run.update(add, 7, "seven");
    EXPECT_EQ(run.query(total), 7);
    EXPECT_EQ(error_of([&] { e.query("nobody", "total", {}); }), engine_errc::not_found);
    EXPECT_EQ(error_of([&] { e.query("c", "sum", {}); }), engine_errc::refused);
  }
  {
    engine inspected(registry_, options(engine_mode::inspect));
    EXPECT_EQ(inspected.find<int>("c").query(total), 7) << "nothing is started for it";
  }
  engine e(registry_, options());
  auto run = e.find<int>("c");
  run.signal(finish);
  EXPECT_EQ(run.result(), 7);
  EXPECT_EQ(run.query(total), 7) << "an execution that has ended answers from its journal";
  EXPECT_EQ(error_of([&] { run.update(add, 1, "late"); }), engine_errc::closed);
}

TEST_F(Requests, WhatTakesNoTurnsSaysSo) {
  { engine(registry_, options()).start(counter, {.id = "c"}); }
  registry other;
  other.add("child", run_child);
  engine e(other, options());
  EXPECT_EQ(error_of([&] { e.query("c", "total", {}); }), engine_errc::blocked);
  EXPECT_EQ(error_of([&] { e.update("c", "add", codec<int>::encode(1), "u"); }), engine_errc::blocked);
}

TEST_F(Requests, AReusePolicyDecidesWhatAStartDoes) {
  engine e(registry_, options());
  const auto start = [&](workflow_id_reuse reuse) {
    return e.start("child", codec<int>::encode(1), {.id = "c", .reuse = reuse});
  };
  const std::string first = start(workflow_id_reuse::reject_duplicate).run_id;
  e.wait("c");
  EXPECT_EQ(start(workflow_id_reuse::use_existing).run_id, first);
  EXPECT_EQ(error_of([&] { start(workflow_id_reuse::reject_duplicate); }), engine_errc::already_exists);
  EXPECT_EQ(error_of([&] { start(workflow_id_reuse::allow_after_failure); }), engine_errc::already_exists) << "it has completed";
  const std::string second = start(workflow_id_reuse::allow).run_id;
  EXPECT_NE(second, first);
  e.wait("c");
  e.start(sleeper, {.id = "s"});
  const auto again = [&](workflow_id_reuse reuse) { return e.start("sleeper", {}, {.id = "s", .reuse = reuse}).run_id; };
  EXPECT_EQ(error_of([&] { again(workflow_id_reuse::allow); }), engine_errc::already_exists) << "it runs";
  const std::string replaced = e.describe("s").run_id;
  EXPECT_NE(again(workflow_id_reuse::terminate_existing), replaced);
  e.terminate("s");
  e.wait("s");
  EXPECT_NE(again(workflow_id_reuse::allow_after_failure), replaced);
}

TEST_F(Requests, AStartWithARequestIdIsMadeOnce) {
  std::string first;
  const start_options options_of{.id = "c", .reuse = workflow_id_reuse::allow, .request_id = "r"};
  {
    engine e(registry_, options());
    first = e.start("child", codec<int>::encode(1), options_of).run_id;
    e.wait("c");
    const started_execution again = e.start("child", codec<int>::encode(1), options_of);
    EXPECT_EQ(again.run_id, first);
    EXPECT_TRUE(again.existed);
  }
  engine e(registry_, options());
  EXPECT_EQ(e.start("child", codec<int>::encode(1), options_of).run_id, first) << "also after a restart";
}

TEST_F(Requests, ThousandsOfChildrenAtOnce) {
  engine e(registry_, options());
  EXPECT_EQ(e.start(parent, 2000, {.id = "p"}).result(), 2000);
}

TEST_F(Requests, ADeadlineThatPassesWhileNoEngineRunsEndsTheExecutionAtTheNextStart) {
  { engine(registry_, options()).start(sleeper, {.id = "s", .run_timeout = 1ms}); }
  engine e(registry_, options());
  EXPECT_EQ(e.wait("s").status, execution_status::timed_out);
}

TEST_F(Requests, ADeadlineHoldsForWhatHasNoCodeHere) {
  registry with_parent;
  with_parent.add(parent, run_parent);
  with_parent.add("child", run_child);
  with_parent.add("orphanage", run_orphanage);
  engine e(with_parent, options());
  e.start("orphanage", {}, {.id = "o"});
  EXPECT_EQ(e.wait("o").status, execution_status::completed);
  EXPECT_EQ(e.describe("waiting").status, execution_status::timed_out);
}

TEST_F(Requests, AnExecutionWaitsForItsVersion) {
  registry first, second;
  first.add("counter", run_counter, {.version = "1"});
  second.add("counter", run_counter, {.version = "2"});
  { engine(first, options()).start(counter, {.id = "c"}); }
  {
    engine e(second, options());
    e.signal("c", "finish", {});
    EXPECT_EQ(e.describe("c").blocked, "unserved");
    EXPECT_THAT(e.describe("c").blocked_message, HasSubstr("version \"1\""));
  }
  first.add("counter", run_counter, {.version = "2"});
  engine e(first, options());
  e.taint("c");
  EXPECT_EQ(e.wait("c").status, execution_status::completed);
}

}  // namespace
}  // namespace evermill
