// Workflows for the tests of the kit.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "evermill/evermill.hpp"

namespace evermill::kit_tests {

using namespace std::chrono_literals;

struct charge {
  std::string card;
  int cents = 0;
  friend bool operator==(const charge&, const charge&) = default;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(charge, card, cents)

inline constexpr activity<std::string(charge)> charge_card{
    .name = "charge_card",
    .options = {.start_to_close = 10s, .retry = {.max_attempts = 3, .initial_interval = 1min}}};
inline constexpr activity<int(int)> square{.name = "square"};
inline constexpr activity<int()> missing{.name = "missing"};
inline constexpr evermill::signal<std::string> approval{.name = "approval"};

/// "charged …, approved by …", or "expired" after two days.
task<std::string> fulfil_order(context ctx, charge what);
/// Seconds that have passed on ctx.now during a sleep of thirty days; logs "woken".
task<std::int64_t> sleeps_for_a_month(context ctx);
/// The sum of the squares of 1 … n, all at once.
task<int> sum_of_squares(context ctx, int n);
/// 0: the activity was first, 1: the hour was over first.
task<int> races_an_hour(context ctx);
/// The same sum by a child each.
task<int> sum_by_children(context ctx, int n);
/// Continues as new until n is 0; then the next approval.
task<std::string> counts_down(context ctx, int n);
/// A step's value, twice awaited by way of a crash or a replay.
task<int> steps_once(context ctx);
task<int> calls_what_is_missing(context ctx);
task<std::string> gives_uuid(context ctx);
/// Decides by something that no journal knows.
task<int> decides_by_a_global(context ctx);

/// How often the function of `steps_once` has run, and what it does then, where set.
extern int step_runs;
extern std::function<void()> in_step;
/// What `decides_by_a_global` decides by.
extern int global_decision;

/// Every workflow, and `square` as an activity; the others have no code.
registry definitions();

}  // namespace evermill::kit_tests
