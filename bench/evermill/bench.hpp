// Figures: how much the engine does on this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

namespace evermill {

inline constexpr const char* bench_workloads =
    "steps10, start, fan100, chain40, one, children, dsl-steps10, dsl-sets, sleepers, lists, history, recovery, recovery-asleep, takeover, takeover-cold, "
    "move, http-start, http-followers, api-start, api-one or server-worker";

struct bench_options {
  std::string workload;                  ///< one of bench_workloads
  std::uint64_t instances = 1000;        ///< of `history`, which has one: its steps
  std::string queue;                     ///< "": none; otherwise as engine_options::queue: this process is a node there
  unsigned nodes = 1;                    ///< with a queue: how many nodes this process has, each with a directory of its own
  std::string publish;                   ///< "": nothing; otherwise as publish_options::to: measured until all is published
  std::filesystem::path data_directory;  ///< empty: a new one under the temporary directory, removed afterwards
  bool json = false;                     ///< one JSON line instead of a table
  bool sync = true;
  std::uint16_t partitions = 4;          ///< of a new directory or cluster
  std::uint64_t in_flight = 4000;        ///< instances running, or being started, at once; chain40 always runs one
  unsigned native_threads = 4;
};

/// Runs one workload and writes its figures to `out`. Returns 0, or 2 for an unknown workload (told on `err`).
int run_bench(const bench_options& options, std::ostream& out, std::ostream& err);

}  // namespace evermill
