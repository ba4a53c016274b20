// Starts instances of one workflow, a bounded number at a time, and takes their times.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "evermill/engine.hpp"

namespace evermill::bench {

struct load {
  std::string workflow_type;
  std::string id_prefix;  ///< of the workflow ids; numbers follow
  std::uint64_t instances = 0;
  std::uint64_t in_flight = 1;  ///< at most this many are started and not finished
  bool until_started = false;   ///< an instance is finished with when its start is durable, not at its end
};

struct load_result {
  std::chrono::nanoseconds elapsed{};               ///< from the first start to the last end
  std::vector<std::chrono::nanoseconds> latencies;  ///< from each start to its end, by instance
  std::uint64_t failures = 0;
  std::string first_failure;
};

/// Blocks until all have ended. One thread starts; ends are counted on the engine's threads.
load_result apply_load(engine& on, const load& what);

}  // namespace evermill::bench
