// Generated workflows as data: a small tree that one coroutine interprets (interpreter.cpp) and one plain function
// predicts from a journal (model.cpp).
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/registry.hpp"
#include "simulated_disk.hpp"

namespace evermill::simulation {

/// `op` is one of
///   leaves   "call" an activity, "step", "sleep", "wait" for a signal (micros: the limit, 0: none), "start" a child
///   "seq"    the parts one after the other
///   "all"    the leaves at the same time, awaited in their order
///   "race"   two or three leaves; the first one's index counts, the others are canceled where `flag`, or left alone
///   "repeat" the parts one after the other, `micros` times
///   "fail"   ends the workflow with a failure
struct node {
  std::string op;
  std::int64_t id = 0;
  std::int64_t micros = 0;    ///< of "sleep", "wait"; of "call": start-to-close, of "start": run timeout, 0: none; of "repeat": a count
  std::int64_t attempts = 0;  ///< of "call"; 0: no limit
  std::string name;           ///< of a signal; of a child: its workflow id, "" for one of its own
  bool flag = false;
  std::int64_t policy = 0;    ///< of "start": what becomes of the child when its parent ends (parent_close_policy)
  std::vector<node> parts;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(node, op, id, micros, attempts, name, flag, policy, parts)

struct program {
  node body;
  std::int64_t rounds = 0;     ///< how often it continues as new
  std::int64_t on_cancel = 0;  ///< 0: lets it pass, 1: cleans up and lets it pass, 2: cleans up and goes on
  std::string so_far;          ///< what the rounds before have seen
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(program, body, rounds, on_cancel, so_far)

inline constexpr std::string_view workflow_type = "program";
inline constexpr std::string_view activity_type = "work";
inline constexpr std::string_view step_name = "count";
inline constexpr std::int64_t cleanup_id = -1;

/// A text that has become longer is replaced by its digest after a round of "repeat" or "seq".
inline constexpr std::size_t long_text = 1000;

/// The retry intervals of every activity.
inline constexpr std::int64_t first_interval_us = 50'000;

/// A failure of this type is not tried again.
inline constexpr std::string_view fatal_type = "Fatal";

// What "call" does besides follows from its id, so that it costs the generator no choice.
/// Schedule-to-close; 0: none.
inline constexpr std::int64_t schedule_to_close_us(std::int64_t id) { return id % 5 == 4 ? 1'500'000 : 0; }
/// Its attempts say how far they have come.
inline constexpr bool heartbeats(std::int64_t id) { return id % 3 == 1; }
/// What its attempts give comes from elsewhere.
inline constexpr bool completes_elsewhere(std::int64_t id) { return id % 7 == 3; }

/// A random program of at most about thirty leaves.
program generate_program(const chooser& choose);

/// The interpreter: returns what it has seen, as text.
task<std::string> run_program(context ctx, program what);

/// Steps give a number of their own to each of their runs, kept here; the simulation is single threaded.
struct interpreter_hooks {
  std::int64_t next_step_value = 1;
  /// Set by a real process, before its engine is made: gives that number in its place, on any thread.
  std::int64_t (*step_value)() = nullptr;
  /// Makes replays ask for one activity more at each leaf from this id on, as changed code would. Negative: no.
  std::int64_t changed_from_leaf = -1;

  /// Counts executions that were put away and woken up again by the same process: its boot, and the boot in which each
  /// run was last begun. 0: not now.
  std::uint64_t boot = 0;
  std::uint64_t woken = 0;
  std::map<std::string, std::uint64_t> begun{};
};
interpreter_hooks& hooks();

/// How one outcome is written into the text: "c3=17;" or "c3!Type;".
std::string seen(char tag, std::int64_t id, std::string_view value);
std::string seen_failure(char tag, std::int64_t id, std::string_view type);
/// A child's text may be long: its parent keeps a digest.
std::string digest(std::string_view text);

}  // namespace evermill::simulation
