#include "evermill/bench.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/future.hpp"

namespace evermill {
namespace {

using steady = std::chrono::steady_clock;

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

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

double milliseconds(steady::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

double percentile(const std::vector<steady::duration>& sorted, double fraction) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(fraction * static_cast<double>(sorted.size() - 1) + 0.5);
  return milliseconds(sorted[rank]);
}

/// Keeps a bounded number of instances running until all have ended.
class load {
 public:
  load(engine& e, const workload& what, std::uint64_t instances, std::uint64_t at_once)
      : engine_(e), what_(what), instances_(instances), at_once_(at_once), latencies_(instances) {}

  std::vector<steady::duration> run() {
    for (std::uint64_t i = 0; i < instances_; ++i) {
      {
        std::unique_lock lock(mutex_);
        if (running_ == at_once_) changed_.wait(lock, [&] { return running_ <= refill_at(); });
        ++running_;
      }
      start(i);
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return running_ == 0; });
    if (error_) throw engine_error(*error_);
    std::sort(latencies_.begin(), latencies_.end());
    return std::move(latencies_);
  }

 private:
  void start(std::uint64_t i) {
    const auto began = steady::now();
    engine_.execute(what_.workflow, codec<int>::encode(what_.size), {.id = "bench-" + std::to_string(i)},
                    [this, i, began](const std::optional<engine_error>& error, const execution_end& end) {
                      on_end(i, began, error, end);
                    });
  }

  void on_end(std::uint64_t i, steady::time_point began, const std::optional<engine_error>& error,
              const execution_end& end) {
    latencies_[i] = steady::now() - began;
    std::lock_guard lock(mutex_);
    if (error && !error_) error_ = error;
    if (!error && end.status != execution_status::completed && !error_) {
      error_ = engine_error(engine_errc::unavailable, "an instance ended as " + std::string(to_string(end.status)));
    }
    --running_;
    if (running_ <= refill_at() || running_ == 0) changed_.notify_one();
  }

  /// New instances are started in batches, so that the generator does not wake for each end.
  std::uint64_t refill_at() const { return at_once_ - 1 - at_once_ / 8; }

  engine& engine_;
  const workload& what_;
  const std::uint64_t instances_;
  const std::uint64_t at_once_;
  std::vector<steady::duration> latencies_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t running_ = 0;
  std::optional<engine_error> error_;  ///< the first one
};

nlohmann::ordered_json measure(const bench_options& options, const workload& what,
                               const std::filesystem::path& directory) {
  registry definitions;
  definitions.add("bench_sequence", sequence);
  definitions.add("bench_fan", fan);
  definitions.add(no_op, [](int n) { return n + 1; });
  engine e(definitions, {.data_directory = directory,
                         .partitions = options.partitions,
                         .native_threads = options.native_threads,
                         .sync = options.sync});
  const engine_statistics before = e.statistics();
  const std::size_t memory_before = resident_bytes();
  const auto began = steady::now();
  const auto latencies =
      load(e, what, options.instances, what.at_once != 0 ? what.at_once : options.in_flight).run();
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

}  // namespace

int run_bench(const bench_options& options, std::ostream& out, std::ostream& err) {
  const auto* what = std::find_if(std::begin(workloads), std::end(workloads),
                                  [&](const workload& w) { return options.workload == w.name; });
  if (what == std::end(workloads) || options.instances == 0) {
    err << "evermill: give --workload steps10, start, fan100 or chain40, and at least one instance\n";
    return 2;
  }
  const bool own = options.data_directory.empty();
  const std::filesystem::path directory =
      own ? std::filesystem::temp_directory_path() / ("evermill-bench-" + std::to_string(::getpid()))
          : options.data_directory;
  const nlohmann::ordered_json figures = measure(options, *what, directory);
  if (own) std::filesystem::remove_all(directory);
  if (options.json) {
    out << figures.dump() << "\n";
    return 0;
  }
  for (const auto& [name, value] : figures.items()) {
    out << name << std::string(name.size() < 28 ? 28 - name.size() : 1, ' ') << value << "\n";
  }
  return 0;
}

}  // namespace evermill
