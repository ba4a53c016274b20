// The figures of one run, and how they are printed.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace evermill::bench {

struct figures {
  std::string workload;
  std::uint64_t instances = 0;
  std::uint64_t steps = 0;
  double seconds = 0;
  double steps_per_second = 0;
  double instances_per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  std::uint64_t memory_bytes_per_instance = 0;
  std::uint64_t disk_bytes_per_instance = 0;
  std::uint64_t syncs = 0;
  std::uint64_t commits = 0;
  std::uint64_t bytes_written = 0;
  std::string durability;
  double sync_ms = 0;                  ///< one bare append and fdatasync in the same directory
  double syncs_time_per_activity = 0;  ///< seconds per step, in units of sync_ms; 0 where there are no steps
};

void print_json(const figures& all, std::ostream& out);
void print_table(const figures& all, std::ostream& out);

}  // namespace evermill::bench
