// Strong types for the numbers that travel through every layer. Two of them never mix by accident, and each prints.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace evermill {

template <class Tag, class Rep = std::uint64_t>
struct strong_number {
  Rep value{};

  constexpr strong_number() noexcept = default;
  constexpr explicit strong_number(Rep v) noexcept : value(v) {}
  friend constexpr auto operator<=>(strong_number, strong_number) noexcept = default;
  constexpr strong_number next() const noexcept { return strong_number(static_cast<Rep>(value + 1)); }
};

/// A fixed slice of all instances: hash of the workflow id modulo the number of partitions.
using partition_id = strong_number<struct partition_tag, std::uint16_t>;
/// Names one run inside its partition. Dense, given in commit order, never used twice; 0 names no run.
using run_number = strong_number<struct run_tag>;
/// Position of an event in a run's journal. The first event is 1; 0 is "before the first".
using event_seq = strong_number<struct event_seq_tag>;
/// Counts the times a data directory was opened for writing; durable before anything else happens.
using boot_number = strong_number<struct boot_tag>;
/// Numbers a partition's commits densely, from 1.
using commit_number = strong_number<struct commit_tag>;

}  // namespace evermill

template <class Tag, class Rep>
struct std::hash<evermill::strong_number<Tag, Rep>> {
  std::size_t operator()(evermill::strong_number<Tag, Rep> n) const noexcept { return std::hash<Rep>{}(n.value); }
};
