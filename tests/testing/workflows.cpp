#include "workflows.hpp"

#include <utility>

namespace evermill::kit_tests {

int step_runs = 0;
std::function<void()> in_step;
int global_decision = 0;

task<std::string> fulfil_order(context ctx, charge what) {
  std::string receipt = co_await ctx.call(charge_card, what.card, what.cents);
  std::optional<std::string> approved_by = co_await ctx.wait(approval, 48h);
  if (!approved_by) co_return "expired";
  co_return receipt + ", approved by " + *approved_by;
}

task<std::int64_t> sleeps_for_a_month(context ctx) {
  const auto before = ctx.now();
  co_await ctx.sleep(std::chrono::days(30));
  ctx.log("woken");
  co_return std::chrono::floor<std::chrono::seconds>(ctx.now() - before).count();
}

task<int> sum_of_squares(context ctx, int n) {
  std::vector<future<int>> parts;
  for (int i = 1; i <= n; ++i) parts.push_back(ctx.call(square, i));
  auto together = all(std::move(parts));
  const std::vector<int> squares = co_await std::move(together);
  int sum = 0;
  for (const int each : squares) sum += each;
  co_return sum;
}

task<int> races_an_hour(context ctx) {
  auto answer = ctx.call(square, 3);
  auto hour = ctx.sleep(1h);
  const std::size_t first = co_await race(answer, hour);
  if (first == 1) answer.cancel();
  co_return static_cast<int>(first);
}

task<int> sum_by_children(context ctx, int n) {
  int sum = 0;
  for (int i = 1; i <= n; ++i) {
    const int part = co_await ctx.start(sum_of_squares, i);
    sum += part;
  }
  co_return sum;
}

task<std::string> counts_down(context ctx, int n) {
  if (n > 0) co_await ctx.continue_as_new(n - 1);
  std::string who = co_await ctx.wait(approval);
  co_return who;
}

task<int> steps_once(context ctx) {
  const int value = co_await ctx.step("count", [] {
    ++step_runs;
    if (in_step) in_step();
    return step_runs;
  });
  co_await ctx.wait(approval);
  co_return value;
}

task<int> calls_what_is_missing(context ctx) {
  const int value = co_await ctx.call(missing);
  co_return value;
}

task<std::string> gives_uuid(context ctx) { co_return ctx.uuid(); }

task<int> decides_by_a_global(context ctx) {
  if (global_decision++ == 0) {
    co_await ctx.call(square, 1);
  } else {
    co_await ctx.sleep(1s);
  }
  co_return 0;
}

registry definitions() {
  registry all;
  all.add("fulfil_order", fulfil_order);
  all.add("sleeps_for_a_month", sleeps_for_a_month);
  all.add("sum_of_squares", sum_of_squares);
  all.add("races_an_hour", races_an_hour);
  all.add("sum_by_children", sum_by_children);
  all.add("counts_down", counts_down);
  all.add("steps_once", steps_once);
  all.add("calls_what_is_missing", calls_what_is_missing);
  all.add("gives_uuid", gives_uuid);
  all.add("decides_by_a_global", decides_by_a_global);
  all.add(square, [](int n) { return n * n; });
  return all;
}

}  // namespace evermill::kit_tests
