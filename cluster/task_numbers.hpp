// The numbers of the tasks that a node sends a worker.
#pragma once

#include <cstdint>

namespace evermill::cluster {

/// They count up in a series. A node that took a worker for dead begins a new series when it hears of it again: so nobody takes
/// what is left of the earlier one for tasks of the new, nor new ones for those that came long ago.
inline constexpr unsigned task_series_bits = 40;

inline constexpr std::uint64_t series_of(std::uint64_t number) { return number >> task_series_bits; }
/// The number before the first one of a series.
inline constexpr std::uint64_t before_series(std::uint64_t series) { return series << task_series_bits; }

}  // namespace evermill::cluster
