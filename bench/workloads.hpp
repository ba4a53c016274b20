// The workflows that are measured.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "evermill/registry.hpp"

namespace evermill::bench {

struct workload {
  std::string_view name;
  std::string_view summary;
  std::uint64_t steps_per_instance = 0;  ///< activities
  std::uint64_t default_instances = 0;
  std::uint64_t default_in_flight = 0;  ///< instances at once
  bool sleeps = false;                  ///< instances stay waiting: what is timed is their way to sleep
};

std::span<const workload> workloads();
/// Null where there is none of that name.
const workload* find_workload(std::string_view name);

/// Every workload's workflow under the workload's name, and the activity they call.
registry make_registry();

}  // namespace evermill::bench
