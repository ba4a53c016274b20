// The passes of `verify` over one store. Internal to engine/.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/journal_check.hpp"
#include "engine/verification.hpp"
#include "storage/rows.hpp"
#include "storage/stored_row.hpp"

namespace evermill::verification {

/// The command with which a parent asked for a child.
struct child_key {
  std::uint16_t partition = 0;  ///< the parent's
  std::uint64_t run = 0;
  std::uint64_t initiated = 0;
  friend auto operator<=>(const child_key&, const child_key&) = default;
};

/// The command with which a run asked for a lock: partition, run, event.
using lock_key = child_key;

class verifier {
 public:
  verifier(const storage::key_value_store& store, const sink& found) : store_(store), found_(found) {}
  verify_report run();

 private:
  /// What a problem is about, as far as it is known.
  struct place {
    std::string workflow_id;
    run_number run;
    event_seq event;
    std::string row;
  };
  using family = storage::family;

  void problem(const place& where, std::string what, std::string_view advice);

  // verification.cpp: the families that are read once
  bool check_description();
  void check_log_positions();
  void check_partitions();
  void check_outbox();
  void check_outbound(const storage::outbound_row& row, const place& where);
  void check_lane_end(partition_id source, partition_id destination, std::uint64_t expected);
  void check_lanes();
  void check_inbox();
  void check_requests();
  void note_message(partition_id to, const messages::DecisionEvent& event);
  void check_headers();
  void check_journals();
  void check_open_work();
  void check_timers();
  void find_timers_without_journal();
  template <class Visit>
  void walk_rows(family f, bool first_time, Visit&& visit);
  template <class Visit>
  void walk(family f, Visit&& visit) { walk_rows(f, true, visit); }
  template <class Visit>
  void walk_again(family f, Visit&& visit) { walk_rows(f, false, visit); }
  bool known_partition(partition_id partition, const place& where);
  /// The header of the open run that the row belongs to; nothing, and a problem, where there is none.
  std::optional<messages::InstanceHeader> open_header(partition_id partition, const place& where, std::string_view what);
  const messages::PartitionState& state(partition_id partition) const;
  std::uint64_t handled_from(partition_id receiver, partition_id source) const;

  // verification_runs.cpp: one journal and all that belongs to it
  struct journal_walk;
  void begin_run(journal_walk& walk, const storage::turn_row& first);
  void end_run(journal_walk& walk);
  void check_current(const journal_walk& walk, const messages::InstanceHeader& header);
  void check_earlier(const journal_walk& walk, const messages::InstanceHeader& header);
  void check_open_run(const journal_walk& walk, const messages::InstanceHeader& header);
  void check_work_row(const journal_walk& walk, const messages::InstanceHeader& header);
  void check_children(const journal_walk& walk);
  std::string lost_child(const child_key& key, const std::string& child) const;

  // verification_executions.cpp: the index of executions
  bool has_index(partition_id partition) const;
  void check_listed(const storage::header_row& row, const place& where);
  void check_executions();
  void find_executions_without_header();

  // verification_waiting.cpp: what is to be published, human tasks and locks
  void check_published();
  void check_published_turn(const storage::published_row& row, const messages::CommittedTurns::Turn& turn, place where);
  void check_human_tasks();
  void find_tasks_without_journal();
  void check_open_tasks(const journal_walk& walk);
  void note_lock_message(partition_id to, const messages::DecisionEvent& message);
  void check_wanted_locks(const journal_walk& walk);
  std::string lost_lock(const lock_key& key, const std::string& workflow_id, const std::string& lock_id, bool granted) const;
  void check_lock(const journal_walk& walk, const messages::InstanceHeader& header);
  bool wants_lock(const std::string& workflow_id, const lock_key& key) const;
  /// What the current run of the execution has open, if it is this one and has not ended.
  std::optional<actors::open_commands> open_of(partition_id partition, const std::string& workflow_id, run_number run) const;

  bool has_journal(partition_id partition, run_number run) const;
  bool has_parked(partition_id partition, run_number run) const;

  const storage::key_value_store& store_;
  const sink& found_;
  verify_report report_;
  std::uint16_t partitions_ = 0;
  /// Of each partition: the number of its last incarnation. Of one that follows a log: its owner's epoch.
  std::vector<std::uint64_t> boots_;
  std::vector<messages::PartitionState> states_;
  std::set<child_key> starts_on_their_way_;
  std::set<child_key> ends_on_their_way_;
  std::set<lock_key> lock_requests_on_their_way_;
  std::set<lock_key> lock_releases_on_their_way_;
  std::set<lock_key> lock_grants_on_their_way_;
  std::uint64_t timers_asked_for_ = 0;  ///< by journals, and there
  std::uint64_t tasks_asked_for_ = 0;   ///< the same
  std::uint64_t listed_ = 0;            ///< headers whose rows are in the index
};

}  // namespace evermill::verification
