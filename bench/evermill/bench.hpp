// Figures: how much the engine does on this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

namespace evermill {

inline constexpr const char* bench_workloads =
    "steps10, start, fan100, chain40, sleepers, history, recovery or recovery-asleep";

struct bench_options {
  std::string workload;                  ///< one of bench_workloads
  std::uint64_t instances = 1000;        ///< of `history`, which has one: its steps
  std::filesystem::path data_directory;  ///< empty: a new one under the temporary directory, removed afterwards
  bool json = false;                     ///< one JSON line instead of a table
  bool sync = true;
  std::uint16_t partitions = 4;
  std::uint64_t in_flight = 4000;        ///< instances running, or being started, at once; chain40 always runs one
  unsigned native_threads = 4;
};

/// Runs one workload and writes its figures to `out`. Returns 0, or 2 for an unknown workload (told on `err`).
int run_bench(const bench_options& options, std::ostream& out, std::ostream& err);

}  // namespace evermill
