// Fan-out over children: an inventory of many shops. Each shop is a child workflow with a history, retries and an end of
// its own, on any partition; the parent waits for all of them and says which of them failed.
#pragma once

#include <evermill/context.hpp>
#include <evermill/registry.hpp>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace child_fan_out {

using namespace std::chrono_literals;

struct chain {
  std::string name;
  int shops = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(chain, name, shops)

struct shop {
  std::string chain_name;
  int number = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(shop, chain_name, number)

struct inventory {
  long items = 0;
  std::vector<int> without_answer;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(inventory, items, without_answer)

inline constexpr evermill::activity<int(shop)> count_shelf{
    .name = "count_shelf", .options = {.start_to_close = 1min, .retry = {.max_attempts = 3, .initial_interval = 1s}}};
inline constexpr evermill::activity<int(shop)> count_store_room{
    .name = "count_store_room", .options = {.start_to_close = 1min, .retry = {.max_attempts = 3, .initial_interval = 1s}}};

inline evermill::task<long> count_shop(evermill::context ctx, shop which) {
  auto on_shelf = ctx.call(count_shelf, which);
  auto in_store_room = ctx.call(count_store_room, which);  // both at once
  const int shelf = co_await std::move(on_shelf);
  const int store_room = co_await std::move(in_store_room);
  co_return long{shelf} + store_room;
}

inline evermill::task<inventory> count_chain(evermill::context ctx, chain which) {
  std::vector<evermill::future<long>> counting;
  counting.reserve(static_cast<std::size_t>(which.shops));
  for (int number = 0; number < which.shops; ++number) {
    const shop one{which.name, number};
    // Named, so that anybody can look at a shop; given up when its parent is terminated, which is the default.
    counting.push_back(ctx.start_as(which.name + "/" + std::to_string(number), count_shop, one));
  }
  inventory sum;
  for (int number = 0; number < which.shops; ++number) {
    try {
      const long items = co_await std::move(counting[static_cast<std::size_t>(number)]);
      sum.items += items;
    } catch (const evermill::child_workflow_error&) {  // one shop that can't count does not fail the chain
      sum.without_answer.push_back(number);
    }
  }
  co_return sum;
}

inline evermill::registry definitions() {
  evermill::registry registry;
  registry.add("count_chain", count_chain);
  registry.add("count_shop", count_shop);
  registry.add(count_shelf, [](const shop& which) { return 100 + which.number; });
  registry.add(count_store_room, [](const shop& which) {
    if (which.number % 10 == 9) throw evermill::application_error("Locked", "nobody has the key");
    return 1000;
  });
  return registry;
}

}  // namespace child_fan_out
