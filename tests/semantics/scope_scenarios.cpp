// Scopes that are canceled by themselves, work that is shielded, and sagas.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evermill/context.hpp"
#include "evermill/saga.hpp"
#include "evermill/scope.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr activity<void()> never_answers{.name = "never_answers"};
constexpr activity<void()> finish{.name = "finish"};
constexpr activity<std::string(std::string)> book{.name = "book"};
constexpr activity<void(std::string)> cancel_booking{.name = "cancel_booking"};
constexpr child_workflow<std::string()> searcher{.name = "searcher"};
constexpr child_workflow<std::string()> thorough{.name = "thorough"};
constexpr child_workflow<void()> trip{.name = "trip"};

// --- one scope is canceled, the other one goes on

task<std::string> run_searcher(context ctx) {
  cancellation_scope search(ctx);
  auto a = search.inside().call(never_answers);
  auto other = ctx.call(finish);
  co_await std::move(other);
  search.cancel("enough");
  std::string seen;
  try {
    co_await std::move(a);
  } catch (const canceled_error& canceled) {
    seen = canceled.why().message;
  }
  co_return seen + (search.cancel_requested() && !ctx.cancel_requested() ? ", the rest goes on" : "");
}

scenario scope_canceled() {
  return {
      .name = "ScopeCanceled",
      .define =
          [](registry& all) {
            all.add(searcher, run_searcher);
            all.add(finish, [](const activity_context& about) { record("finish", about); });
          },
      .script =
          [](client& to) {
            to.start(searcher, "searcher-1");
            to.wait("searcher-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("searcher-1").result(), "\"enough, the rest goes on\"");
            EXPECT_EQ(what.of("searcher-1").count("ActivityTaskCancelRequested"), 1);
            EXPECT_EQ(what.keys("finish"), 1);
          },
      .hanging = {"never_answers"},
  };
}

// --- a cancel request does not reach what is shielded

task<std::string> run_thorough(context ctx) {
  const context safe = ctx.shielded();
  auto important = safe.sleep(30ms);
  auto other = ctx.sleep(1h);
  std::string seen;
  try {
    co_await std::move(other);
  } catch (const canceled_error&) {
    seen = "canceled";
  }
  co_await std::move(important);
  co_await safe.call(finish);
  co_return seen + ", finished";
}

scenario shielded() {
  return {
      .name = "Shielded",
      .define =
          [](registry& all) {
            all.add(thorough, run_thorough);
            all.add(finish, [](const activity_context& about) { record("finish", about); });
          },
      .script =
          [](client& to) {
            to.start(thorough, "thorough-1");
            to.until_event("thorough-1", "TimerStarted", 2);
            to.cancel_once("thorough-1");
            to.wait("thorough-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("thorough-1").result(), "\"canceled, finished\"");
            EXPECT_EQ(what.of("thorough-1").count("TimerFired"), 1);
            EXPECT_EQ(what.of("thorough-1").count("TimerCanceled"), 1);
            EXPECT_EQ(what.keys("finish"), 1);
          },
  };
}

// --- what was done is undone, newest first

task<void> book_all(context ctx, saga undo, std::vector<std::string> places) {
  for (const std::string& place : places) {
    const std::string booking = co_await ctx.call(book, place);
    undo.add(ctx.shielded(), cancel_booking, booking);
  }
}

task<void> run_trip(context ctx) {
  std::vector<std::string> places{"hotel", "flight", "moon"};
  co_await with_saga(ctx, book_all, std::move(places));
}

scenario saga_compensates() {
  return {
      .name = "Saga",
      .define =
          [](registry& all) {
            all.add(trip, run_trip);
            all.add(book, [](const activity_context& about, const std::string& place) {
              if (place == "moon") throw application_error("SoldOut", "no room on the " + place, {}, true);
              record("book", about);
              return place + "-1";
            });
            all.add(cancel_booking, [](const activity_context& about, const std::string&) { record("cancel", about); });
          },
      .script =
          [](client& to) {
            to.start(trip, "trip-1");
            to.wait("trip-1");
          },
      .check =
          [](const outcome& what) {
            const outcome::execution& trip_1 = what.of("trip-1");
            EXPECT_EQ(trip_1.end.status, execution_status::failed);
            ASSERT_TRUE(trip_1.end.cause);
            EXPECT_THAT(trip_1.end.cause->message, ::testing::HasSubstr("no room on the moon"));
            EXPECT_EQ(what.keys("book"), 2);
            EXPECT_EQ(what.keys("cancel"), 2) << "each booking is undone once";
            std::vector<std::string> undone;
            for (const history_event& event : trip_1.events) {
              if (event.type != "ActivityTaskScheduled" || event.json.find("cancel_booking") == std::string::npos) continue;
              undone.push_back(event.json.find("flight-1") != std::string::npos ? "flight" : "hotel");
            }
            EXPECT_THAT(undone, ::testing::ElementsAre("flight", "hotel")) << "newest first";
          },
  };
}

}  // namespace

std::vector<scenario> scope_scenarios() { return {scope_canceled(), shielded(), saga_compensates()}; }

}  // namespace evermill::semantics
