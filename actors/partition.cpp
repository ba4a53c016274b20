// Routing and commits. partition_runs.cpp has the life of runs in memory, partition_turns.cpp what a turn does,
// partition_attempts.cpp and partition_deadlines.cpp that of activities, partition_recovery.cpp what happens at the start.
#include "actors/partition.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/namespaces.hpp"
#include "base/planted.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::actors {
namespace {

constexpr std::size_t poll_limit = 512;

bool is_child_of(const run& r, const messages::ParentExecution& parent) {
  return r.parent && r.parent->workflow_id() == parent.workflow_id() && r.parent->run_number() == parent.run_number() &&
         r.parent->initiated_seq() == parent.initiated_seq();
}

bool is_about_human_task(const messages::Event& event) {
  return event.has_human_task_assigned() || event.has_human_task_completed();
}

bool is_request_of_a_client(const messages::Event& event) {
  return event.has_workflow_execution_signaled() || event.has_workflow_execution_cancel_requested();
}

}  // namespace

partition::partition(partition_options options, const storage::key_value_store& store,
                     std::vector<queue::decision_queue*> queues, partition_ports& ports, log log)
    : options_(options),
      store_(store),
      ports_(ports),
      log_(std::move(log)),
      draining_(options.draining),
      own_metrics_(options.metrics == nullptr ? std::make_unique<node_metrics>() : nullptr),
      of_node_(own_metrics_ ? *own_metrics_ : *options.metrics),
      counts_(of_node_.of(options.id)) {
  for (queue::decision_queue* const each : queues) sources_.push_back({each});
}

// --- routing

void partition::poll() {
  if (failed_) return;
  readable_ = false;
  for (std::uint8_t n = 0; n < sources_.size(); ++n) {
    polled_.clear();
    sources_[n].consumer->poll(polled_, poll_limit);
    if (!polled_.empty()) {
      readable_ = true;
    } else if (auto why = sources_[n].consumer->failure()) {
      return corrupt({storage::storage_errc::corrupt, std::move(*why)});
    }
    for (const queue::item& item : polled_) {
      skip_to(n, item.at);
      route(item, n);
      if (failed_) return;  // runs may be known in part only
    }
  }
  send_work();
  if (readable_) ports_.request_poll();
}

/// What lies between the last item and the next one is nothing that could be handled.
void partition::skip_to(std::uint8_t from_queue, queue::position next) {
  source& from = sources_[from_queue];
  if (next > from.polled + 1) from.handled.add(from.polled + 1, next - 1);
  from.polled = std::max(from.polled, next);
}

void partition::route(const queue::item& item, std::uint8_t from_queue) {
  position_tracker& positions = sources_[from_queue].handled;
  if (positions.contains(item.at) && !planted(bug::no_repeat_check)) {
    counts_.repeats.add();
    return;
  }
  const messages::DecisionEvent& event = *item.event;
  origin from{.position = item.at, .queue = from_queue, .reply_token = event.reply_token()};
  if (event.has_lane()) {
    from.lane_source = static_cast<std::uint16_t>(event.lane().source_partition());
    from.lane_number = event.lane().number();
    if (!admit_lane(event)) {
      positions.add(item.at);
      lanes_to_acknowledge_.insert(*from.lane_source);
      ports_.request_flush();
      return;
    }
  }
  if (!event.request_id().empty() && !admit_request(event, from)) return;
  if (planted(bug::consume_without_turn)) handled(from);
  switch (event.what_case()) {
    case messages::DecisionEvent::kEvent:
      if (event.event().has_workflow_execution_started()) return route_start(event, from);
      return route_event(event, from);
    case messages::DecisionEvent::kActivityAttemptClosed: return route_attempt_closed(event, from);
    case messages::DecisionEvent::kActivityHeartbeat: return route_heartbeat(event, from);
    case messages::DecisionEvent::kActivityCompletesLater: return route_completes_later(event, from);
    case messages::DecisionEvent::kTaint: return route_taint(event, from);
    case messages::DecisionEvent::kTerminate: return route_terminate(event, from);
    case messages::DecisionEvent::kLaneAcknowledged:
      acknowledge_lane(event.lane_acknowledged());
      return handled(from);
    case messages::DecisionEvent::WHAT_NOT_SET:
      log_.warn({options_.id, event.workflow_id(), {}}, "a decision event of an unknown kind was set aside");
      return handled(from);
  }
}

/// Lane messages are taken once and in order: a repeat or one that comes too early has no effect.
bool partition::admit_lane(const messages::DecisionEvent& event) {
  if (planted(bug::admit_lane_repeats)) return true;
  const auto source = static_cast<std::uint16_t>(event.lane().source_partition());
  const std::uint64_t number = event.lane().number();
  const position_tracker& done = lanes_in_[source];
  std::uint64_t& admitted = lanes_admitted_.try_emplace(source, done.low()).first->second;
  if (number > admitted + 1) return false;
  const bool first_time = number == admitted + 1 && !done.contains(number);
  admitted = std::max(admitted, number);
  if (!first_time) counts_.repeats.add();
  return first_time;
}

void partition::handled(const origin& from) {
  if (from.position != 0) {
    sources_[from.queue].handled.add(from.position);
    counts_.decision_events.add();
  }
  gathering_.positions_moved = true;
  if (!from.lane_source) return;
  lanes_in_[*from.lane_source].add(from.lane_number);
  lanes_to_acknowledge_.insert(*from.lane_source);
  ports_.request_flush();
}

void partition::refuse(const origin& from, const std::string& workflow_id, answer::outcome what, std::string message) {
  tell(from, answer{what, workflow_id, {}, false, std::move(message)});
  handled(from);
}

void partition::acknowledge_lane(const messages::LaneAcknowledged& acknowledged) {
  const auto destination = static_cast<std::uint16_t>(acknowledged.destination_partition());
  outbound_lane& lane = lanes_out_[destination];
  const std::uint64_t through = std::min(acknowledged.through(), lane.last);
  for (std::uint64_t number = lane.acknowledged + 1; number <= through; ++number) {
    storage::erase_outbound(gathering_.batch, options_.id, partition_id(destination), number);
  }
  note_acknowledged(std::max(lane.acknowledged, through) - lane.acknowledged);
  lane.acknowledged = std::max(lane.acknowledged, through);
  if (draining_) ports_.request_flush();  // otherwise the rows go with the next commit
}

void partition::route_start(const messages::DecisionEvent& event, const origin& from) {
  run* existing = load_header(event.workflow_id());
  if (failed_) return;
  if (existing == nullptr) return admit_start(event, from) ? start_run(event, from) : void();
  if (hold(*existing, event, from)) return;
  const bool running = existing->is != run::state::closed && existing->header.status() == messages::RUNNING;
  if (event.has_with_signal() && running && event.reuse_policy() != messages::TERMINATE_IF_RUNNING) {
    messages::Event signaled;
    *signaled.mutable_workflow_execution_signaled() = event.with_signal();
    origin found = from;
    found.existed = true;
    return deliver(*existing, std::move(signaled), found);
  }
  if (starts_anew(*existing, running, event)) {
    if (!running && !admit_start(event, from)) return forget(*existing);
    if (running && !terminate_for(*existing, event)) return;
    auto replaced = std::make_unique<const storage::execution_row>(
        storage::execution_row_of(options_.id, existing->workflow_id, existing->header));
    const run_number before = existing->number;
    forget(*existing);
    return start_run(event, from, std::move(replaced), before);
  }
  answer_start(*existing, event, from);
  forget(*existing);
}

/// Does the start replace the execution that exists, ended or not?
bool partition::starts_anew(const run& existing, bool running, const messages::DecisionEvent& event) const {
  switch (event.reuse_policy()) {
    case messages::ALLOW_DUPLICATE_FAILED_ONLY: return !running && existing.header.status() != messages::COMPLETED;
    case messages::ALLOW_DUPLICATE: return !running;
    case messages::TERMINATE_IF_RUNNING: return true;
    default: return event.has_with_signal() && !running && event.reuse_policy() == messages::USE_EXISTING;
  }
}

/// What a start is told that starts nothing.
void partition::answer_start(const run& existing, const messages::DecisionEvent& event, const origin& from) {
  const messages::WorkflowExecutionStarted& wanted = event.event().workflow_execution_started();
  if (wanted.has_parent()) {
    messages::DecisionEvent refused;
    refused.set_workflow_id(wanted.parent().workflow_id());
    refused.set_run_number(wanted.parent().run_number());
    auto& failed = *refused.mutable_event()->mutable_start_child_workflow_execution_failed();
    failed.set_initiated_seq(wanted.parent().initiated_seq());
    failed.mutable_failure()->set_kind(messages::Failure::ALREADY_EXISTS);
    failed.mutable_failure()->set_type("WorkflowExecutionAlreadyExists");
    failed.mutable_failure()->set_message("an execution with the workflow id \"" + std::string(namespaces::plain(event.workflow_id())) +
                                          "\" exists already");
    send_over_lane(wanted.parent().workflow_id(), std::move(refused));
    ports_.request_flush();
    return handled(from);
  }
  const bool same_type = existing.header.workflow_type() == wanted.workflow_type();
  const bool same = same_type && existing.header.input_hash() == input_hash(wanted.input());
  if (event.reuse_policy() == messages::USE_EXISTING && same) {
    origin found = from;
    found.existed = true;
    accept(existing, found);
    return handled(from);
  }
  std::string message = "the workflow id \"" + event.workflow_id() + "\" belongs to an execution of \"" +
                        existing.header.workflow_type() + "\"";
  if (event.reuse_policy() != messages::USE_EXISTING) {
    message += existing.header.status() == messages::RUNNING ? " that runs" : " that has ended";
    message += ", and the start's reuse policy does not allow another one; choose another id or policy";
  } else {
    message += same_type ? " with another input" : "";
    message += "; choose another id, or start it with the same definition and input to find that one";
  }
  refuse(from, event.workflow_id(), answer::outcome::already_exists, std::move(message));
}

/// False: the store failed.
bool partition::terminate_for(run& existing, const messages::DecisionEvent& event) {
  if (!existing.state_known && !restore_state(existing)) return false;
  messages::Event end;
  end.mutable_workflow_execution_terminated()->set_reason("another execution was started with the workflow id \"" +
                                                          std::string(namespaces::plain(event.workflow_id())) + "\"");
  end_now(existing, std::move(end), {});
  return !failed_;
}

void partition::route_event(const messages::DecisionEvent& event, const origin& from) {
  run* r = load_header(event.workflow_id());
  if (failed_) return;
  if (r == nullptr) {
    if (from.lane_source && workflow::locks::is_lock(event.workflow_id())) {  // its first user
      messages::Event first = event.event();
      messages::DecisionEvent start;
      start.set_workflow_id(event.workflow_id());
      *start.mutable_event() = workflow::locks::start_with(std::move(first));
      return start_run(start, from);
    }
    return refuse(from, event.workflow_id(), answer::outcome::not_found,
                  "no execution has the workflow id \"" + event.workflow_id() + "\"");
  }
  if (r->is == run::state::closed || r->header.status() != messages::RUNNING) {
    refuse(from, event.workflow_id(), answer::outcome::closed,
           "the execution \"" + event.workflow_id() + "\" has ended");
    return forget(*r);
  }
  if (event.run_number() != 0 && run_number(event.run_number()) != r->number) {
    refuse(from, event.workflow_id(), answer::outcome::closed, "that run of \"" + event.workflow_id() + "\" has ended");
    return forget(*r);
  }
  if (is_about_human_task(event.event())) {
    if (!admit_human_task(*r, event.event(), from)) return;
    origin about = from;
    about.about_human_task = true;
    return deliver(*r, messages::Event(event.event()), about);
  }
  if (event.has_parent()) {
    if (!r->state_known && !restore_state(*r)) return;
    if (!is_child_of(*r, event.parent())) {
      handled(from);
      return forget(*r);
    }
  }
  if (event.event().timer_fired().started_seq() == start_seq.value) return time_out(*r, event, from);
  deliver(*r, messages::Event(event.event()), from);
}

void partition::route_terminate(const messages::DecisionEvent& event, const origin& from) {
  run* r = load_header(event.workflow_id());
  if (failed_) return;
  if (r == nullptr) {
    return refuse(from, event.workflow_id(), answer::outcome::not_found,
                  "no execution has the workflow id \"" + event.workflow_id() + "\"");
  }
  if (r->is == run::state::closed || r->header.status() != messages::RUNNING) {
    refuse(from, event.workflow_id(), answer::outcome::closed,
           "the execution \"" + event.workflow_id() + "\" has ended");
    return forget(*r);
  }
  if (hold(*r, event, from)) return;
  if (!r->state_known && !restore_state(*r)) return;
  if (event.has_parent() && !is_child_of(*r, event.parent())) {
    handled(from);
    return forget(*r);
  }
  messages::Event end;
  end.mutable_workflow_execution_terminated()->set_reason(event.terminate().reason());
  end_now(*r, std::move(end), from);
}

/// The run's deadline, or its execution's, has come.
void partition::time_out(run& r, const messages::DecisionEvent& event, const origin& from) {
  if (hold(r, event, from)) return;
  if (!r.state_known && !restore_state(r)) return;
  const auto deadline = r.open.timers.find(start_seq);
  if (deadline == r.open.timers.end()) return handled(from);
  r.time = std::max(r.time, deadline->second);  // the wall clock may have been set back since
  messages::Event end;
  end.mutable_workflow_execution_timed_out()->set_execution(to_micros(deadline->second) == r.execution_deadline_us);
  end_now(r, std::move(end), from);
}

/// The run ends without its code being asked.
void partition::end_now(run& r, messages::Event&& end, const origin& from) {
  workflow::turn turn;
  turn.record.set_time_us(std::max(to_micros(ports_.now()), to_micros(r.time)));
  if (r.last.value == 0) {  // no code was there to start it
    std::optional<messages::Event> start = parked_start(r);
    if (failed_) return;
    *turn.record.add_events() = std::move(*start);
  }
  *turn.record.add_events() = std::move(end);
  r.generation = next_generation_++;  // a turn that the instance may still report is void
  r.replay.reset();
  r.next_work = {};
  r.given.clear();
  r.late_reports.clear();
  r.overdue = false;
  const auto void_decisions = std::exchange(r.in_flight, {});
  std::erase(runs_with_work_, &r);
  append_turn(r, std::move(turn), from);
  for (const origin& each : void_decisions) {
    if (each.parked_index) storage::erase_parked(gathering_.batch, options_.id, r.number, *each.parked_index);
    refuse(each, r.workflow_id, answer::outcome::closed, "the execution \"" + r.workflow_id + "\" has ended");
  }
  requeue_waiting(r);
}

/// The start that was parked for a run that has no journal yet. Nothing: the store failed, or lost it.
std::optional<messages::Event> partition::parked_start(const run& r) {
  auto rows = storage::scan_parked(store_, options_.id, r.number);
  if (rows && !rows->empty() && rows->front().second.event().has_workflow_execution_started()) {
    return std::move(*rows->front().second.mutable_event());
  }
  corrupt(rows ? storage::storage_error{storage::storage_errc::corrupt,
                                        "the start of \"" + r.workflow_id + "\" is in neither journal nor inbox"}
               : rows.error());
  return std::nullopt;
}

/// A run whose start has no turn yet may vanish in a crash: nobody is told of it before. And what is parked is looked
/// at in the store: who does so waits until it is there.
bool partition::hold(run& r, const messages::DecisionEvent& event, const origin& from) {
  if (planted(bug::answer_undurable_start) && event.event().has_workflow_execution_started()) return false;
  const bool starting = r.last.value == 0 && (r.is == run::state::live || r.is == run::state::loading);
  const bool ends = event.has_terminate() || event.event().has_timer_fired() ||
                    event.reuse_policy() == messages::TERMINATE_IF_RUNNING;
  const bool parking = ends && r.is == run::state::blocked && r.turns_not_durable > 0;
  if (starting || parking) r.held.emplace_back(event, from);
  return starting || parking;
}

/// The run may be gone afterwards.
void partition::release_held(run& r) {
  for (auto& [event, from] : std::exchange(r.held, {})) {
    if (event.has_terminate()) {
      route_terminate(event, from);
    } else if (event.has_taint()) {
      route_taint(event, from);
    } else if (event.event().has_timer_fired()) {
      route_event(event, from);
    } else {
      route_start(event, from);
    }
  }
}

void partition::route_taint(const messages::DecisionEvent& event, const origin& from) {
  run* r = load_header(event.workflow_id());
  if (failed_) return;
  if (r == nullptr) {
    return refuse(from, event.workflow_id(), answer::outcome::not_found,
                  "no execution has the workflow id \"" + event.workflow_id() + "\"");
  }
  if (hold(*r, event, from)) return;
  tell(from, answer{answer::outcome::accepted, event.workflow_id(), r->header.run_id(), true, {}});
  handled(from);
  if (r->header.status() != messages::RUNNING || r->is == run::state::closed) return forget(*r);
  if (r->overdue) give_up(*r);
  if (r->is == run::state::absent || r->is == run::state::blocked) load(*r);
}

// --- reports and commits

void partition::on_report(instance_report&& report) {
  const auto it = runs_.find(report.run);
  if (failed_ || it == runs_.end() || it->second->generation != report.generation) return;
  run& r = *it->second;
  if (r.overdue) {
    r.late_reports.push_back(std::move(report));
    if (r.turns_not_durable == 0) come_back(r);
  } else {
    handle_report(r, std::move(report));
  }
  send_work();
}

void partition::handle_report(run& r, instance_report&& report) {
  ++r.works_reported;
  if (report.replayed) return on_replayed(r, std::move(report));
  const std::shared_ptr<instance_work> work = std::move(r.given.front());  // nobody else reads it any more
  r.given.pop_front();
  auto unhandled = report.unhandled.begin();
  std::size_t place = 0;
  for (std::optional<workflow::turn>& turn : report.turns) {
    const std::size_t at = place++;
    const origin from = r.in_flight.front();
    r.in_flight.pop_front();
    if (r.is == run::state::closed) {
      EVERMILL_CHECK(unhandled != report.unhandled.end(), "an ended run returns every later decision");
      r.waiting.emplace_back(std::move(*unhandled++), from);
    } else if (turn) {
      turn->record.mutable_events(0)->Swap(&work->decisions[at].event);
      append_turn(r, std::move(*turn), from);
    } else if (const auto refusal = report.refusals.find(at); refusal != report.refusals.end()) {
      refuse_update(r, std::move(refusal->second), from);
    } else {
      if (from.about_human_task) {
        refuse(from, r.workflow_id, answer::outcome::closed, "the human task is not open any more: it was withdrawn");
      } else {
        tell(from, answer{answer::outcome::accepted, r.workflow_id, {}, false, {}});
      }
      unpark(r, from);
      handled(from);
    }
  }
  if (report.difference) return set_aside(r, work, report);
  answer_queries(r, report);
  if (r.is == run::state::closed) requeue_waiting(r);
  if (!r.held.empty()) {
    release_held(r);
  } else if (r.is == run::state::closed) {
    forget(r);
  }
}

/// What came for a run that has ended belongs to the run that continues it, or to nobody.
void partition::requeue_waiting(run& ended) {
  const auto it = current_.find(ended.workflow_id);
  run* next = it != current_.end() && it->second != &ended ? it->second : nullptr;
  for (auto& [event, from] : std::exchange(ended.waiting, {})) {
    if (from.parked_index) storage::erase_parked(gathering_.batch, options_.id, ended.number, *from.parked_index);
    if (next != nullptr && is_request_of_a_client(event)) {
      move_to(*next, std::move(event), from);
    } else {
      refuse(from, ended.workflow_id, answer::outcome::closed,
             "the execution \"" + ended.workflow_id + "\" has ended");
    }
  }
}

/// What was parked has been acknowledged: it is parked for the next run by the commit that starts it.
void partition::move_to(run& next, messages::Event&& event, const origin& from) {
  origin moved = from;
  moved.parked_index.reset();
  if (from.parked_index && next.is == run::state::live) {
    messages::DecisionEvent parked;
    parked.set_workflow_id(next.workflow_id);
    parked.set_run_number(next.number.value);
    *parked.mutable_event() = event;
    moved.parked_index = next.next_parked++;
    ++next.parked_left;
    storage::put_parked(gathering_.batch, options_.id, next.number, *moved.parked_index, parked);
  }
  deliver(next, std::move(event), moved);
}

void partition::flush() {
  flush_requested_ = false;
  if (failed_ || write_in_flight_) return;
  if (gathering_.batch.empty() && lanes_to_acknowledge_.empty() && !must_commit_published()) {
    if (!gathering_.out.empty()) release(std::exchange(gathering_.out, {}));
    return;
  }
  for (const std::uint16_t source : lanes_to_acknowledge_) {
    auto event = std::make_shared<messages::DecisionEvent>();
    event->mutable_lane_acknowledged()->set_destination_partition(options_.id.value);
    event->mutable_lane_acknowledged()->set_through(lanes_in_[source].low());
    if (planted(bug::acknowledge_unhandled_lane)) {
      event->mutable_lane_acknowledged()->set_through(lanes_admitted_[source]);
    }
    gathering_.out.outbound.emplace_back(partition_id(source), std::move(event));
  }
  lanes_to_acknowledge_.clear();
  last_commit_ = last_commit_.next();
  if (outgoing_.on) put_published();
  put_partition_state();
  for (const source& each : sources_) gathering_.low_waters.push_back(each.handled.low());
  writing_ = std::exchange(gathering_, {});
  write_in_flight_ = true;
  if (planted(bug::release_before_commit)) release(std::exchange(writing_.out, {}));
  if (planted(bug::answer_before_durable)) {
    effects early;
    early.answers.swap(writing_.out.answers);
    release(std::move(early));
  }
  for (const storage::timer_row& timer : writing_.timers) {
    if (planted(bug::arm_undurable_timer)) arm(timer);
  }
  note_submitted();
  ports_.submit(std::move(writing_.batch));
}

void partition::on_committed() {
  EVERMILL_CHECK(write_in_flight_, "a commit is reported once");
  write_in_flight_ = false;
  note_committed();
  commit done = std::exchange(writing_, {});
  for (std::size_t n = 0; n < done.low_waters.size(); ++n) {
    if (sources_[n].consumer) sources_[n].consumer->acknowledge(done.low_waters[n]);
  }
  if (draining_ && !planted(bug::release_after_drain)) hold_back(done);
  for (const storage::timer_row& timer : done.timers) arm(timer);
  for (const activity_key& key : done.activities) on_activity_durable(key);
  release(std::move(done.out));
  for (const storage::request_name& each : done.requests) requests_.erase(each);
  for (run* const r : done.turns_of) {
    if (--r->turns_not_durable > 0) continue;
    if (r->is == run::state::closed) {
      forget(*r);
    } else if (std::exchange(r->load_when_durable, false)) {
      load(*r);
    } else if (!r->late_reports.empty()) {
      come_back(*r);
    } else if (!r->held.empty()) {
      release_held(*r);
    }
  }
  send_work();  // what a held request led to
  if (idle_order_.size() > options_.max_live_instances) passivate_idle();
  if (!done.timers.empty() || !done.activities.empty() || done.deleted) set_tick();
  flush();
}

void partition::release(effects&& what) {
  // They are open in the journal and run at the next boot.
  if (draining_ && !planted(bug::release_after_drain)) what.steps.clear();
  ports_.release(std::move(what));
}

void partition::on_commit_failed(const storage::storage_error& error) { corrupt(error); }

/// The outcome of a write is unknown, or what was read is wrong: nothing that is in memory may be acted upon any more.
void partition::corrupt(const storage::storage_error& error) {
  if (failed_) return;
  failed_ = true;
  log_.error({options_.id, {}, {}}, "the partition stops: {}", error.message);
  failure_ = error;
  ports_.on_stopped(error);
}

bool partition::idle() const {
  if (failed_) return true;
  if (readable_ || write_in_flight_ || !gathering_.batch.empty() || !gathering_.out.empty()) return false;
  if (draining_ && outgoing_.confirmed > outgoing_.watermark) return false;
  return std::all_of(runs_.begin(), runs_.end(), [](const auto& entry) {
    return entry.second->overdue || (entry.second->in_flight.empty() && entry.second->is != run::state::loading);
  });
}

}  // namespace evermill::actors
