// Figures: how much the engine does on this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

namespace evermill {

struct bench_options {
  std::string workload;                  ///< steps10, start, fan100 or chain40
  std::uint64_t instances = 1000;
  std::filesystem::path data_directory;  ///< empty: a new one under the temporary directory, removed afterwards
  bool json = false;                     ///< one JSON line instead of a table
  bool sync = true;
  std::uint16_t partitions = 4;
  std::uint64_t in_flight = 4000;        ///< instances running at once; chain40 always runs one
  unsigned native_threads = 4;
};

/// Runs one workload and writes its figures to `out`. Returns 0, or 2 for an unknown workload (told on `err`).
int run_bench(const bench_options& options, std::ostream& out, std::ostream& err);

}  // namespace evermill
