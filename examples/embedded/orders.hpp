// The workflow of a shop, and its activities.
#pragma once

#include <evermill/evermill.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

struct order {
  std::string card;
  int cents = 0;
  std::vector<std::string> items;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, card, cents, items)

struct charge {
  std::string card;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(charge, card, cents)

inline constexpr evermill::activity<std::string(charge)> charge_card{
    .name = "charge_card",
    .options = {.start_to_close = 10s, .retry = {.max_attempts = 5, .initial_interval = 10ms}}};
inline constexpr evermill::activity<std::string(std::string)> pack{.name = "pack"};
inline constexpr evermill::signal<std::string> approval{.name = "approval"};

inline evermill::task<std::string> fulfil_order(evermill::context ctx, order wanted) {
  const std::string receipt = co_await ctx.call(charge_card, wanted.card, wanted.cents);
  const std::optional<std::string> approved_by = co_await ctx.wait(approval, 48h);
  if (!approved_by) co_return "expired";
  std::vector<evermill::future<std::string>> boxes;
  for (const std::string& item : wanted.items) boxes.push_back(ctx.call(pack, item));  // all in flight
  const std::vector<std::string> packed = co_await evermill::all(std::move(boxes));
  std::string summary = receipt + ", approved by " + *approved_by + ":";
  for (const std::string& box : packed) summary += " " + box;
  co_return summary;
}

inline evermill::registry definitions() {
  evermill::registry registry;
  registry.add("fulfil_order", fulfil_order);
  registry.add(charge_card, [](const evermill::activity_context& attempt, const charge& what) {
    // The first attempt fails, to show that it is tried again.
    if (attempt.attempt() == 1) throw std::runtime_error("the bank is busy");
    return "charged " + std::to_string(what.cents) + " cents";
  });
  registry.add(pack, [](const std::string& item) { return "[" + item + "]"; });
  return registry;
}
