// Measures an engine of this build on this machine: `evermill bench` is this function.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace evermill {

struct bench_options {
  std::string workload;         ///< one of bench_workloads()
  std::uint64_t instances = 0;  ///< how many are run; 0: the workload's own default
  /// Where the store lies, and thus which disk is measured; what is there already stays. Empty: a fresh folder in the
  /// system's folder for temporary files, removed afterwards.
  std::filesystem::path data_directory;
  bool json = false;  ///< one JSON object on one line instead of a table
  bool sync = true;   ///< false: writes are not synced (durability "none")
  /// 0 in the following: the engine's default.
  std::uint16_t partitions = 0;
  unsigned native_threads = 0;
  unsigned workflow_threads = 0;
  /// At most this many instances run at once. 0: the workload's default.
  std::uint64_t in_flight = 0;
};

/// The names of the workloads and what each does, for help texts.
struct bench_workload_description {
  std::string name;
  std::string summary;
};
std::vector<bench_workload_description> bench_workloads();

/// Runs a workload and prints its figures to `out`, mistakes and failures to `err`. Returns the process's exit code: 0,
/// 1 where an instance did not complete, 2 where the options or the data directory can't be used. Blocks; does not
/// throw.
int run_bench(const bench_options& options, std::ostream& out, std::ostream& err);

}  // namespace evermill
