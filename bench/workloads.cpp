#include "bench/workloads.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/future.hpp"
#include "evermill/handles.hpp"

namespace evermill::bench {
namespace {

constexpr int steps10_length = 10;
constexpr int chain40_length = 40;
constexpr int fan100_width = 100;

constexpr activity<void()> noop{.name = "noop"};
constexpr signal<std::string> wake{.name = "wake"};

task<void> one_after_the_other(context ctx, int length) {
  for (int i = 0; i < length; ++i) co_await ctx.call(noop);
}

task<void> steps10(context ctx) { co_await one_after_the_other(ctx, steps10_length); }

task<void> chain40(context ctx) { co_await one_after_the_other(ctx, chain40_length); }

task<void> start(context) { co_return; }

task<void> fan100(context ctx) {
  std::vector<future<void>> running;
  running.reserve(fan100_width);
  for (int i = 0; i < fan100_width; ++i) running.push_back(ctx.call(noop));
  co_await all(std::move(running));
}

task<std::string> sleepers(context ctx) {
  std::string said = co_await ctx.wait(wake);
  co_return said;
}

constexpr std::array<workload, 5> known{{
    {"steps10", "10 no-op activities one after the other, thousands of instances at once", steps10_length, 50'000,
     4'000},
    {"start", "empty instances, from their start to their end", 0, 100'000, 8'000},
    {"fan100", "100 no-op activities at once in each instance", fan100_width, 5'000, 100},
    {"chain40", "40 no-op activities one after the other, one instance at a time", chain40_length, 200, 1},
    {"sleepers", "instances that wait for a signal: what each takes", 0, 50'000, 8'000, true},
}};

}  // namespace

std::span<const workload> workloads() { return known; }

const workload* find_workload(std::string_view name) {
  for (const workload& one : known) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

registry make_registry() {
  registry definitions;
  definitions.add("steps10", steps10);
  definitions.add("start", start);
  definitions.add("fan100", fan100);
  definitions.add("chain40", chain40);
  definitions.add("sleepers", sleepers);
  definitions.add(noop, [] {});
  return definitions;
}

}  // namespace evermill::bench
