// What is measured outside the engine: latencies, this process's memory, the disk's sync.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace evermill::bench {

/// The nearest-rank percentile: the smallest sample that at least `percent` per cent of all samples do not exceed.
/// `percent` in (0, 100]. Reorders the samples; 0 where there are none.
std::chrono::nanoseconds percentile(std::vector<std::chrono::nanoseconds>& samples, double percent);

/// This process's resident memory in bytes, after memory that is free has been handed back to the system.
std::uint64_t resident_bytes();

/// The median time of a small append and its fdatasync in this directory. Throws std::system_error.
std::chrono::nanoseconds time_of_one_sync(const std::filesystem::path& directory);

}  // namespace evermill::bench
