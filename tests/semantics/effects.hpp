// Where `record` counts: in memory, or in a file that outlives the process.
#pragma once

#include <filesystem>

#include "outcome.hpp"

namespace evermill::semantics {

/// From now on in memory, from nothing.
void count_effects_in_memory();
/// From now on in lines of this file, each written at once: SIGKILL can't tear it.
void count_effects_in(const std::filesystem::path& file);
effect_counts counted_effects();
/// Of a file that another process wrote; none where there is no file. Throws std::runtime_error where a line is malformed.
effect_counts read_effects(const std::filesystem::path& file);

}  // namespace evermill::semantics
