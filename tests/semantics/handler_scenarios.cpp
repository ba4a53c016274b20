// Queries, updates and conditions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "evermill/context.hpp"
#include "evermill/exceptions.hpp"
#include "scenario.hpp"

namespace evermill::semantics {
namespace {

using namespace std::chrono_literals;

constexpr evermill::signal<std::string> checkout{.name = "checkout"};
constexpr query<std::string()> items{.name = "items"};
constexpr update<std::string(std::string)> add_item{.name = "add_item"};
constexpr activity<std::string(std::string)> reserve{.name = "reserve"};
constexpr child_workflow<std::string()> cart{.name = "cart"};
constexpr child_workflow<std::string(int)> relay{.name = "relay"};

struct cart_state {
  std::string items;
  int open = 0;
};
using state_ptr = std::shared_ptr<cart_state>;

task<std::string> reserve_item(context ctx, state_ptr state, std::string item) {
  ++state->open;
  const std::string reserved = co_await ctx.call(reserve, item);
  state->items += (state->items.empty() ? "" : ", ") + reserved;
  --state->open;
  co_return state->items;
}

void refuse_bad(const std::string& item) {
  if (item == "bad") throw application_error("NotForSale", "nobody sells " + item);
}

// --- a cart that is filled by updates and looked at by queries

task<std::string> run_cart(context ctx) {
  const auto state = std::make_shared<cart_state>();
  ctx.on_query(items, [state] { return state->items; }).keep();
  const handler adding = ctx.on_update(add_item, [ctx, state](std::string item) { return reserve_item(ctx, state, item); }, refuse_bad);
  co_await ctx.wait(checkout);
  const auto all_done = [state] { return state->open == 0; };
  co_await ctx.until(all_done);
  co_return state->items;
}

void define_cart(registry& all) {
  all.add(cart, run_cart);
  all.add(reserve, [](const activity_context& about, const std::string& item) {
    record("reserve", about);
    return item;
  });
}

void expect_refused(client& to, const std::string& id) {
  try {
    to.update(id, add_item, "bad", "bad-1");
  } catch (const update_failed& refused) {
    require(!refused.accepted() && refused.why().type == "NotForSale", "a refused update says why");
    return;
  }
  require(false, "a bad update is refused");
}

scenario update_and_query() {
  return {
      .name = "UpdateAndQuery",
      .define = define_cart,
      .script =
          [](client& to) {
            to.start(cart, "cart-1");
            if (!to.ended("cart-1")) {
              require(to.update("cart-1", add_item, "book", "book-1") == "book", "an update gives its result");
              expect_refused(to, "cart-1");
              const std::string second = to.update("cart-1", add_item, "lamp", "lamp-1");
              require(second == "book, lamp", "updates see the state of those before");
              require(to.update("cart-1", add_item, "lamp", "lamp-1") == second, "the same update gives the same result");
              require(to.ask("cart-1", items) == second, "a query sees what updates have done");
              to.signal_once("cart-1", checkout, "now");
            }
            to.wait("cart-1");
            require(to.ask("cart-1", items) == "book, lamp", "an execution that has ended answers from its journal");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("cart-1").result(), "\"book, lamp\"");
            EXPECT_EQ(what.of("cart-1").count("WorkflowExecutionUpdateAccepted"), 2);
            EXPECT_EQ(what.of("cart-1").count("WorkflowExecutionUpdateCompleted"), 2);
            EXPECT_EQ(what.keys("reserve"), 2) << "no update is done twice";
          },
  };
}

// --- an update that is under way when its run continues as new

/// Has no effect: an activity that is canceled in the turn that asks for it may run or not.
task<std::string> begin_item(context ctx, state_ptr state, std::string item) {
  ++state->open;
  const auto never = [] { return false; };
  co_await ctx.until(never);
  co_return item;
}

task<std::string> run_relay(context ctx, int round) {
  const auto state = std::make_shared<cart_state>();
  const handler adding = ctx.on_update(add_item, [ctx, state, round](std::string item) {
    return round == 0 ? begin_item(ctx, state, item) : reserve_item(ctx, state, item);
  });
  if (round == 0) {
    const auto begun = [state] { return state->open > 0; };
    co_await ctx.until(begun);
    co_await ctx.continue_as_new(1);
  }
  const auto done = [state] { return !state->items.empty(); };
  co_await ctx.until(done);
  co_return state->items;
}

scenario update_carried_on() {
  return {
      .name = "UpdateCarriedOn",
      .define =
          [](registry& all) {
            define_cart(all);
            all.add(relay, run_relay);
          },
      .script =
          [](client& to) {
            to.start(relay, 0, "relay-1");
            require(to.update("relay-1", add_item, "book", "book-1") == "book", "the next run does what the one before began");
            to.wait("relay-1");
          },
      .check =
          [](const outcome& what) {
            EXPECT_EQ(what.of("relay-1").result(), "\"book\"");
            EXPECT_EQ(what.of("relay-1").count("WorkflowExecutionUpdateCompleted"), 1);
          },
  };
}

}  // namespace

std::vector<scenario> handler_scenarios() { return {update_and_query(), update_carried_on()}; }

}  // namespace evermill::semantics
