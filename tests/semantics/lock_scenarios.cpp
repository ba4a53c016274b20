// Mutexes and semaphores.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "evermill/context.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr activity<void(int)> enter{.name = "enter"};
constexpr activity<void()> leave{.name = "leave"};
constexpr evermill::signal<std::string> go{.name = "go"};

constexpr child_workflow<void()> printer_user{.name = "printer_user"};
constexpr child_workflow<void()> pool_user{.name = "pool_user"};
constexpr child_workflow<void(std::string)> short_lived{.name = "short_lived"};
constexpr child_workflow<std::string()> in_a_hurry{.name = "in_a_hurry"};
constexpr child_workflow<int(int)> again_and_again{.name = "again_and_again"};

/// Who is between `enter` and `leave`, as this process knows.
struct room {
  std::mutex mutex;
  std::set<std::string> inside;
};
room& the_room() {
  static room only;
  return only;
}

void watch_the_room(registry& all) {
  the_room().inside.clear();
  all.add(enter, [](const activity_context& about, int limit) {
    const std::lock_guard lock(the_room().mutex);
    the_room().inside.insert(about.workflow_id());
    record(the_room().inside.size() > static_cast<std::size_t>(limit) ? "too_many" : "enter", about);
  });
  all.add(leave, [](const activity_context& about) {
    const std::lock_guard lock(the_room().mutex);
    the_room().inside.erase(about.workflow_id());
    record("leave", about);
  });
}

task<void> run_printer_user(context ctx) {
  auto held = co_await ctx.lock("printer");
  co_await ctx.call(enter, 1);
  co_await ctx.wait(go);
  co_await ctx.call(leave);
}

task<void> run_pool_user(context ctx) {
  auto held = co_await ctx.semaphore("pool", 2);
  co_await ctx.call(enter, 2);
  co_await ctx.wait(go);
  co_await ctx.call(leave);
  held.release();
  co_await ctx.sleep(1ms);
}

void start_in_line(client& to, const child_workflow<void()>& what, const std::string& lock, const std::string& id) {
  to.start(what, id);
  to.until([&] { return to.ended(id) || to.has_event(id, "LockGranted") || to.is_known_to_lock(lock, id); });
}

std::vector<std::string> ids(const std::string& prefix) { return {prefix + "-1", prefix + "-2", prefix + "-3"}; }

std::chrono::sys_time<std::chrono::microseconds> granted_at(const outcome::execution& what) {
  const auto found = std::ranges::find(what.events, "LockGranted", &history_event::type);
  EXPECT_NE(found, what.events.end());
  return found == what.events.end() ? std::chrono::sys_time<std::chrono::microseconds>() : found->time;
}

scenario mutex() {
  return {
      .name = "Lock",
      .define =
          [](registry& all) {
            all.add(printer_user, run_printer_user);
            watch_the_room(all);
          },
      .script =
          [](client& to) {
            for (const std::string& id : ids("user")) start_in_line(to, printer_user, "printer", id);
            for (const std::string& id : ids("user")) to.signal_once(id, go, "go-" + id);
            for (const std::string& id : ids("user")) to.wait(id);
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.keys("too_many"), 0);
            EXPECT_EQ(what.keys("enter"), 3);
            EXPECT_EQ(what.keys("leave"), 3);
            EXPECT_LE(granted_at(what.of("user-1")), granted_at(what.of("user-2"))) << "in the order in which they came";
            EXPECT_LE(granted_at(what.of("user-2")), granted_at(what.of("user-3")));
            for (const std::string& id : ids("user")) EXPECT_EQ(what.of(id).count("LockReleased"), 1);
          },
  };
}

scenario semaphore() {
  return {
      .name = "Semaphore",
      .define =
          [](registry& all) {
            all.add(pool_user, run_pool_user);
            watch_the_room(all);
          },
      .script =
          [](client& to) {
            for (const std::string& id : ids("user")) start_in_line(to, pool_user, "pool", id);
            to.until_event("user-1", "LockGranted");
            to.until_event("user-2", "LockGranted");
            if (!to.ended("user-1") && !to.has_event("user-1", "WorkflowExecutionSignaled")) {
              require(!to.has_event("user-3", "LockGranted"), "there are two permits");
            }
            for (const std::string& id : ids("user")) to.signal_once(id, go, "go-" + id);
            for (const std::string& id : ids("user")) to.wait(id);
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.keys("too_many"), 0);
            EXPECT_EQ(what.keys("enter"), 3);
            for (const std::string& id : ids("user")) EXPECT_EQ(what.of(id).count("LockReleased"), 1);
          },
  };
}

// --- whatever the end

task<void> run_short_lived(context ctx, std::string how) {
  if (how == "next run") co_return;
  auto held = co_await ctx.lock("baton");
  const std::string told = co_await ctx.wait(go);
  if (how == "fails") throw application_error("Clumsy", "dropped");
  const std::string next = "next run";
  if (how == "continues") co_await ctx.continue_as_new(next);
}

void hold(client& to, const char* how) {
  to.start(short_lived, how, how);
  to.until([&] { return to.ended(how) || to.has_event(how, "LockGranted"); });
}

scenario released_by_every_end() {
  return {
      .name = "LockReleasedByEveryEnd",
      .define = [](registry& all) { all.add(short_lived, run_short_lived); },
      .script =
          [](client& to) {
            hold(to, "fails");
            to.start(short_lived, "gives up", "gives up");  // waits for the lock, and is canceled then
            to.until_event("gives up", "LockRequested");
            to.cancel_once("gives up");
            to.wait("gives up");
            to.signal_once("fails", go, "go-fail");
            to.wait("fails");
            hold(to, "canceled");
            to.cancel_once("canceled");
            to.wait("canceled");
            hold(to, "terminated");
            to.terminate_once("terminated");
            to.wait("terminated");
            hold(to, "continues");
            to.signal_once("continues", go, "go-continue");
            to.wait("continues");
            hold(to, "completes");
            to.signal_once("completes", go, "go-complete");
            to.wait("completes");
            to.until([&] { return to.locks().empty(); });
          },
      .check =
          [](const outcome& what) {
            using status = execution_status;
            EXPECT_EQ(what.of("fails").end.status, status::failed);
            EXPECT_EQ(what.of("gives up").end.status, status::canceled);
            EXPECT_EQ(what.of("gives up").count("LockGranted"), 0);
            EXPECT_EQ(what.of("canceled").end.status, status::canceled);
            EXPECT_EQ(what.of("terminated").end.status, status::terminated);
            EXPECT_EQ(what.of("terminated").count("LockReleased"), 0) << "its code is not asked";
            EXPECT_EQ(what.of("continues").end.status, status::completed);
            EXPECT_EQ(what.of("completes").end.status, status::completed);
          },
  };
}

// --- not for ever

task<std::string> run_in_a_hurry(context ctx) {
  auto wanted = ctx.lock("baton");
  auto limit = ctx.sleep(10ms);
  const std::size_t first = co_await race(wanted, limit);
  co_return first == 0 ? "got it" : "went away";
}

scenario wait_for_some_time() {
  return {
      .name = "LockRace",
      .define =
          [](registry& all) {
            all.add(short_lived, run_short_lived);
            all.add(in_a_hurry, run_in_a_hurry);
          },
      .script =
          [](client& to) {
            hold(to, "holds");
            to.start(in_a_hurry, "hurry-1");
            to.wait("hurry-1");
            to.signal_once("holds", go, "go-now");
            to.wait("holds");
            hold(to, "later");
            to.signal_once("later", go, "go-later");
            to.wait("later");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("hurry-1").result(), "\"went away\"");
            EXPECT_EQ(what.of("hurry-1").count("LockReleased"), 1) << "its request is withdrawn";
            EXPECT_EQ(what.of("later").end.status, execution_status::completed);
          },
  };
}

// --- so often that the lock's own execution continues as new

task<int> run_again_and_again(context ctx, int times) {
  int done = 0;
  for (; done < times; ++done) {
    auto held = co_await ctx.lock("turnstile");
  }
  co_return done;
}

scenario often() {
  return {
      .name = "LockUsedOften",
      .define = [](registry& all) { all.add(again_and_again, run_again_and_again); },
      .script =
          [](client& to) {
            to.start(again_and_again, 17, "often-1");
            to.wait("often-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("often-1").result(), "17");
            EXPECT_EQ(what.of("often-1").count("LockGranted"), 17);
          },
  };
}

}  // namespace

std::vector<scenario> lock_scenarios() {
  return {mutex(), semaphore(), released_by_every_end(), wait_for_some_time(), often()};
}

}  // namespace evermill::semantics
