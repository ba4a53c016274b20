// Bugs planted on purpose: the proof that the simulation finds what it is meant to find (tests/planted).
//
// A hook is one `if (planted(bug::name))` beside the code that it breaks. Hooks exist only in what tests/planted compiles
// with EVERMILL_PLANTED_BUGS; everywhere else they are the constant false, and no code is made of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// Bugs of an engine on one store: name, and what is wrong.
// clang-format off
#define EVERMILL_ENGINE_BUGS(BUG)                                                                                           \
  /* storage */                                                                                                        \
  BUG(skip_sync, "a commit is not synced")                                                                             \
  BUG(skip_sync_of_one_family, "a commit that writes to the outbox is not synced")                                     \
  BUG(lose_last_record, "the last row of every batch is not written")                                                  \
  BUG(split_batch, "a batch is written in two halves")                                                                 \
  BUG(skip_damaged_records, "recovery skips what is damaged in the log and goes on behind it")                         \
  BUG(take_damage_for_a_torn_tail, "a record that is not whole ends the log though a good one follows")                \
  BUG(read_error_is_the_end, "a scan that meets an error ends as if there were no more rows")                          \
  BUG(ignore_checksums, "a row's checksum is not looked at")                                                           \
  BUG(keep_boot_number, "the boot number is not raised")                                                               \
  /* committer */                                                                                                      \
  BUG(resubmit_failed_batch, "a batch whose outcome is unknown is written again")                                      \
  BUG(ignore_failed_write, "a write that failed counts as durable")                                                    \
  BUG(answer_before_write, "the committer reports a commit before it writes it")                                       \
  /* a partition's commits and effects */                                                                              \
  BUG(release_before_commit, "effects leave when their commit is submitted")                                           \
  BUG(answer_before_durable, "callers are answered when their commit is submitted")                                    \
  BUG(answer_undurable_start, "a repeated start is answered while the first one is not durable")                       \
  BUG(speculative_step, "a step runs before its instance's decisions are durable")                                     \
  BUG(release_after_drain, "activities and steps start although the node drains")                                      \
  /* what is consumed once */                                                                                          \
  BUG(consume_without_turn, "a message counts as consumed before it has a turn")                                       \
  BUG(no_repeat_check, "an event that is delivered again is handled again")                                            \
  BUG(admit_lane_repeats, "a lane's message that comes again is handled again")                                        \
  BUG(acknowledge_unhandled_lane, "a lane is acknowledged up to what was admitted")                                    \
  BUG(forget_lane_positions, "recovery forgets what was consumed from the lanes")                                      \
  BUG(forget_outbox, "recovery does not send unacknowledged messages again")                                           \
  /* attempts */                                                                                                       \
  BUG(reuse_dispatch_id, "a retry has the dispatch id of the attempt before")                                          \
  BUG(redispatch_lost_attempt, "recovery dispatches an attempt that may have run again, under its id")                 \
  BUG(one_attempt_too_many, "an activity is tried once more than its limit")                                           \
  BUG(accept_late_result, "the result of an earlier attempt closes the activity")                                      \
  BUG(forget_lost_attempt, "recovery waits for attempts that died with their process")                                 \
  BUG(forget_attempt_row, "a retry's number is not stored")                                                            \
  BUG(rerun_parked_result, "an activity whose result is parked runs again after a restart")                            \
  /* timers and time */                                                                                                \
  BUG(drop_timer_at_recovery, "timers that were due while the process was down are dropped")                           \
  BUG(keep_fired_timer, "the row of a timer that has fired stays, and it is armed again")                              \
  BUG(arm_undurable_timer, "a timer is armed before it is durable")                                                    \
  BUG(fire_timer_early, "a timer fires a tenth of a second before its time")                                           \
  BUG(ignore_back_off, "a retry does not wait for its time")                                                           \
  BUG(follow_clock_back, "an instance's time goes back with the wall clock")                                           \
  /* runs */                                                                                                           \
  BUG(passivate_dirty, "an instance leaves memory while its turns are not durable")                                    \
  BUG(forget_parked_event, "the last parked event is not handed over when the instance goes on")                       \
  BUG(park_in_memory, "a parked event is acknowledged but not stored")                                                 \
  BUG(forget_childs_end, "a parent is not told of its child's end")                                                    \
  BUG(drop_unread_signals, "a run that continues as new drops the signals it has not read")                            \
  BUG(drop_cancel_request, "a run that continues as new forgets that it was canceled")                                 \
  BUG(header_before_start, "an execution's header is stored before its first turn")                                    \
  /* what is to be published */                                                                                        \
  BUG(erase_unpublished_turns, "turns are no longer to be published as soon as they are offered")                      \
  BUG(forget_unpublished_turns, "recovery does not offer what is left to be published")                                \
  /* replay */                                                                                                         \
  BUG(no_replay_comparison, "a replay does not compare what the code asks for with the journal")                       \
  BUG(completions_in_command_order, "a replay hands completions over in the order of their commands")

/// Bugs of a commit log that several processes share.
#define EVERMILL_LOG_BUGS(BUG)                                                                                        \
  BUG(ignore_epoch, "a commit counts whoever reigns when it comes")                                                    \
  BUG(accept_commit_gap, "a commit counts though the one before is missing")                                           \
  BUG(believe_append, "a commit counts as soon as it is appended, wherever it lies")                                   \
  BUG(ignore_what_lies_between, "an owner does not read what others have written before its commit")                   \
  BUG(decide_before_claim_is_read, "an owner begins to commit before it has read its own claim")

/// Bugs that only several processes with whole logs show.
#define EVERMILL_CLUSTER_BUGS(BUG)                                                                                    \
  BUG(trim_log_early, "a log is trimmed beyond the snapshot that was made of it")

#define EVERMILL_BUGS(BUG) EVERMILL_ENGINE_BUGS(BUG) EVERMILL_LOG_BUGS(BUG) EVERMILL_CLUSTER_BUGS(BUG)
// clang-format on

namespace evermill {

enum class bug : std::uint8_t {
  none,
#define EVERMILL_BUG_NAME(name, what) name,
  EVERMILL_BUGS(EVERMILL_BUG_NAME)
#undef EVERMILL_BUG_NAME
};

#ifdef EVERMILL_PLANTED_BUGS
inline namespace with_bugs {

/// The one bug that this process has. Set while no engine runs.
inline bug present_bug = bug::none;

inline bool planted(bug which) { return present_bug == which; }

}  // namespace with_bugs
#else
consteval bool planted(bug) { return false; }
#endif

}  // namespace evermill
