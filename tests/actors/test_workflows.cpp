#include "test_workflows.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;

constexpr activity<int(int)> ask{.name = "ask"};
constexpr activity<int(int)> ask_once{.name = "ask", .options = {.retry = {.max_attempts = 1}}};
constexpr activity<int(int)> ask_patiently{
    .name = "ask", .options = {.retry = {.max_attempts = 3, .initial_interval = 10s, .backoff_coefficient = 1}}};
constexpr signal<int> number{.name = "number"};
constexpr child_workflow<int(int)> asks_by_name{.name = "asks"};

task<int> echo(context, int n) { co_return n; }

task<int> sleeper(context ctx, int n) {
  co_await ctx.sleep(60s);
  co_return n;
}

task<int> naps(context ctx, int n) {
  for (int i = 0; i < n; ++i) co_await ctx.sleep(1s);
  co_return n;
}

task<int> many_naps(context ctx, int n) {
  std::vector<future<void>> all_of_them;
  for (int i = 0; i < n; ++i) all_of_them.push_back(ctx.sleep(0s));
  co_await all(all_of_them);
  co_return n;
}

task<int> reads_two(context ctx, int) {
  const int first = co_await ctx.wait(number);
  const int second = co_await ctx.wait(number);
  co_return first * 10 + second;
}

task<int> asks(context ctx, int n) { co_return co_await ctx.call(ask, n); }
task<int> asks_once(context ctx, int n) { co_return co_await ctx.call(ask_once, n); }
task<int> asks_patiently(context ctx, int n) { co_return co_await ctx.call(ask_patiently, n); }

task<int> asks_as_told(context ctx, int n) { co_return co_await ctx.call(ask.with(ask_options), n); }

task<int> asks_until_told(context ctx, int n) {
  future<int> answer = ctx.call(ask.with(ask_options), n);
  future<int> told = ctx.wait(number);
  const std::size_t first = co_await race(answer, told);
  if (first == 1) answer.cancel();
  int result = 0;
  try {
    result = co_await std::move(answer);
  } catch (const canceled_error&) {
    result = -1;
  } catch (const activity_error&) {
    result = -2;
  }
  co_return result;
}

task<int> abandons_then_reads(context ctx, int n) {
  future<int> answer = ctx.call(ask.with(ask_options), n);
  co_await ctx.wait(number);
  answer.cancel();
  co_return co_await ctx.wait(number);
}

task<int> asks_then_reads(context ctx, int n) {
  co_await ctx.call(ask, n);
  co_return co_await ctx.wait(number);
}

task<int> steps(context ctx, int n) {
  auto give = [n] { return n; };
  const int given = co_await ctx.step("give", give);
  const int read = co_await ctx.wait(number);
  co_return given + read;
}

task<int> everything_at_once(context ctx, int n) {
  auto asked = ctx.call(ask, n);
  auto step = ctx.step("one", [] { return 1; });
  auto child = ctx.start_as("other", asks_by_name, n);
  auto slept = ctx.sleep(1s);
  ctx.log("all is on its way");
  const auto [a, b, c, d] = co_await all(asked, step, child, slept);
  co_return a + b + c;
}

task<int> parent(context ctx, int n) { co_return co_await ctx.start_as("w/child", asks_by_name, n); }
task<int> parent_elsewhere(context ctx, int n) { co_return co_await ctx.start_as("other/child", asks_by_name, n); }

task<int> grandparent(context ctx, std::string id) {
  auto child = ctx.start_as(id, asks_by_name, 1);
  child.cancel();
  co_return co_await ctx.wait(number);
}

task<int> rounds(context ctx, std::vector<int> left_and_sum) {
  const int read = co_await ctx.wait(number);
  std::vector<int> next{left_and_sum.at(0) - 1, left_and_sum.at(1) + read};
  if (next[0] > 0) co_await ctx.continue_as_new(next);
  co_return next[1];
}

task<int> whole_story(context ctx, std::vector<int> left_and_sum) {
  int sum = left_and_sum.at(1);
  sum += co_await ctx.call(ask, 1);
  co_await ctx.sleep(1s);
  auto two = [] { return 2; };
  sum += co_await ctx.step("two", two);
  auto asked = ctx.call(ask_patiently, 3);
  auto child = ctx.start(asks_by_name, 4);
  auto slept = ctx.sleep(2s);
  const auto [a, b, c] = co_await all(asked, child, slept);
  sum += a + b;
  sum += co_await ctx.wait(number);
  std::vector<int> next{left_and_sum.at(0) - 1, sum};
  if (next[0] > 0) co_await ctx.continue_as_new(next);
  co_return sum;
}

task<int> sleeps_instead(context ctx, int) {
  co_await ctx.sleep(1s);
  co_return 0;
}

task<int> other_rounds(context ctx, std::vector<int>) {
  co_await ctx.sleep(1s);
  co_return 0;
}

}  // namespace

activity_options ask_options;

const registry& test_workflows() {
  static const registry all_of_them = [] {
    registry r;
    r.add("echo", echo);
    r.add("sleeper", sleeper);
    r.add("naps", naps);
    r.add("many_naps", many_naps);
    r.add("reads_two", reads_two);
    r.add("asks", asks);
    r.add("asks_once", asks_once);
    r.add("asks_patiently", asks_patiently);
    r.add("asks_as_told", asks_as_told);
    r.add("asks_until_told", asks_until_told);
    r.add("abandons_then_reads", abandons_then_reads);
    r.add("asks_then_reads", asks_then_reads);
    r.add("steps", steps);
    r.add("everything_at_once", everything_at_once);
    r.add("parent", parent);
    r.add("parent_elsewhere", parent_elsewhere);
    r.add("grandparent", grandparent);
    r.add("rounds", rounds);
    r.add("whole_story", whole_story);
    return r;
  }();
  return all_of_them;
}

const registry& changed_workflows() {
  static const registry all_of_them = [] {
    registry r;
    r.add("reads_two", sleeps_instead);
    r.add("asks", sleeps_instead);
    r.add("rounds", other_rounds);
    return r;
  }();
  return all_of_them;
}

const registry& no_workflows() {
  static const registry nothing;
  return nothing;
}

}  // namespace evermill::actors
