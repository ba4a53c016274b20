// The life of runs in memory: found, loaded by replay, blocked, passivated, forgotten.
#include <algorithm>
#include <utility>

#include "actors/partition.hpp"
#include "base/check.hpp"
#include "base/namespaces.hpp"
#include "base/planted.hpp"
#include "deciders/decider_hub.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::actors {
namespace {
constexpr std::size_t replay_chunk_turns = 256;
}

/// The current run of a workflow id, from memory or from its header; null when there is none.
run* partition::load_header(const std::string& workflow_id) {
  if (const auto it = current_.find(workflow_id); it != current_.end()) return it->second;
  auto header = storage::find_header(store_, options_.id, workflow_id);
  if (!header) {
    corrupt(header.error());
    return nullptr;
  }
  if (!*header) return nullptr;
  if (recovery_ && (*header)->status() == messages::RUNNING) {
    run* const recovered = recover_named(run_number((*header)->run_number()));
    if (recovered != nullptr || failed_) return recovered;
  }
  run& r = create_stored_run(workflow_id, std::move(**header));
  r.row_has_inbox = r.has_inbox;
  return &r;
}

/// A run that is in memory because something of it is open; null when there is none.
run* partition::find_run(run_number number) {
  if (const auto it = runs_.find(number); it != runs_.end()) return it->second.get();
  return recovery_ ? recover_named(number) : nullptr;
}

run& partition::create_run(std::string workflow_id, messages::InstanceHeader header) {
  auto owned = std::make_unique<run>();
  run& r = *owned;
  r.workflow_id = std::move(workflow_id);
  r.number = run_number(header.run_number());
  r.header = std::move(header);
  r.has_open_work_row = open_runs_.contains(r.number);  // it may have been here before
  if (r.header.status() != messages::RUNNING) r.is = run::state::closed;
  if (r.header.blocked().reason() != messages::Blocked::NONE) {
    r.is = run::state::blocked;
    r.has_inbox = true;
  }
  const bool added = runs_.try_emplace(r.number, std::move(owned)).second;
  EVERMILL_CHECK(added, "a run is in memory once");
  current_[r.workflow_id] = &r;
  return r;
}

run& partition::create_stored_run(std::string workflow_id, messages::InstanceHeader header) {
  run& r = create_run(std::move(workflow_id), std::move(header));
  r.listed = storage::listed_state_of(r.header);
  r.remember_trace(r.header.traceparent(), r.header.tracestate());
  return r;
}

/// With its place in the index of executions, which changes with what it says.
void partition::put_header(run& r) {
  storage::put_header(gathering_.batch, options_.id, r.workflow_id, r.header);
  if (workflow::locks::is_reserved(r.workflow_id)) return;  // evermill's own are in no list
  const auto before = std::exchange(r.listed, storage::listed_state_of(r.header));
  if (before == r.listed) return;
  storage::execution_row row = storage::execution_row_of(options_.id, r.workflow_id, r.header);
  if (const auto replaced = std::exchange(r.replaces, nullptr)) {
    if (*replaced == row) return;
    storage::erase_execution(gathering_.batch, *replaced);
  }
  storage::put_execution(gathering_.batch, row);
  if (before == storage::listed_state::none) return;
  row.is = before;
  storage::erase_execution(gathering_.batch, row);
}

/// Removes a run that memory has no reason to hold: nothing in flight, nothing undurable, nothing open.
void partition::forget(run& r) {
  const bool quiet = r.turns_not_durable == 0 && r.in_flight.empty() && r.waiting.empty() && r.open.activities.empty() &&
                     r.next_work.decisions.empty() && r.held.empty() && r.asked.empty() && r.waiting_queries.empty() &&
                     !r.overdue;
  if (!quiet || (r.is != run::state::absent && r.is != run::state::closed && r.is != run::state::blocked)) return;
  take_down(r);
  if (const auto it = current_.find(r.workflow_id); it != current_.end() && it->second == &r) current_.erase(it);
  runs_.erase(r.number);
}

void partition::deliver(run& r, messages::Event&& event, const origin& from) {
  switch (r.is) {
    case run::state::live: return give(r, std::move(event), from);
    case run::state::loading: r.waiting.emplace_back(std::move(event), from); return;
    case run::state::absent:
      r.waiting.emplace_back(std::move(event), from);
      return load(r);
    case run::state::blocked: return park(r, std::move(event), from);
    case run::state::closed: return refuse(from, r.workflow_id, answer::outcome::closed, "the execution has ended");
  }
}

void partition::give(run& r, messages::Event&& event, const origin& from) {
  r.time = planted(bug::follow_clock_back) ? ports_.now() : std::max(r.time, ports_.now());
  // What has come in time is not journaled before its time: the wall clock may have been set back since.
  if (event.has_timer_fired()) {
    const auto timer = r.open.timers.find(event_seq(event.timer_fired().started_seq()));
    if (timer != r.open.timers.end()) r.time = std::max(r.time, timer->second);
  }
  if (event.activity_task_timed_out().failure().kind() == messages::Failure::SCHEDULE_TO_CLOSE) {
    const auto activity = r.open.activities.find(event_seq(event.activity_task_timed_out().scheduled_seq()));
    if (activity != r.open.activities.end()) r.time = std::max(r.time, activity->second.close_by);
  }
  r.in_flight.push_back(from);
  if (r.next_work.decisions.empty() && r.next_work.queries.empty()) runs_with_work_.push_back(&r);
  r.next_work.decisions.push_back({std::move(event), r.time});
  touch(r);
}

void partition::send_work() {
  for (run* const r : runs_with_work_) {
    if (!r->next_work.decisions.empty() || !r->next_work.queries.empty()) give_work(*r, std::exchange(r->next_work, {}));
  }
  runs_with_work_.clear();
}

void partition::give_work(run& r, instance_work&& work) {
  auto given = std::make_shared<instance_work>(std::move(work));
  given->number = ++r.works_given;
  if (!given->decisions.empty() || !given->queries.empty()) r.given.push_back(given);
  ports_.give_work(r.number, std::move(given));
}

void partition::bring_up(run& r, const workflow_definition& definition) {
  r.generation = next_generation_++;
  r.works_given = r.works_reported = 0;
  r.given.clear();
  ports_.start_instance(r.number, r.generation, definition);
  r.instance_up = true;
  counts_.live_instances.add(1);
}

void partition::take_down(run& r) {
  if (!r.instance_up) return;
  r.instance_up = false;
  r.generation = next_generation_++;
  ports_.stop_instance(r.number);
  counts_.live_instances.add(-1);
  if (r.idle_place) idle_order_.erase(*r.idle_place);
  r.idle_place.reset();
}

const workflow_definition* partition::definition_of(const run& r) {
  return find_code(r.workflow_id, r.header.workflow_type(), r.header.version());
}

const workflow_definition* partition::find_code(const std::string& workflow_id, const std::string& type, const std::string& version) {
  return ports_.find_workflow(namespaces::name_of(workflow_id), type, version);
}

void partition::block_unserved(run& r) {
  const std::string name = "workflow named \"" + r.header.workflow_type() + "\"";
  const workflow_definition* const any = find_code(r.workflow_id, r.header.workflow_type(), "");
  if (ports_.takes_deciders() && (any == nullptr || deciders::is_remote(*any))) {
    return block(r, messages::Blocked::UNSERVED, {}, deciders::unserved_text(r.header.workflow_type(), r.header.version()));
  }
  const bool other_version = any != nullptr;
  block(r, messages::Blocked::UNSERVED, {},
        other_version ? "version \"" + r.header.version() + "\" of the " + name + " is not registered in this process"
                      : "no " + name + " is registered in this process");
}

void partition::load(run& r) {
  if (r.turns_not_durable > 0 && !planted(bug::passivate_dirty)) {  // its journal and what is parked are read from the store
    r.load_when_durable = true;
    return;
  }
  const workflow_definition* definition = definition_of(r);
  if (definition == nullptr) return block_unserved(r);
  r.is = run::state::loading;
  bring_up(r, *definition);
  r.replay = std::make_unique<storage::journal_reader>(store_, options_.id, r.number);
  r.replayed = {};
  r.replaying = 0;
  if (!r.state_known) r.last = event_seq(0);
  send_replay_chunk(r);
  if (r.replay && !failed_) send_replay_chunk(r);  // one is read while the other is replayed
}

void partition::send_replay_chunk(run& r) {
  instance_work work;
  storage::stored_turn turn;
  while (work.replay.size() < replay_chunk_turns) {
    auto more = r.replay->next(turn);
    if (!more) return corrupt(more.error());
    if (!*more) {
      work.replay_ends = true;
      r.replay.reset();
      break;
    }
    if (!r.state_known) r.read(turn, r.replayed);
    work.replay.push_back(std::move(turn.record));
  }
  ++r.replaying;
  give_work(r, std::move(work));
}

void partition::on_replayed(run& r, instance_report&& report) {
  if (report.difference) {
    r.replay.reset();
    take_down(r);
    return block(r, messages::Blocked::STUCK, report.difference->at, report.difference->message);
  }
  --r.replaying;
  if (r.replay) send_replay_chunk(r);
  if (r.replaying > 0 || failed_) return;
  if (!r.state_known) {
    r.replayed.take_attempts(r.open);
    r.open = std::move(r.replayed);
    r.state_known = true;
  }
  r.replayed = {};
  r.is = run::state::live;
  touch(r);
  if (r.header.blocked().reason() != messages::Blocked::NONE) unblock(r);
  for (workflow::step_run& step : report.unfinished_steps) {
    if (draining_) break;
    gathering_.out.steps.push_back({r.workflow_id, r.number, std::move(step)});
    ports_.request_flush();
  }
  deliver_parked(r);
  for (auto& [event, from] : std::exchange(r.waiting, {})) give(r, std::move(event), from);
  for (instance_query& query : std::exchange(r.waiting_queries, {})) ask(r, std::move(query));
  release_held(r);
}

void partition::block(run& r, messages::Blocked::Reason reason, event_seq at, std::string message) {
  const bool known = r.header.blocked().reason() == reason && r.header.blocked().message() == message;
  r.is = run::state::blocked;
  if (!known) {
    log_.warn(about(r), "the execution takes no turns: {}", message);
    r.header.mutable_blocked()->set_reason(reason);
    r.header.mutable_blocked()->set_event_seq(at.value);
    r.header.mutable_blocked()->set_message(std::move(message));
    put_header(r);
    ++r.turns_not_durable;
    gathering_.turns_of.push_back(&r);
    ports_.request_flush();
  }
  r.has_inbox = true;
  update_open_work(r);
  for (auto& [event, from] : std::exchange(r.waiting, {})) park(r, std::move(event), from);
  refuse_queries(r, answer::outcome::blocked, r.header.blocked().message());
  release_held(r);
}

void partition::unblock(run& r) {
  log_.info(about(r), "the execution goes on");
  r.header.clear_blocked();
  put_header(r);
  ++r.turns_not_durable;
  gathering_.turns_of.push_back(&r);
  ports_.request_flush();
}

std::string partition::why_no_turns(const run& r) {
  const bool is_blocked = r.header.blocked().reason() != messages::Blocked::NONE;
  return "the execution \"" + r.workflow_id + "\" takes no turns: " +
         (is_blocked ? r.header.blocked().message() : std::string("the worker that had it is gone, and it moves to another one; try again"));
}

void partition::park(run& r, messages::Event&& event, const origin& from) {
  if (from.parked_index) return;  // it is in the inbox already
  if (event.has_workflow_execution_update_accepted()) {  // nobody can say whether it is accepted
    return refuse(from, r.workflow_id, answer::outcome::blocked, why_no_turns(r));
  }
  if (r.next_parked == 0) {
    auto rows = storage::scan_parked(store_, options_.id, r.number);
    if (!rows) return corrupt(rows.error());
    r.next_parked = rows->empty() ? 1 : rows->back().first + 1;
  }
  messages::DecisionEvent parked;
  parked.set_workflow_id(r.workflow_id);
  parked.set_run_number(r.number.value);
  *parked.mutable_event() = std::move(event);
  if (!planted(bug::park_in_memory)) {
    storage::put_parked(gathering_.batch, options_.id, r.number, r.next_parked++, parked);
  }
  r.has_inbox = true;
  ++r.turns_not_durable;
  gathering_.turns_of.push_back(&r);
  accept(r, from);
  handled(from);
  ports_.request_flush();
}

void partition::deliver_parked(run& r) {
  if (!r.has_inbox) return;
  auto rows = storage::scan_parked(store_, options_.id, r.number);
  if (!rows) return corrupt(rows.error());
  if (planted(bug::forget_parked_event) && rows->size() > 1) rows->pop_back();
  r.next_parked = 0;
  r.parked_left = rows->size();
  for (auto& [index, parked] : *rows) give(r, std::move(*parked.mutable_event()), origin{.parked_index = index});
  if (rows->empty()) r.has_inbox = false;
}

void partition::unpark(run& r, const origin& from) {
  if (!from.parked_index) return;
  storage::erase_parked(gathering_.batch, options_.id, r.number, *from.parked_index);
  if (--r.parked_left > 0) return;
  r.has_inbox = false;
  update_open_work(r);
}

/// Reads the journal of a run whose code is not asked.
bool partition::restore_state(run& r) {
  storage::journal_reader reader(store_, options_.id, r.number);
  storage::stored_turn turn;
  open_commands open;
  while (true) {
    auto more = reader.next(turn);
    if (!more) {
      corrupt(more.error());
      return false;
    }
    if (!*more) break;
    r.read(turn, open);
  }
  if (r.last.value == 0 && r.has_inbox) {  // it has never run: its start is parked
    auto rows = storage::scan_parked(store_, options_.id, r.number);
    if (!rows) {
      corrupt(rows.error());
      return false;
    }
    for (const auto& [index, parked] : *rows) {
      if (!parked.event().has_workflow_execution_started()) continue;
      r.remember(parked.event().workflow_execution_started());
      open.apply(start_seq, start_seq, {}, parked.event());
    }
  }
  open.take_attempts(r.open);
  r.open = std::move(open);
  r.state_known = true;
  return note_parked_requests(r);
}

void partition::touch(run& r) {
  r.last_used = r.time;
  if (r.idle_place) {
    idle_order_.splice(idle_order_.end(), idle_order_, *r.idle_place);
  } else {
    r.idle_place = idle_order_.insert(idle_order_.end(), r.number);
    if (idle_order_.size() == 1) set_tick();
  }
}

void partition::passivate(run& r) {
  take_down(r);
  r.is = run::state::absent;
  forget(r);
}

/// Only clean instances leave, longest idle first: those idle for long, and more while there are too many.
void partition::passivate_idle() {
  const timestamp limit = ports_.now() - options_.passivate_after;
  for (auto it = idle_order_.begin(); it != idle_order_.end();) {
    run& r = *runs_.at(*it++);
    const bool crowded = idle_order_.size() > options_.max_live_instances;
    if (!crowded && r.last_used > limit) return;
    const bool durable = r.turns_not_durable == 0 || planted(bug::passivate_dirty);
    const bool clean = r.is == run::state::live && r.in_flight.empty() && durable && r.waiting.empty() && r.asked.empty() &&
                       r.open.steps.empty() && !r.has_inbox;
    if (clean) passivate(r);
  }
}

}  // namespace evermill::actors
