// One journal, and all that belongs to it.
#include <algorithm>
#include <utility>

#include "actors/node.hpp"
#include "base/namespaces.hpp"
#include "engine/verifier.hpp"
#include "engine/verifier_walk.hpp"

namespace evermill::verification {
namespace {

std::string status_name(messages::ExecutionStatus status) { return messages::ExecutionStatus_Name(status); }

}  // namespace

bool verifier::has_journal(partition_id partition, run_number run) const {
  const auto there = storage::has_journal(store_, partition, run);
  return !there || *there;  // what can't be read is told elsewhere
}

bool verifier::has_parked(partition_id partition, run_number run) const {
  const auto there = storage::has_parked(store_, partition, run);
  return !there || *there;
}

void verifier::begin_run(journal_walk& walk, const storage::turn_row& first) {
  ++report_.runs;
  walk.partition = first.partition;
  walk.run = first.run;
  auto work = storage::find_open_work(store_, first.partition, first.run);
  walk.work_readable = work.has_value();
  if (work) walk.work = std::move(*work);
  const auto found = [this, &walk](event_seq at, const std::string& what) {
    const auto* started = walk.check->started() ? &*walk.check->started() : nullptr;
    problem({started != nullptr ? started->workflow_id() : "", walk.run, at, walk.row}, what, advice::restore);
  };
  walk.check = std::make_unique<journal_check>(found, event_seq(walk.work ? walk.work->work.through_seq() : 0));
}

void verifier::end_run(journal_walk& walk) {
  const journal_check& journal = *walk.check;
  place where{{}, walk.run, {}, {}};
  if (walk.run.value > state(walk.partition).last_run_number()) {
    problem(where, "run " + std::to_string(walk.run.value) + " of partition " + std::to_string(walk.partition.value) +
                       ", whose last one is " + std::to_string(state(walk.partition).last_run_number()), advice::restore);
  }
  if (const std::uint64_t last_boot = boots_[walk.partition.value]; journal.highest_boot() > last_boot) {
    problem(where, "it was dispatched by boot " + std::to_string(journal.highest_boot()) + ", but the last one was " +
                       std::to_string(last_boot), advice::restore);
  }
  if (!journal.started()) return;  // told already; nothing says whose it is
  where.workflow_id = journal.started()->workflow_id();
  if (actors::partition_of(where.workflow_id, partitions_) != walk.partition) {
    problem(where, "the journal lies in partition " + std::to_string(walk.partition.value) + ", where nobody looks for it",
            advice::restore);
  }
  const auto header = storage::find_header(store_, walk.partition, where.workflow_id);
  if (!header) return;
  if (!*header) return problem(where, "a journal without a header: nobody can find the execution", advice::restore);
  if ((*header)->run_number() == walk.run.value) return check_current(walk, **header);
  check_earlier(walk, **header);
}

void verifier::check_current(const journal_walk& walk, const messages::InstanceHeader& header) {
  const journal_check& journal = *walk.check;
  const auto& started = *journal.started();
  const place where{started.workflow_id(), walk.run, {}, {}};
  if (header.run_id() != started.run_id()) problem(where, "header and journal differ in the run id", advice::restore);
  if (header.workflow_type() != started.workflow_type()) {
    problem(where, "header and journal differ in the workflow type", advice::restore);
  }
  if (header.execution_started_us() != started.execution_started_us()) {
    problem(where, "header and journal differ in the start of the first run", advice::rebuild);
  }
  if (started.continued_from_run_number() == 0 && header.input_hash() != actors::input_hash(started.input())) {
    problem(where, "header and journal differ in the input", advice::rebuild);
  }
  const messages::ExecutionStatus status = journal.end() ? actors::status_after(*journal.end()) : messages::RUNNING;
  if (status != header.status()) {
    return problem(where, "the header says " + status_name(header.status()) + ", the journal " + status_name(status),
                   advice::restore);
  }
  if (status == messages::RUNNING) return check_open_run(walk, header);
  if (header.closing_turn_seq() != journal.closing_turn().value) {
    problem(where, "the header says that event " + std::to_string(header.closing_turn_seq()) + " begins the last turn, the journal " +
                       std::to_string(journal.closing_turn().value), advice::rebuild);
  }
}

/// A run that is not the current one has ended: by going on in another, or before its workflow id was used again.
void verifier::check_earlier(const journal_walk& walk, const messages::InstanceHeader& header) {
  const journal_check& journal = *walk.check;
  const place where{journal.started()->workflow_id(), walk.run, journal.last(), {}};
  if (!journal.end()) {
    return problem(where, "a run that has not ended, although the header names run " + std::to_string(header.run_number()),
                   advice::restore);
  }
  if (!journal.end()->has_workflow_execution_continued_as_new()) {
    if (walk.run.value > header.run_number()) {
      problem(where, "the header names run " + std::to_string(header.run_number()) + ", which is an older one", advice::restore);
    }
    return;
  }
  const run_number next(journal.end()->workflow_execution_continued_as_new().new_run_number());
  if (next.value != header.run_number() && !has_journal(walk.partition, next)) {
    problem(where, "run " + std::to_string(next.value) + ", which continues it, is missing", advice::restore);
  }
}

void verifier::check_open_run(const journal_walk& walk, const messages::InstanceHeader& header) {
  if (!walk.check->whole()) return;
  check_work_row(walk, header);
  check_children(walk);
  check_open_tasks(walk);
  check_wanted_locks(walk);
  check_lock(walk, header);
  const std::string& workflow_id = walk.check->started()->workflow_id();
  for (const auto& [seq, fire_at] : walk.check->open().timers) {
    const timestamp stored = std::max(fire_at, timestamp());
    const storage::timer_row before{stored, walk.run, event_seq(seq.value - 1), {}};
    const auto rows = storage::scan_timers(store_, walk.partition, before, 1);
    if (!rows) continue;
    const bool there = !rows->empty() && rows->front().fire_at == stored && rows->front().run == walk.run &&
                       rows->front().started == seq;
    if (there) {
      ++timers_asked_for_;
    } else {
      problem({workflow_id, walk.run, seq, {}}, "its timer's row is missing: the timer would never fire", advice::rebuild);
    }
  }
}

/// Recovery learns what is unfinished from the open-work row and the journal after it, and from nothing else.
void verifier::check_work_row(const journal_walk& walk, const messages::InstanceHeader& header) {
  const auto& open = walk.check->open();
  const place where{walk.check->started()->workflow_id(), walk.run, {}, {}};
  const bool parked = has_parked(walk.partition, walk.run);
  if (!walk.work_readable) return;
  if (!walk.work) {
    if (!open.activities.empty() || !open.steps.empty()) {
      const event_seq first = open.activities.empty() ? *open.steps.begin() : open.activities.begin()->first;
      problem({where.workflow_id, walk.run, first, {}},
              "its open-work row is missing: after a restart nothing would run what it scheduled", advice::rebuild);
    } else if (parked || header.has_blocked()) {
      problem(where, "its open-work row is missing: after a restart nothing would hand over its parked events",
              advice::rebuild);
    }
    return;
  }
  const messages::OpenWork& work = walk.work->work;
  if (parked && !work.has_inbox()) {
    problem(where, "events are parked for it, but its open-work row does not say so", advice::rebuild);
  }
  const bool from_start = work.through_seq() == 0;
  const actors::open_commands none;
  const auto& at = walk.check->open_at();
  if (!from_start && !at) {
    return problem(where, "its open-work row reaches to event " + std::to_string(work.through_seq()) + ", where no turn ends",
                   advice::rebuild);
  }
  const actors::open_commands& then = from_start ? none : *at;
  std::map<event_seq, event_seq> activities;  // to the first event of their turn
  std::set<event_seq> steps;
  for (int i = 0; i < work.activities_size() && i < work.activity_turns_size(); ++i) {
    activities.emplace(event_seq(work.activities(i)), event_seq(work.activity_turns(i)));
  }
  for (const std::uint64_t seq : work.steps()) steps.insert(event_seq(seq));
  bool same = work.activities_size() == work.activity_turns_size() && activities.size() == then.activities.size();
  for (const auto& [seq, activity] : then.activities) {
    const auto listed = activities.find(seq);
    same = same && listed != activities.end() && listed->second == activity.turn_first;
  }
  if (!same) problem(where, "its open-work row and its journal differ in the open activities", advice::rebuild);
  if (steps != then.steps) problem(where, "its open-work row and its journal differ in the open steps", advice::rebuild);
  for (const auto& [seq, activity] : walk.work->activities) {
    if (open.activities.contains(seq)) continue;
    problem({where.workflow_id, walk.run, seq, {}}, "the state of an attempt of an activity that is not open", advice::rebuild);
  }
}

void verifier::check_children(const journal_walk& walk) {
  for (const auto& [seq, child] : walk.check->open().children) {
    const std::string why = lost_child({walk.partition.value, walk.run.value, seq.value},
                                       namespaces::beside(walk.check->started()->workflow_id(), child.workflow_id));
    if (why.empty()) continue;
    problem({walk.check->started()->workflow_id(), walk.run, seq, {}}, "it waits for the child \"" + child.workflow_id + "\", " + why,
            advice::restore);
  }
}

/// Why nobody will ever tell the parent how its child ended; "" where somebody will.
std::string verifier::lost_child(const child_key& key, const std::string& child) const {
  if (starts_on_their_way_.contains(key) || ends_on_their_way_.contains(key)) return "";
  const partition_id partition = actors::partition_of(child, partitions_);
  const auto header = storage::find_header(store_, partition, child);
  if (!header) return "";
  if (!*header) return "which does not exist and which no message starts";
  const auto turn = storage::read_turn(store_, partition, run_number((*header)->run_number()), event_seq(1));
  if (!turn) return "";
  const auto& parent = turn->record.events(0).workflow_execution_started().parent();
  const bool its_own = parent.run_number() == key.run && parent.initiated_seq() == key.initiated &&
                       actors::partition_of(parent.workflow_id(), partitions_).value == key.partition;
  if (!its_own) return "which belongs to somebody else, and no message says so";
  if ((*header)->status() != messages::RUNNING) return "which has ended, and no message says so";
  return "";
}

}  // namespace evermill::verification
