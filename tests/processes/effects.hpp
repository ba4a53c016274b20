// The file in which the chaos program counts what it does outside, behind the engine's back: a line per effect.
//
// A line is one write of 64 bytes at the end of the file, so that it never crosses a page and SIGKILL can't tear it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace evermill::processes {

inline constexpr std::size_t effect_line_bytes = 64;

/// "activity" with a dispatch id, or "step" with the value that the step returned.
struct effect {
  std::string kind;
  std::string id;
  std::int64_t value = 0;
  std::int64_t process = 0;
};

/// Throws std::runtime_error where it can't be written.
void append_effect(const std::string& file, const effect& what);

/// Reads the lines after `offset` and moves it. Throws std::runtime_error where one is malformed.
std::vector<effect> read_effects(const std::filesystem::path& file, std::uint64_t& offset);

/// The same for every process: what an attempt gives, and whether it fails, follow from its dispatch id.
std::uint64_t digest_of(std::string_view text);
std::int64_t value_of(std::string_view dispatch_id);
enum class attempt_fate : std::uint8_t { completes, fails, fails_for_good };
attempt_fate fate_of(std::string_view dispatch_id);

/// The environment of the chaos program: the effects file, and a workflow whose activities never end ("": none).
inline constexpr const char* effects_variable = "CHAOS_EFFECTS";
inline constexpr const char* hang_variable = "CHAOS_HANG";
inline constexpr const char* keeper_workflow = "keeper";
inline constexpr const char* keeper_signal = "end";

}  // namespace evermill::processes
