// How code changes under workflows that run for months: in place, with a patch, or side by side, with versions.
//
// `fulfil` was released twice. Between the releases a fraud check was put before the payment (a patch: orders that had passed
// there before it was made go on without), and the whole of `deliver` was written anew (a version: orders that began with the
// old code stay with it).
#pragma once

#include <evermill/context.hpp>
#include <evermill/registry.hpp>

#include <string>

namespace versioned_change {

inline constexpr evermill::activity<bool(std::string)> looks_honest{.name = "looks_honest"};
inline constexpr evermill::activity<std::string(std::string)> charge{.name = "charge"};
inline constexpr evermill::activity<std::string(std::string)> ship{.name = "ship"};
inline constexpr evermill::activity<std::string(std::string)> ship_by_drone{.name = "ship_by_drone"};
inline constexpr evermill::signal<> packed{.name = "packed"};

/// What was released first. A real program keeps no copy of code that was patched: here it serves the test.
namespace first_release {

inline evermill::task<std::string> fulfil(evermill::context ctx, std::string order) {
  const std::string receipt = co_await ctx.call(charge, order);
  co_await ctx.wait(packed);
  const std::string shipped = co_await ctx.call(ship, order);
  co_return receipt + ", " + shipped;
}

inline evermill::task<std::string> deliver(evermill::context ctx, std::string order) {
  co_await ctx.wait(packed);
  const std::string shipped = co_await ctx.call(ship, order);
  co_return shipped;
}

}  // namespace first_release

inline evermill::task<std::string> fulfil(evermill::context ctx, std::string order) {
  if (ctx.patched("2026-11 fraud check")) {
    const bool honest = co_await ctx.call(looks_honest, order);
    if (!honest) throw evermill::application_error("Fraud", order + " does not look honest");
  }
  const std::string receipt = co_await ctx.call(charge, order);
  co_await ctx.wait(packed);
  const std::string shipped = co_await ctx.call(ship, order);
  co_return receipt + ", " + shipped;
}

inline evermill::task<std::string> deliver(evermill::context ctx, std::string order) {
  const std::string shipped = co_await ctx.call(ship_by_drone, order);
  co_return shipped;
}

inline void add_activities(evermill::registry& registry) {
  registry.add(looks_honest, [](const std::string& order) { return order != "a thousand phones"; });
  registry.add(charge, [](const std::string& order) { return order + " paid"; });
  registry.add(ship, [](const std::string& order) { return order + " shipped"; });
  registry.add(ship_by_drone, [](const std::string& order) { return order + " flown"; });
}

inline evermill::registry released_first() {
  evermill::registry registry;
  add_activities(registry);
  registry.add("fulfil", first_release::fulfil);
  registry.add("deliver", first_release::deliver, {.version = "1"});
  return registry;
}

/// The old version of `deliver` may go when no execution of it is open: until then they would wait, as unserved.
inline evermill::registry released_now() {
  evermill::registry registry;
  add_activities(registry);
  registry.add("fulfil", fulfil);
  registry.add("deliver", first_release::deliver, {.version = "1"});
  registry.add("deliver", deliver, {.version = "2"});  // the last one added is what new executions get
  return registry;
}

}  // namespace versioned_change
