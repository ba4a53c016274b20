// How a simulated life ends, and what must hold then.
#include <algorithm>
#include <set>

#include "model.hpp"
#include "simulation.hpp"
#include "storage/executions.hpp"
#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"
#include "storage/stored_row.hpp"
#include "workflow/decider.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::simulation {
namespace {

constexpr std::uint64_t rest_limit = 60'000;
constexpr int settle_rounds = 60;

std::string name_of(const run_id& id, const durable_journal& journal) {
  return "run " + std::to_string(id.run) + " of " + journal.workflow_id + " (partition " +
         std::to_string(id.partition) + ")";
}

std::string text_of(const durable_journal& journal) {
  std::string text;
  std::uint64_t seq = 1;
  for (const messages::TurnRecord& turn : journal.turns) {
    for (const messages::Event& e : turn.events()) {
      text += "\n  " + std::to_string(seq++) + (&e == &turn.events(0) ? " * " : "   ") + e.ShortDebugString().substr(0, 160);
    }
  }
  return text;
}

std::string line_of(const storage::execution_row& row) {
  return row.at.workflow_id + " of type " + row.workflow_type + ", state " + std::to_string(static_cast<int>(row.is)) + ", started " +
         std::to_string(row.at.started_us) + ", partition " + std::to_string(row.partition.value);
}

}  // namespace

/// No more faults, the right code everywhere, and everybody is looked at once more.
void simulation::calm_down() {
  if (wrong()) return;
  calm_ = true;
  disk_busy_until_ = {};
  disk_.clear_fault();
  definitions_ = all_definitions_;
  backend_.set_serves(true);
  hooks().changed_from_leaf = -1;
  run_to_rest();
  check_memory();
  for (int round = 0; round < settle_rounds && !wrong(); ++round) {
    if (!settle_open_executions()) return;
    run_to_rest();
    check_memory();
  }
  for (const auto& [id, journal] : store_.journals()) {
    if (wrong() || journal.ended) continue;
    record_.finding("does not end: " + name_of(id, journal) + text_of(journal));
  }
}

void simulation::run_to_rest() {
  for (std::uint64_t n = 0; n < rest_limit; ++n) {
    if (wrong()) return;
    if (!act() && !run_scheduler()) return;
  }
  record_.finding("does not come to rest");
}

/// Waiting is free: once nothing more happens by itself, every execution that waits is on the disk only.
void simulation::check_memory() {
  if (wrong()) return;
  const std::size_t live = node_->statistics().live_instances;
  if (live != 0) record_.finding(std::to_string(live) + " executions wait in memory");
}

/// Gives each execution that is open what it waits for. Returns whether any is.
bool simulation::settle_open_executions() {
  std::vector<request> wanted;
  for (const auto& [id, journal] : store_.journals()) {
    if (journal.ended) continue;
    const prediction p = predict(journal.workflow_id, id.run, journal.turns);
    if (!p.mismatch.empty()) {
      record_.finding(name_of(id, journal) + ": " + p.mismatch + text_of(journal));
      return true;
    }
    wanted.push_back({request::kind::taint, journal.workflow_id, {}, {}});
    for (const std::string& signal : p.awaited_signals) {
      wanted.push_back({request::kind::signal, journal.workflow_id, signal, "\"late" + std::to_string(next_text_++) + "\""});
    }
  }
  // Executions whose start is parked have no journal yet.
  for (std::uint16_t partition = 0; partition < partitions_; ++partition) {
    const auto rows = storage::list_instances(store_.durable_rows(), partition_id(partition), "", 10'000);
    if (!rows) return record_.finding(rows.error().message), true;
    for (const storage::listed_instance& each : *rows) {
      if (each.header.status() == messages::RUNNING && store_.journal(partition, each.header.run_number()) == nullptr) {
        wanted.push_back({request::kind::taint, each.workflow_id, {}, {}});
      }
    }
  }
  for (const request& r : wanted) clients_->send(*queue_, r);
  return !wanted.empty();
}

/// After each restart: what is durable is what the programs would have done.
void simulation::check_journals() {
  check_index();
  for (const auto& [id, journal] : store_.journals()) {
    if (std::exchange(turns_checked_[id], journal.turns.size()) == journal.turns.size()) continue;
    const prediction p = predict(journal.workflow_id, id.run, journal.turns);
    if (!p.mismatch.empty()) record_.finding(name_of(id, journal) + ": " + p.mismatch + text_of(journal));
  }
}

/// Lists tell of each execution what its header says.
void simulation::check_index() {
  std::multiset<std::string> wanted, listed;
  for (auto rows = store_.durable_rows().scan(storage::family::instances, "", ""); rows->valid(); rows->next()) {
    const auto row = storage::parse_row(storage::family::instances, rows->key(), rows->value());
    const auto* header = row ? &std::get<storage::header_row>(*row) : nullptr;
    if (header == nullptr) return record_.finding("an unreadable header");
    if (workflow::locks::is_reserved(header->workflow_id)) continue;
    wanted.insert(line_of(storage::execution_row_of(header->partition, header->workflow_id, header->header)));
  }
  for (auto rows = store_.durable_rows().scan(storage::family::executions, "", ""); rows->valid(); rows->next()) {
    const auto row = storage::parse_row(storage::family::executions, rows->key(), rows->value());
    if (!row) return record_.finding("an unreadable row in the index of executions: " + row.error().message);
    listed.insert(line_of(std::get<storage::execution_row>(*row)));
  }
  for (const std::string& each : wanted) {
    if (!listed.contains(each)) record_.finding("is not in the index of executions: " + each);
  }
  for (const std::string& each : listed) {
    if (!wanted.contains(each)) record_.finding("is in the index of executions, and no header says so: " + each);
  }
  record_.count("the index of executions agreed with the headers");
}

void simulation::check_everything() {
  if (wrong()) return;
  hooks().boot = 0;
  store_.consumed().check_the_rest();
  clients_->check_all_answered();
  clients_->check_acknowledged();
  store_.check_contents();
  check_executions();
  check_index();
  published_.check();
  check_left_over_rows();
}

void simulation::check_executions() {
  for (const auto& [id, journal] : store_.journals()) {
    const prediction p = predict(journal.workflow_id, id.run, journal.turns);
    if (!p.mismatch.empty()) record_.finding(name_of(id, journal) + ": " + p.mismatch + text_of(journal));
    if (p.is == prediction::fate::open) record_.finding("is open for the model: " + name_of(id, journal) + text_of(journal));
    constexpr const char* fates[] = {"open", "completed", "failed", "canceled", "continued", "terminated",
                                     "timed out"};
    record_.count(std::string("execution ") + fates[static_cast<int>(p.is)]);
    check_attempts(id, journal);
    check_children(id, journal);
    check_replay(id, journal);
    check_continuation(id, journal);
  }
}

/// Every end of an activity was reported by an attempt that had been dispatched with the id that the journal names.
void simulation::check_attempts(const run_id& id, const durable_journal& journal) {
  const auto check = [&](std::uint64_t scheduled, const messages::Attempt& attempt, const std::string& how, bool lost) {
    const tasks::dispatch_id dispatch{id.partition, id.run, scheduled, attempt.number(), attempt.dispatch_boot()};
    if (lost || backend_.has_reported(dispatch, how)) return;
    record_.finding(name_of(id, journal) + ": no attempt " + tasks::to_string(dispatch) + " reported \"" + how + "\"");
  };
  for (const messages::TurnRecord& turn : journal.turns) {
    const messages::Event& e = turn.events(0);
    if (e.has_activity_task_completed()) {
      const auto& c = e.activity_task_completed();
      check(c.scheduled_seq(), c.attempt(), "completed " + c.result().data(), false);
    } else if (e.has_activity_task_failed()) {
      const auto& f = e.activity_task_failed();
      const bool lost = f.failure().kind() == messages::Failure::LOST;
      if (lost) record_.count("activity lost for good");
      const bool missing = f.failure().kind() == messages::Failure::NOT_REGISTERED;
      check(f.scheduled_seq(), f.attempt(), "failed " + f.failure().message(), lost || missing);
    } else if (e.has_activity_task_timed_out()) {
      const auto& t = e.activity_task_timed_out();
      const bool over_all = t.failure().kind() == messages::Failure::SCHEDULE_TO_CLOSE;
      if (over_all) check_deadline(id, journal, t.scheduled_seq(), turn.time_us());
      const tasks::dispatch_id attempt{id.partition, id.run, t.scheduled_seq(), t.attempt().number(),
                                       t.attempt().dispatch_boot()};
      const bool elsewhere = backend_.has_reported(attempt, "completes later");  // the partition watches its limits
      check(t.scheduled_seq(), t.attempt(), "timed out", over_all || elsewhere);
    } else if (e.has_activity_task_canceled()) {
      check(e.activity_task_canceled().scheduled_seq(), e.activity_task_canceled().attempt(), "canceled", false);
    }
  }
}

void simulation::check_deadline(const run_id& id, const durable_journal& journal, std::uint64_t scheduled,
                                std::int64_t at_us) {
  record_.count("schedule-to-close exceeded");
  std::uint64_t last = 0;
  for (const messages::TurnRecord& turn : journal.turns) {
    last += static_cast<std::uint64_t>(turn.events_size());
    if (last < scheduled) continue;
    const std::int64_t limit = journal.event(scheduled)->activity_task_scheduled().options().schedule_to_close_us();
    if (limit == 0 || at_us < turn.time_us() + limit) {
      record_.finding(name_of(id, journal) + ": activity " + std::to_string(scheduled) + " timed out before its time");
    }
    return;
  }
}

/// Each child belongs to one initiated event, and its parent was told the end that it had.
void simulation::check_children(const run_id& id, const durable_journal& journal) {
  const auto& started = journal.turns.front().events(0).workflow_execution_started();
  if (!started.has_parent()) return;
  record_.count("child");
  const auto partition = actors::partition_of(started.parent().workflow_id(), partitions_).value;
  const durable_journal* parent = store_.journal(partition, started.parent().run_number());
  const messages::Event* initiated =
      parent != nullptr ? parent->event(started.parent().initiated_seq()) : nullptr;
  if (initiated == nullptr || !initiated->has_start_child_workflow_execution_initiated()) {
    return record_.finding(name_of(id, journal) + " has no parent that asked for it");
  }
  for (const messages::TurnRecord& turn : parent->turns) {
    const messages::Event& told = turn.events(0);
    if (told.start_child_workflow_execution_failed().initiated_seq() == started.parent().initiated_seq()) {
      record_.finding(name_of(id, journal) + ": its parent was told that it could not start");
    }
  }
  if (journal.last_event().has_workflow_execution_continued_as_new()) return;
  check_parent_close(id, journal, *parent, initiated->start_child_workflow_execution_initiated());
  const std::string result = journal.last_event().workflow_execution_completed().result().data();
  for (const messages::TurnRecord& turn : parent->turns) {
    const auto& told = turn.events(0).child_workflow_execution_completed();
    if (told.initiated_seq() != started.parent().initiated_seq()) continue;
    if (told.result().data() != result || told.run_id() != started.run_id()) {
      record_.finding(name_of(id, journal) + ": its parent was told another result");
    }
  }
}

/// Only the end of its parent ends a child in its parent's name, and only where the child's start said so.
void simulation::check_parent_close(const run_id& id, const durable_journal& journal, const durable_journal& parent,
                                    const messages::StartChildWorkflowExecutionInitiated& initiated) {
  const std::string& reason = journal.last_event().workflow_execution_terminated().reason();
  if (reason != "the parent execution \"" + parent.workflow_id + "\" has ended") return;
  record_.count("child terminated with its parent");
  if (initiated.parent_close_policy() != messages::StartChildWorkflowExecutionInitiated::TERMINATE) {
    record_.finding(name_of(id, journal) + " was terminated against its policy");
  }
  if (!parent.ended || parent.last_event().has_workflow_execution_continued_as_new()) {
    record_.finding(name_of(id, journal) + " was terminated for a parent that has not ended");
  }
}

/// What is in memory is what a replay makes of the journal, and the code asks for the same things again.
void simulation::check_replay(const run_id& id, const durable_journal& journal) {
  workflow::decider fresh(*all_definitions_.find_workflow(workflow_type), run_number(id.run));
  for (const messages::TurnRecord& turn : journal.turns) {
    const messages::Event& end = turn.events(turn.events_size() - 1);
    if (end.has_workflow_execution_terminated() || end.has_workflow_execution_timed_out()) return;  // from outside
    if (const auto difference = fresh.replay(turn)) {
      return record_.finding(name_of(id, journal) + " does not replay: event " + std::to_string(difference->at.value) +
                             ": " + difference->message);
    }
  }
  if (fresh.argument_mismatches() > 0) record_.finding(name_of(id, journal) + " replays with other arguments");
  if (fresh.closed() != journal.ended) record_.finding(name_of(id, journal) + " replays to another end");
}

/// The next run has what the one before had not read.
void simulation::check_continuation(const run_id& id, const durable_journal& journal) {
  if (!journal.last_event().has_workflow_execution_continued_as_new()) return;
  const auto& end = journal.last_event().workflow_execution_continued_as_new();
  const durable_journal* next = store_.journal(id.partition, end.new_run_number());
  if (next == nullptr) return record_.finding("no run follows " + name_of(id, journal));
  const auto& started = next->turns.front().events(0).workflow_execution_started();
  const prediction p = predict(journal.workflow_id, id.run, journal.turns);
  std::vector<std::string> carried, unread;
  for (const auto& signal : started.carried_signals()) carried.push_back(signal.input().data());
  for (const auto& signal : p.unread) unread.push_back(signal.input().data());
  if (carried != unread) record_.finding(name_of(id, journal) + " carried other signals on than it had not read");
  if (!carried.empty()) record_.count("signals carried on");
  if (started.cancel_requested() != p.cancel_requested) record_.finding(name_of(id, journal) + " lost its cancel request");
  if (started.run_id() != end.new_run_id() || started.continued_from_run_number() != id.run ||
      started.input().data() != end.input().data()) {
    record_.finding(name_of(id, journal) + " is not the run that the next one continues");
  }
}

/// When everything has ended nothing is left of it but journals and headers.
void simulation::check_left_over_rows() {
  constexpr std::pair<storage::family, const char*> passing[] = {{storage::family::open_work, "open work"},
                                                                  {storage::family::timers, "timers"},
                                                                  {storage::family::outbox, "the outbox"},
                                                                  {storage::family::inbox, "the inbox"},
                                                                  {storage::family::published, "what is to be published"}};
  for (const auto& [family, name] : passing) {
    if (family == storage::family::outbox) continue;  // an acknowledgement goes with the next commit
    const auto rows = store_.durable_rows().scan(family, "", "");
    if (rows->valid()) record_.finding(std::string("a row is left in ") + name);
  }
  for (std::uint16_t partition = 0; partition < partitions_; ++partition) {
    const auto listed = storage::list_instances(store_.durable_rows(), partition_id(partition), "", 10'000);
    for (const storage::listed_instance& each : *listed) {
      const durable_journal* journal = store_.journal(partition, each.header.run_number());
      if (each.header.status() == messages::RUNNING || journal == nullptr || !journal->ended) {
        record_.finding("the header of " + each.workflow_id + " does not fit its journal");
      }
    }
  }
}

}  // namespace evermill::simulation
