// Instances that wait: what each of them costs in memory and on disk.
#include <algorithm>

#include "bench/load.hpp"
#include "bench/measurements.hpp"
#include "bench/process_memory.hpp"
#include "evermill/context.hpp"

namespace evermill::bench {
namespace {

using namespace std::chrono_literals;
using steady = load::steady;

task<void> sleep_long(context ctx) { co_await ctx.sleep(std::chrono::hours(24 * 365)); }

}  // namespace

figures measure_sleepers(const bench_options& options, const std::filesystem::path& directory) {
  registry definitions;
  definitions.add("bench_sleep", sleep_long);
  engine_options how = engine_options_of(options, directory);
  how.passivate_after = 200ms;
  engine e(definitions, how);
  const engine_statistics before = e.statistics();
  const std::size_t memory_empty = resident_bytes();
  const auto began = steady::now();
  start_all(e, "bench_sleep", options.instances, options.in_flight);
  const double seconds = std::chrono::duration<double>(steady::now() - began).count();
  wait_until_asleep(e);
  const double asleep_after = std::chrono::duration<double>(steady::now() - began).count();
  const std::size_t memory_asleep = resident_bytes();
  const engine_statistics after = e.statistics();
  e.compact();
  const auto each = static_cast<double>(options.instances);
  return {{"workload", "sleepers"},
          {"instances", options.instances},
          {"seconds", seconds},
          {"instances_per_second", each / seconds},
          {"all_asleep_after_seconds", asleep_after},
          {"memory_bytes_empty", memory_empty},
          {"memory_bytes_asleep", memory_asleep},
          {"memory_bytes_per_instance",
           static_cast<double>(memory_asleep - std::min(memory_asleep, memory_empty)) / each},
          {"disk_bytes_per_instance", static_cast<double>(e.statistics().bytes_on_disk) / each},
          {"commits", after.commits - before.commits},
          {"syncs", after.syncs - before.syncs},
          {"bytes_written", after.bytes_written - before.bytes_written},
          {"durability", after.durability}};
}

}  // namespace evermill::bench
