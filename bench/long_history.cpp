// One instance with very many steps: does a step cost the same at the end, and how fast is all of it replayed?
#include <algorithm>
#include <atomic>
#include <future>
#include <memory>

#include "bench/load.hpp"
#include "bench/measurements.hpp"
#include "bench/process_memory.hpp"
#include "evermill/context.hpp"
#include "evermill/future.hpp"

namespace evermill::bench {
namespace {

using steady = load::steady;

/// Steps at once, so that they share commits: alone, each would wait for a sync of its own.
constexpr std::uint64_t round_size = 100;

inline constexpr activity<std::uint64_t(std::uint64_t)> mark{.name = "bench_mark"};
inline constexpr signal<> finish{.name = "bench_finish"};

task<std::uint64_t> many_steps(context ctx, std::uint64_t steps) {
  std::uint64_t done = 0;
  while (done < steps) {
    std::vector<future<std::uint64_t>> round;
    for (std::uint64_t i = 0; i < round_size && done + i < steps; ++i) round.push_back(ctx.call(mark, done + i));
    auto together = all(std::move(round));
    const std::vector<std::uint64_t> results = co_await std::move(together);
    done += results.size();
  }
  co_await ctx.wait(finish);
  co_return done;
}

/// When some of the steps ran.
struct marks {
  explicit marks(std::uint64_t count) : steps(count) {}

  const std::uint64_t steps;
  std::atomic<steady::rep> first{0}, tenth{0}, ninth_tenth{0}, last{0};
  void pass(std::uint64_t step) {
    const auto now = steady::now().time_since_epoch().count();
    if (step == 0) first = now;
    if (step == steps / 10) tenth = now;
    if (step == steps - steps / 10) ninth_tenth = now;
    if (step + 1 == steps) last = now;
  }
};

double seconds_between(steady::rep from, steady::rep to) {
  return std::chrono::duration<double>(steady::duration(to - from)).count();
}

registry definitions_with(const std::shared_ptr<marks>& passed) {
  registry definitions;
  definitions.add("bench_many_steps", many_steps);
  definitions.add(mark, [passed](std::uint64_t step) {
    passed->pass(step);
    return step;
  });
  return definitions;
}

}  // namespace

figures measure_long_history(const bench_options& options, const std::filesystem::path& directory) {
  constexpr std::uint64_t fewest = 10 * round_size;
  const std::uint64_t steps = std::max(options.instances, fewest);
  const auto passed = std::make_shared<marks>(steps);
  const engine_options how = engine_options_of(options, directory);
  const registry definitions = definitions_with(passed);
  const auto began = steady::now();
  std::string durability;
  {
    engine e(definitions, how);
    durability = e.statistics().durability;
    e.start(many_steps, steps, {.id = "long"});
    // Everything but the end: the instance waits for its signal when it has no open activity and all steps are done.
    std::promise<void> waits;
    const auto follower = e.follow("long", [&, told = false](const execution_progress& progress) mutable {
      if (told || progress.event.type != "ActivityTaskCompleted" || progress.event.seq < 2 * steps + 1) return;
      told = true;
      waits.set_value();
    });
    if (e.statistics().activities_completed < steps) waits.get_future().wait();
  }
  const double seconds = std::chrono::duration<double>(steady::now() - began).count();
  engine e(definitions, how);
  const std::uint64_t events = e.describe("long").events;
  const auto woken = steady::now();
  e.signal("long", finish.name, payload{});
  const execution_end end = e.wait("long");
  const double replay = std::chrono::duration<double>(steady::now() - woken).count();
  e.compact();
  const double tenth = static_cast<double>(steps) / 10;
  return {{"workload", "history"},
          {"steps", steps},
          {"events", events},
          {"seconds", seconds},
          {"steps_per_second", static_cast<double>(steps) / seconds},
          {"first_tenth_us_per_step", seconds_between(passed->first, passed->tenth) * 1e6 / tenth},
          {"last_tenth_us_per_step", seconds_between(passed->ninth_tenth, passed->last) * 1e6 / tenth},
          {"replay_seconds", replay},
          {"replayed_events_per_second", static_cast<double>(events) / replay},
          {"memory_bytes", resident_bytes()},
          {"disk_bytes_per_step", static_cast<double>(e.statistics().bytes_on_disk) / static_cast<double>(steps)},
          {"completed", end.status == execution_status::completed},
          {"durability", durability}};
}

}  // namespace evermill::bench
