#include "evermill/bench.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <ostream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "bench/load.hpp"
#include "bench/measures.hpp"
#include "bench/report.hpp"
#include "bench/workloads.hpp"
#include "evermill/engine.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using bench::figures;
using bench::load;
using bench::load_result;
using bench::workload;

constexpr std::chrono::milliseconds sleepers_passivate_after{500};
constexpr std::chrono::seconds patience_with_passivation{120};

/// Removed with what is in it, when it was made here.
class bench_directory {
 public:
  explicit bench_directory(const std::filesystem::path& wanted) : path_(wanted), temporary_(wanted.empty()) {
    if (!temporary_) {
      std::filesystem::create_directories(path_);
      return;
    }
    std::string name = (std::filesystem::temp_directory_path() / "evermill-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), "cannot make a temporary folder like " + name);
    }
    path_ = name;
  }
  ~bench_directory() {
    std::error_code ignored;
    if (temporary_) std::filesystem::remove_all(path_, ignored);
  }
  bench_directory(const bench_directory&) = delete;
  bench_directory& operator=(const bench_directory&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  bool temporary_;
};

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }
double milliseconds(std::chrono::nanoseconds time) { return seconds(time) * 1e3; }

engine_options options_for(const bench_options& options, const workload& what, const std::filesystem::path& directory) {
  engine_options result{.data_directory = directory,
                        .partitions = options.partitions,
                        .workflow_threads = options.workflow_threads,
                        .native_threads = options.native_threads,
                        .sync = options.sync};
  if (what.sleeps) result.passivate_after = sleepers_passivate_after;
  return result;
}

load load_for(const bench_options& options, const workload& what) {
  // Ids of an earlier run in the same directory would be found instead of started.
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return {.workflow_type = std::string(what.name),
          .id_prefix = "bench-" + std::to_string(now) + "-",
          .instances = options.instances != 0 ? options.instances : what.default_instances,
          .in_flight = options.in_flight != 0 ? options.in_flight : what.default_in_flight,
          .until_started = what.sleeps};
}

/// Sleepers are measured when they have left memory. There is no event for that: it is polled.
void wait_until_passivated(const engine& on) {
  const auto deadline = std::chrono::steady_clock::now() + patience_with_passivation;
  while (on.statistics().live_instances > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(50ms);
  }
}

std::uint64_t per_instance(std::uint64_t before, std::uint64_t after, std::uint64_t instances) {
  return after > before ? (after - before) / instances : 0;
}

void add_rates(figures& to, load_result& measured, std::uint64_t steps_per_instance) {
  to.seconds = seconds(measured.elapsed);
  to.steps = to.instances * steps_per_instance;
  to.steps_per_second = static_cast<double>(to.steps) / to.seconds;
  to.instances_per_second = static_cast<double>(to.instances) / to.seconds;
  to.p50_ms = milliseconds(bench::percentile(measured.latencies, 50));
  to.p99_ms = milliseconds(bench::percentile(measured.latencies, 99));
  if (to.steps > 0) to.syncs_time_per_activity = to.seconds * 1e3 / static_cast<double>(to.steps) / to.sync_ms;
}

figures measure(const bench_options& options, const workload& what) {
  const bench_directory directory(options.data_directory);
  const load wanted = load_for(options, what);
  figures result{.workload = std::string(what.name), .instances = wanted.instances};
  result.sync_ms = milliseconds(bench::time_of_one_sync(directory.path()));

  engine measured(bench::make_registry(), options_for(options, what, directory.path()));
  const engine_statistics before = measured.statistics();
  const std::uint64_t memory_before = bench::resident_bytes();
  load_result loaded = bench::apply_load(measured, wanted);
  const engine_statistics after = measured.statistics();
  if (loaded.failures > 0) {
    throw std::runtime_error(std::to_string(loaded.failures) + " of " + std::to_string(wanted.instances) +
                             " instances did not complete, first " + loaded.first_failure);
  }
  add_rates(result, loaded, what.steps_per_instance);
  loaded = {};  // not the instances' memory
  if (what.sleeps) wait_until_passivated(measured);
  result.memory_bytes_per_instance = per_instance(memory_before, bench::resident_bytes(), wanted.instances);
  result.commits = after.commits - before.commits;
  result.syncs = after.syncs - before.syncs;
  result.bytes_written = after.bytes_written - before.bytes_written;
  result.durability = after.durability;
  measured.compact();
  result.disk_bytes_per_instance =
      per_instance(before.bytes_on_disk, measured.statistics().bytes_on_disk, wanted.instances);
  return result;
}

std::string names_of_workloads() {
  std::string names;
  for (const workload& one : bench::workloads()) names += (names.empty() ? "" : ", ") + std::string(one.name);
  return names;
}

}  // namespace

std::vector<bench_workload_description> bench_workloads() {
  std::vector<bench_workload_description> all;
  for (const workload& one : bench::workloads()) all.push_back({std::string(one.name), std::string(one.summary)});
  return all;
}

int run_bench(const bench_options& options, std::ostream& out, std::ostream& err) {
  const workload* const what = bench::find_workload(options.workload);
  if (what == nullptr) {
    err << "bench: there is no workload \"" << options.workload << "\"; choose one of " << names_of_workloads() << '\n';
    return 2;
  }
  try {
    const figures result = measure(options, *what);
    (options.json ? bench::print_json : bench::print_table)(result, out);
    return 0;
  } catch (const engine_error& error) {
    err << "bench: " << error.what() << '\n';
    return 2;
  } catch (const std::system_error& error) {
    err << "bench: " << error.what() << "; give a folder that can be written\n";
    return 2;
  } catch (const std::exception& error) {
    err << "bench: " << error.what() << '\n';
    return 1;
  }
}

}  // namespace evermill
