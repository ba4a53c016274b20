// What is to be published, human tasks and locks: what journals ask for, what rows and other journals say.
#include <algorithm>
#include <utility>

#include "actors/node.hpp"
#include "base/namespaces.hpp"
#include "engine/locks.hpp"
#include "engine/verifier.hpp"
#include "engine/verifier_walk.hpp"
#include "evermill/exceptions.hpp"

namespace evermill::verification {
namespace {

namespace keeper = workflow::locks;

template <class List>
bool contains(const List& list, const keeper::claim& who) {
  return std::find(list.begin(), list.end(), who) != list.end();
}

}  // namespace

void verifier::check_published() {
  std::vector<std::uint64_t> expected;  // of each partition
  for (const messages::PartitionState& each : states_) expected.push_back(each.publish_watermark() + 1);
  walk(family::published, [&](storage::stored_row& any, const place& where) {
    const auto& row = std::get<storage::published_row>(any);
    if (!known_partition(row.partition, where)) return;
    std::uint64_t& next = expected[row.partition.value];
    if (row.number < next) problem(where, "turns that were published are still there", advice::restore);
    if (row.number > next) {
      problem(where, "the turns to be published with the numbers " + std::to_string(next) + " to " +
                         std::to_string(row.number - 1) + " are missing", advice::restore);
    }
    next = std::max(next, row.number + 1);
    for (const auto& turn : row.turns.turns()) check_published_turn(row, turn, where);
  });
  for (std::size_t id = 0; id < expected.size(); ++id) {
    if (expected[id] == states_[id].last_publish_number() + 1) continue;
    problem({}, "partition " + std::to_string(id) + ": its turns to be published end with number " +
                    std::to_string(expected[id] - 1) + ", not " + std::to_string(states_[id].last_publish_number()),
            advice::restore);
  }
}

void verifier::check_published_turn(const storage::published_row& row, const messages::CommittedTurns::Turn& turn,
                                    place where) {
  where.workflow_id = turn.workflow_id();
  where.run = run_number(turn.run_number());
  where.event = event_seq(turn.first_seq());
  if (actors::partition_of(turn.workflow_id(), partitions_) != row.partition) {
    return problem(where, "a turn to be published of an execution of another partition", advice::restore);
  }
  const auto stored = storage::read_turn(store_, row.partition, where.run, where.event);
  if (!stored) {
    problem(where, "a turn to be published that its journal has not: " + stored.error().message, advice::restore);
  } else if (static_cast<std::uint32_t>(stored->record.events_size()) != turn.events()) {
    problem(where, "a turn to be published has another number of events than in its journal", advice::restore);
  }
}

std::optional<actors::open_commands> verifier::open_of(partition_id partition, const std::string& workflow_id,
                                                       run_number run) const {
  const auto header = storage::find_header(store_, partition, workflow_id);
  const bool current = header && *header && (*header)->run_number() == run.value &&
                       (*header)->status() == messages::RUNNING;
  if (!current) return std::nullopt;
  actors::open_commands open;
  storage::journal_reader reader(store_, partition, run);
  storage::stored_turn turn;
  for (auto more = reader.next(turn); more && *more; more = reader.next(turn)) {
    open.apply(turn);
  }
  if (turn.record.events().empty()) {  // its start waits for its code: it may have a deadline all the same
    const auto parked = storage::scan_parked(store_, partition, run);
    if (parked && !parked->empty()) open.apply(actors::start_seq, actors::start_seq, {}, parked->front().second.event());
  }
  return open;
}

// --- human tasks

void verifier::check_open_tasks(const journal_walk& walk) {
  const std::string& workflow_id = walk.check->started()->workflow_id();
  for (const auto& [seq, task] : walk.check->open().human_tasks) {
    const auto row = storage::find_human_task(store_, walk.partition, walk.run, seq);
    if (!row) continue;  // its family's walk tells
    if (!*row) {
      problem({workflow_id, walk.run, seq, {}}, "its human task's row is missing: nobody would find the task", advice::rebuild);
      continue;
    }
    ++tasks_asked_for_;
    messages::HumanTask wanted = task.row;
    wanted.set_workflow_id(workflow_id);
    if ((*row)->SerializeAsString() != wanted.SerializeAsString()) {
      problem({workflow_id, walk.run, seq, {}}, "its human task's row and its journal differ", advice::rebuild);
    }
  }
}

void verifier::check_human_tasks() {
  std::uint64_t there = 0;
  walk(family::human_tasks, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::human_task_row>(any);
    where.workflow_id = row.task.workflow_id();
    where.run = row.run;
    where.event = row.created;
    if (known_partition(row.partition, where) && open_header(row.partition, where, "a human task")) ++there;
  });
  if (there != tasks_asked_for_) find_tasks_without_journal();
}

/// There are more rows than journals ask for: reads the journal of each.
void verifier::find_tasks_without_journal() {
  walk_again(family::human_tasks, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::human_task_row>(any);
    where.workflow_id = row.task.workflow_id();
    where.run = row.run;
    where.event = row.created;
    const auto open = open_of(row.partition, where.workflow_id, row.run);
    if (open && !open->human_tasks.contains(row.created)) {
      problem(where, "a human task that the journal does not have open", advice::rebuild);
    }
  });
}

// --- locks

/// A message between locks and their users that its receiver has not taken yet.
void verifier::note_lock_message(partition_id to, const messages::DecisionEvent& message) {
  const messages::Event& event = message.event();
  if (event.has_lock_granted()) {
    lock_grants_on_their_way_.insert({to.value, message.run_number(), event.lock_granted().requested_seq()});
  } else if (event.has_workflow_execution_signaled() && keeper::is_lock(message.workflow_id())) {
    const auto told = keeper::message_of(event);
    if (!told) return problem({message.workflow_id(), {}, {}, {}}, "a lock is told something else", advice::restore);
    const partition_id user = actors::partition_of(told->who.workflow_id, partitions_);
    auto& way = told->release ? lock_releases_on_their_way_ : lock_requests_on_their_way_;
    way.insert({user.value, told->who.run, told->who.requested});
  }
}

void verifier::check_wanted_locks(const journal_walk& walk) {
  const std::string& workflow_id = walk.check->started()->workflow_id();
  for (const auto& [seq, lock] : walk.check->open().locks) {
    const std::string why = lost_lock({walk.partition.value, walk.run.value, seq.value}, workflow_id,
                                      namespaces::beside(workflow_id, lock.id), lock.granted);
    if (why.empty()) continue;
    problem({workflow_id, walk.run, seq, {}}, (lock.granted ? "it holds \"" : "it waits for \"") + lock.id + "\", " + why,
            advice::restore);
  }
}

/// Why a run will never get the lock it waits for, or has one that is not its own; "" where all is well.
std::string verifier::lost_lock(const lock_key& key, const std::string& workflow_id, const std::string& lock_id,
                                bool granted) const {
  if (!granted && lock_requests_on_their_way_.contains(key)) return "";
  const partition_id partition = actors::partition_of(lock_id, partitions_);
  const auto header = storage::find_header(store_, partition, lock_id);
  if (!header) return "";
  if (!*header) return "which does not exist";
  try {
    const keeper::lock_state state = inspection::lock_state_of(store_, partition, **header);
    const keeper::claim who{workflow_id, key.run, key.initiated};
    if (contains(state.holders, who)) {
      return granted || lock_grants_on_their_way_.contains(key) ? "" : "which is its own, but no message says so";
    }
    if (granted) return "which does not know of it";
    return contains(state.waiters, who) ? "" : "which does not know of it, and no message asks for it";
  } catch (const engine_error&) {
    return "";  // what can't be read is told elsewhere
  }
}

/// Nobody may hold up a lock for ever: who holds it or waits for it is there, or a message gives it back.
void verifier::check_lock(const journal_walk& walk, const messages::InstanceHeader& header) {
  const std::string& lock_id = walk.check->started()->workflow_id();
  if (!keeper::is_lock(lock_id)) return;
  const auto check = [&](const keeper::claim& who) {
    const lock_key key{actors::partition_of(who.workflow_id, partitions_).value, who.run, who.requested};
    if (lock_releases_on_their_way_.contains(key) || wants_lock(who.workflow_id, key)) return;
    problem({lock_id, walk.run, {}, {}}, "\"" + who.workflow_id + "\" holds it or waits for it, but does not know of it",
            advice::restore);
  };
  try {
    const keeper::lock_state state = inspection::lock_state_of(store_, walk.partition, header);
    std::ranges::for_each(state.holders, check);
    std::ranges::for_each(state.waiters, check);
  } catch (const engine_error& error) {
    problem({lock_id, walk.run, {}, {}}, error.what(), advice::restore);
  }
}

bool verifier::wants_lock(const std::string& workflow_id, const lock_key& key) const {
  const auto open = open_of(partition_id(key.partition), workflow_id, run_number(key.run));
  return open && open->locks.contains(event_seq(key.initiated));
}

}  // namespace evermill::verification
