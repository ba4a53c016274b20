// Short instances: how many steps and instances a second, and how long each takes.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "bench/load.hpp"
#include "bench/measurements.hpp"
#include "bench/process_memory.hpp"
#include "evermill/context.hpp"
#include "evermill/dsl.hpp"
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

constexpr int rounds_of_children = 7;

/// Some rounds of children, each with one activity.
task<int> parent(context ctx, int children) {
  int sum = 0;
  for (int round = 0; round < rounds_of_children; ++round) {
    std::vector<future<int>> parts;
    for (int i = 0; i < children; ++i) parts.push_back(ctx.start(sequence, 1));
    for (const int each : co_await all(std::move(parts))) sum += each;
  }
  co_return sum;
}

/// Ten calls one after the other.
constexpr const char* ten_calls = R"(
document: { dsl: '1.0.3', namespace: bench, name: steps10, version: 1.0.0 }
do:
  - a: { call: bench_no_op }
  - b: { call: bench_no_op }
  - c: { call: bench_no_op }
  - d: { call: bench_no_op }
  - e: { call: bench_no_op }
  - f: { call: bench_no_op }
  - g: { call: bench_no_op }
  - h: { call: bench_no_op }
  - i: { call: bench_no_op }
  - j: { call: bench_no_op }
)";

/// As many `set`s as the input says.
constexpr const char* many_sets = R"(
document: { dsl: '1.0.3', namespace: bench, name: sets, version: 1.0.0 }
do:
  - begin: { set: { n: 0, size: '${ . }' } }
  - more: { set: { n: '${ .n + 1 }', size: '${ .size }' } }
  - enough: { switch: [ { no: { when: .n < .size, then: more } } ] }
)";

struct workload {
  const char* name;
  const char* workflow;
  int size;
  int steps;                   // activities of one instance, and of its children
  std::uint64_t at_once;       // 0: as asked
  const char* file = nullptr;  // what is interpreted
};
constexpr workload workloads[] = {{"steps10", "bench_sequence", 10, 10, 0},
                                  {"start", "bench_sequence", 0, 0, 0},
                                  {"fan100", "bench_fan", 100, 100, 0},
                                  {"chain40", "bench_sequence", 40, 40, 1},
                                  {"one", "bench_sequence", 1, 1, 1},
                                  {"children", "bench_parent", 10, 10 * rounds_of_children, 0},
                                  {"dsl-steps10", "evermill.dsl", 0, 10, 0, ten_calls},
                                  {"dsl-sets", "evermill.dsl", 100'000, 100'000, 1, many_sets}};

payload input_of(const workload& what) {
  if (what.file == nullptr) return codec<int>::encode(what.size);
  dsl_input input;
  input.definition = what.file;
  input.input = what.size;
  return codec<dsl_input>::encode(input);
}

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

std::uint64_t published_by(const std::vector<const engine*>& nodes) {
  std::uint64_t events = 0;
  for (const engine* each : nodes) events += each->statistics().events_published;
  return events;
}

/// Waits until so many events are published; how many there are a second since `began`.
figures measure_publishing(const std::vector<const engine*>& nodes, std::uint64_t events, steady::time_point began) {
  constexpr std::chrono::milliseconds between_looks{10};
  while (published_by(nodes) < events) std::this_thread::sleep_for(between_looks);
  const double seconds = std::chrono::duration<double>(steady::now() - began).count();
  return {{"published_events", published_by(nodes)},
          {"published_seconds", seconds},
          {"published_per_second", static_cast<double>(events) / seconds}};
}

}  // namespace

bool is_throughput(std::string_view workload) { return find_workload(workload) != nullptr; }

figures measure_throughput(const bench_options& options, const std::filesystem::path& directory) {
  const workload& what = *find_workload(options.workload);
  if (!options.publish.empty() && options.workload == "children") {
    throw engine_error(engine_errc::invalid_argument, "how much is published is measured of workloads without children only");
  }
  registry definitions;
  definitions.add("bench_sequence", sequence);
  definitions.add("bench_fan", fan);
  definitions.add("bench_parent", parent);
  definitions.add(no_op, [](int n) { return n + 1; });
  engine e(definitions, engine_options_of(options, directory));
  std::vector<std::unique_ptr<engine>> others;
  for (unsigned n = 1; !options.queue.empty() && n < options.nodes; ++n) {
    const std::filesystem::path of_its_own = directory.string() + "-" + std::to_string(n + 1);
    others.push_back(std::make_unique<engine>(definitions, engine_options_of(options, of_its_own)));
  }
  const std::string ids = options.queue.empty() ? "bench-" : "bench-" + make_uuid(*make_system_random()) + "-";  // others may be there
  if (!options.queue.empty()) wait_until_owned(e, options.nodes);
  const engine_statistics before = e.statistics();
  const std::size_t memory_before = resident_bytes();
  const auto began = steady::now();
  load instances(options.instances, what.at_once != 0 ? what.at_once : options.in_flight);
  const auto latencies = instances.run([&](std::uint64_t i, load::done done) {
    e.execute(what.workflow, input_of(what), {.id = ids + std::to_string(i)},
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
  figures published = figures::object();
  if (!options.publish.empty()) {
    std::vector<const engine*> nodes{&e};
    for (const auto& each : others) nodes.push_back(each.get());
    published = measure_publishing(nodes, options.instances * e.history(ids + "0").size(), began);
  }
  e.compact();
  const std::uint64_t steps = options.instances * static_cast<std::uint64_t>(what.steps);
  const auto each = static_cast<double>(options.instances);
  figures measured{{"workload", what.name},
                   {"instances", options.instances},
                   {"nodes", options.queue.empty() ? 1 : options.nodes},
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
  measured.update(published);
  return measured;
}

}  // namespace evermill::bench
