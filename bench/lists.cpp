// Very many executions: how fast the first page of a filtered list comes, and a count.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "bench/load.hpp"
#include "bench/measurements.hpp"
#include "evermill/context.hpp"

namespace evermill::bench {
namespace {

using steady = load::steady;

constexpr std::size_t listed_types = 5;
constexpr std::size_t page_rows = 100;
constexpr int repetitions = 20;
constexpr std::uint64_t others_meanwhile = 50'000;

task<void> listed_long(context ctx) { co_await ctx.sleep(std::chrono::hours(24 * 365)); }
task<void> listed_short(context) { co_return; }
task<void> listed_passing(context ctx) { co_await ctx.sleep(std::chrono::milliseconds(1)); }

double list_milliseconds_since(steady::time_point began) {
  return std::chrono::duration<double, std::milli>(steady::now() - began).count();
}

/// Of each filter: the median and the slowest of several first pages.
void measure_pages(const engine& e, const std::vector<std::pair<std::string, execution_filter>>& filters, const std::string& when,
                   figures& to, double& slowest) {
  for (const auto& [name, filter] : filters) {
    std::array<double, repetitions> took{};
    std::size_t rows = 0;
    for (double& each : took) {
      const auto began = steady::now();
      rows = e.list(filter, "", page_rows).executions.size();
      each = list_milliseconds_since(began);
    }
    std::sort(took.begin(), took.end());
    to[when + name] = {{"rows", rows}, {"p50_ms", took[repetitions / 2]}, {"slowest_ms", took.back()}};
    if (filter.workflow_id_prefix.empty()) slowest = std::max(slowest, took.back());
  }
}

std::vector<std::pair<std::string, execution_filter>> listed_filters(const engine& e) {
  using status = execution_status;
  const auto newest = e.list({}, "", 1).executions.front().execution_started_at;
  const auto a_while_ago = newest - std::chrono::seconds(1);
  const std::string type = "bench_listed_3";
  return {{"all", {}},
          {"status", {.statuses = {status::running}}},
          {"ended", {.statuses = {status::completed}}},
          {"status_without_any", {.statuses = {status::failed}}},
          {"type", {.workflow_type = type}},
          {"status_type", {.statuses = {status::completed}, .workflow_type = type}},
          {"time", {.started_from = a_while_ago - std::chrono::seconds(1), .started_before = a_while_ago}},
          {"status_type_time", {.statuses = {status::running}, .workflow_type = type, .started_before = a_while_ago}},
          {"prefix_of_few", {.workflow_id_prefix = started_id(777)}},
          {"prefix_of_many", {.workflow_id_prefix = started_id(7)}},
          {"blocked", {.blocked = true}}};
}

}  // namespace

figures measure_lists(const bench_options& options, const std::filesystem::path& directory) {
  registry definitions;
  for (std::size_t i = 0; i < listed_types; ++i) {
    definitions.add("bench_listed_" + std::to_string(i), i % 2 == 0 ? listed_long : listed_short);
  }
  definitions.add("bench_listed_passing", listed_passing);
  engine e(definitions, engine_options_of(options, directory));
  const auto began = steady::now();
  load(options.instances, options.in_flight).run([&](std::uint64_t i, const load::done& done) {
    start_options how;
    how.id = started_id(i);
    e.start("bench_listed_" + std::to_string(i % listed_types), {}, std::move(how),
            [done](std::optional<engine_error> error, const started_execution&) { done(std::move(error)); });
  });
  const double started_after = list_milliseconds_since(began) / 1'000;
  wait_until_asleep(e);
  figures found{{"workload", "lists"}, {"instances", options.instances}, {"started_after_seconds", started_after}};
  double slowest = 0;
  measure_pages(e, listed_filters(e), "", found, slowest);
  const auto counting = steady::now();
  const execution_counts counts = e.counts({});
  found["count_ms"] = list_milliseconds_since(counting);
  found["counted"] = counts.total;
  // What has just ended lies where the newest that run are looked for.
  load(others_meanwhile, options.in_flight).run([&](std::uint64_t i, const load::done& done) {
    start_options how;
    how.id = "ends-" + std::to_string(i);
    e.execute("bench_listed_passing", {}, std::move(how),
              [done](std::optional<engine_error> error, const execution_end&) { done(std::move(error)); });
  });
  measure_pages(e, listed_filters(e), "after_many_ends_", found, slowest);
  found["slowest_page_ms"] = slowest;
  return found;
}

}  // namespace evermill::bench
