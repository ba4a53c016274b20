// Short instances: how many steps and instances a second, and how long each takes.
#include <algorithm>
#include <stdexcept>

#include "bench/load.hpp"
#include "bench/measurements.hpp"
#include "bench/process_memory.hpp"
#include "evermill/context.hpp"
#include "evermill/future.hpp"

namespace evermill::bench {
namespace {

using steady = load::steady;

inline constexpr activity<int(int)> no_op{.name = "bench_no_op"};

task<int> sequence(context ctx, int steps) {
  int value = 0;
  for (int i = 0; i < steps; ++i) value = co_await ctx.call(no_op, value);
  co_return value;
}

task<int> fan(context ctx, int width) {
  std::vector<future<int>> parts;
  for (int i = 0; i < width; ++i) parts.push_back(ctx.call(no_op, i));
  auto together = all(std::move(parts));
  std::vector<int> results = co_await std::move(together);
  co_return static_cast<int>(results.size());
}

struct workload {
  const char* name;
  const char* workflow;
  int size;
  std::uint64_t at_once;  // 0: as asked
};
constexpr workload workloads[] = {
    {"steps10", "bench_sequence", 10, 0}, {"start", "bench_sequence", 0, 0},
    {"fan100", "bench_fan", 100, 0},      {"chain40", "bench_sequence", 40, 1}};

const workload* find_workload(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(workloads), std::end(workloads), [&](const workload& w) { return name == w.name; });
  return found == std::end(workloads) ? nullptr : found;
}

double percentile(const std::vector<steady::duration>& sorted, double fraction) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(fraction * static_cast<double>(sorted.size() - 1) + 0.5);
  return std::chrono::duration<double, std::milli>(sorted[rank]).count();
}

}  // namespace

bool is_throughput(std::string_view workload) { return find_workload(workload) != nullptr; }

figures measure_throughput(const bench_options& options, const std::filesystem::path& directory) {
  const workload& what = *find_workload(options.workload);
  registry definitions;
  definitions.add("bench_sequence", sequence);
  definitions.add("bench_fan", fan);
  definitions.add(no_op, [](int n) { return n + 1; });
  engine e(definitions, engine_options_of(options, directory));
  const engine_statistics before = e.statistics();
  const std::size_t memory_before = resident_bytes();
  const auto began = steady::now();
  load instances(options.instances, what.at_once != 0 ? what.at_once : options.in_flight);
  const auto latencies = instances.run([&](std::uint64_t i, load::done done) {
    e.execute(what.workflow, codec<int>::encode(what.size), {.id = "bench-" + std::to_string(i)},
              [done = std::move(done)](std::optional<engine_error> error, const execution_end& end) {
                if (!error && end.status != execution_status::completed) {
                  error = engine_error(engine_errc::unavailable, "an instance ended as " + std::string(to_string(end.status)));
                }
                done(std::move(error));
              });
  });
  const double seconds = std::chrono::duration<double>(steady::now() - began).count();
  const std::size_t memory_after = resident_bytes();
  const engine_statistics after = e.statistics();
  e.compact();
  const std::uint64_t steps = options.instances * static_cast<std::uint64_t>(what.size);
  const auto each = static_cast<double>(options.instances);
  return {{"workload", what.name},
          {"instances", options.instances},
          {"steps", steps},
          {"seconds", seconds},
          {"steps_per_second", static_cast<double>(steps) / seconds},
          {"instances_per_second", each / seconds},
          {"p50_ms", percentile(latencies, 0.5)},
          {"p99_ms", percentile(latencies, 0.99)},
          {"memory_bytes_per_instance", static_cast<double>(memory_after - std::min(memory_after, memory_before)) / each},
          {"disk_bytes_per_instance", static_cast<double>(e.statistics().bytes_on_disk) / each},
          {"commits", after.commits - before.commits},
          {"syncs", after.syncs - before.syncs},
          {"bytes_written", after.bytes_written - before.bytes_written},
          {"activities", after.activities_completed - before.activities_completed},
          {"durability", after.durability}};
}

}  // namespace evermill::bench
