// How a partition goes on after a crash: from its rows of open work and the ends of those journals, not from all of them.
#include <algorithm>
#include <exception>
#include <utility>

#include "actors/partition.hpp"
#include "base/planted.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::actors {
namespace {
constexpr std::size_t lane_batch = 1000;
constexpr std::size_t headers_per_page = 1000;
constexpr std::string_view lane_prefix = "lane/";

void take_row(open_activity& activity, messages::OpenActivity&& row) {
  activity.attempt = row.attempt();
  activity.boot = row.dispatch_boot();
  activity.has_row = true;
  activity.not_before = from_micros(row.not_before_us());
  if (row.has_last_failure()) activity.last_failure = std::move(*row.mutable_last_failure());
  if (row.has_heartbeat_details()) {
    activity.heartbeat_details = std::make_shared<messages::Payload>(std::move(*row.mutable_heartbeat_details()));
  }
  if (row.asynchronous()) activity.is = open_activity::phase::asynchronous;
  activity.started = from_micros(row.started_us());
  activity.cancel_requested = activity.cancel_requested || row.cancel_requested();
  activity.lost_from = row.lost_from();
}

}  // namespace

/// What could be read of it may not be acted upon: the queue may have given it something to read already.
storage::storage_result<void> partition::recover(const std::function<void()>& on_readable) {
  note_recovering();
  auto done = [&]() -> storage::storage_result<void> {
    try {
      return recover_everything(on_readable);
    } catch (const std::exception& error) {
      return unexpected(storage::storage_error{storage::storage_errc::corrupt,
                                               "partition " + std::to_string(options_.id.value) + ": " + error.what()});
    }
  }();
  if (!done && !std::exchange(failed_, true)) failure_ = done.error();
  return done;
}

/// What recovery begins with.
void partition::put_partition_state() {
  messages::PartitionState state;
  state.set_commit_number(last_commit_.value);
  state.set_last_run_number(last_run_.value);
  run_number watermark = open_runs_.empty() ? last_run_.next() : *open_runs_.begin();
  if (recovery_) watermark = std::min(watermark, recovery_->next);
  state.set_open_work_watermark(watermark.value);
  state.set_last_publish_number(outgoing_.last);
  state.set_publish_watermark(outgoing_.watermark);
  state.set_publish_limit(outgoing_.limit);
  state.set_execution_index(storage::execution_index_version);
  outgoing_.limit_changed = false;
  const auto add = [&](std::string source, const position_tracker& tracker) {
    messages::ConsumedPositions& consumed = *state.add_consumed();
    consumed.set_source(std::move(source));
    consumed.set_low_water(tracker.low());
    for (const auto& [first, last] : tracker.ranges()) {
      consumed.add_handled_ranges(first);
      consumed.add_handled_ranges(last);
    }
  };
  for (const source& each : sources_) add(each.from->source(), each.handled);
  for (const messages::ConsumedPositions& each : other_sources_) *state.add_consumed() = each;
  for (const auto& [source, tracker] : lanes_in_) add("lane/" + std::to_string(source), tracker);
  for (const auto& [destination, lane] : lanes_out_) {
    messages::OutboundLane& out = *state.add_outbound();
    out.set_destination_partition(destination);
    out.set_last_number(lane.last);
    out.set_acknowledged(lane.acknowledged);
  }
  storage::put_partition_state(gathering_.batch, options_.id, state);
}

storage::storage_result<void> partition::recover_everything(const std::function<void()>& on_readable) {
  auto state = storage::load_partition_state(store_, options_.id);
  if (!state) return unexpected(state.error());
  last_commit_ = commit_number(state->commit_number());
  last_run_ = run_number(state->last_run_number());
  for (const messages::OutboundLane& lane : state->outbound()) {
    lanes_out_[static_cast<std::uint16_t>(lane.destination_partition())] = {
        .last = lane.last_number(), .acknowledged = lane.acknowledged()};
    counts_.unacknowledged.add(static_cast<std::int64_t>(lane.last_number() - lane.acknowledged()));
  }
  for (const messages::ConsumedPositions& consumed : state->consumed()) {
    position_tracker tracker(consumed.low_water(), {consumed.handled_ranges().begin(), consumed.handled_ranges().end()});
    if (consumed.source().starts_with(lane_prefix)) {
      if (planted(bug::forget_lane_positions)) continue;
      const int source = std::stoi(consumed.source().substr(lane_prefix.size()));
      lanes_in_[static_cast<std::uint16_t>(source)] = std::move(tracker);
    } else if (const auto of = std::find_if(sources_.begin(), sources_.end(), [&](const source& each) {
                 return each.from->source() == consumed.source();
               }); of != sources_.end()) {
      of->polled = tracker.low();
      of->handled = std::move(tracker);
    } else if (!consumed.source().starts_with(queue::transient_source)) {
      other_sources_.push_back(consumed);
    }
  }
  if (state->execution_index() != storage::execution_index_version) {
    if (auto made = make_execution_index(); !made) return made;
  }
  if (auto counted = recover_open_counts(); !counted) return counted;
  if (auto published = recover_published(*state); !published) return published;
  for (source& each : sources_) each.consumer = each.from->consume(options_.id, each.polled, on_readable);
  if (auto lanes = recover_lanes(); !lanes) return lanes;
  recovery_ = recovery{run_number(state->open_work_watermark()), last_run_, {}};
  if (auto done = recover_chunk(); !done) return done;
  if (planted(bug::drop_timer_at_recovery)) timer_scan_.fire_at = ports_.now();
  set_tick();
  if (failed_) return unexpected(failure_);
  send_work();
  flush();
  if (recovery_) ports_.request_recovery();
  return {};
}

void partition::recover_more() {
  if (failed_ || draining_) return;  // the next boot recovers what a draining partition is not asked for
  if (!recovery_) return try_served();
  if (auto done = recover_chunk(); !done) return corrupt(done.error());
  send_work();
  flush();
  if ((recovery_ || served_through_) && !failed_) ports_.request_recovery();
}

storage::storage_result<void> partition::recover_chunk() {
  auto page = storage::scan_open_work(store_, options_.id, recovery_->next, options_.recovery_chunk);
  if (!page) return unexpected(page.error());
  for (storage::run_open_work& work : *page) {
    const run_number number = work.run;
    if (number > recovery_->last) break;
    if (!recovery_->ahead.contains(number)) {
      if (auto done = recover_run(std::move(work)); !done) return done;
    }
    recovery_->next = number.next();
  }
  if (page->size() < options_.recovery_chunk || page->back().run > recovery_->last) {
    recovery_.reset();
    note_recovered();
  }
  return {};
}

/// The run, if it has open work that was not recovered yet; null otherwise, or when the store can't be read.
run* partition::recover_named(run_number number) {
  if (number < recovery_->next || number > recovery_->last) return nullptr;
  if (!recovery_->ahead.insert(number).second) return nullptr;  // it was here before: its rows were taken into account then
  auto work = storage::find_open_work(store_, options_.id, number);
  if (!work) {
    corrupt(work.error());
    return nullptr;
  }
  if (!*work) return nullptr;
  if (auto done = recover_run(std::move(**work)); !done) {
    corrupt(done.error());
    return nullptr;
  }
  return runs_.at(number).get();
}

storage::storage_result<void> partition::recover_run(storage::run_open_work&& work) {
  auto header = storage::find_header(store_, options_.id, work.work.workflow_id());
  if (!header) return unexpected(header.error());
  open_runs_.insert(work.run);
  if (!*header || run_number((*header)->run_number()) != work.run || (*header)->status() != messages::RUNNING) {
    return unexpected(storage::storage_error{
        storage::storage_errc::corrupt, "partition " + std::to_string(options_.id.value) + ", run " +
                                            std::to_string(work.run.value) +
                                            ": unfinished work of a run that is not the current one of \"" +
                                            work.work.workflow_id() + "\""});
  }
  run& r = create_stored_run(work.work.workflow_id(), std::move(**header));
  r.has_open_work_row = true;
  r.row_has_inbox = r.has_inbox = work.work.has_inbox();
  r.open_work_through = event_seq(work.work.through_seq());
  for (int i = 0; i < work.work.activities_size(); ++i) {
    open_activity& activity = r.open.activities[event_seq(work.work.activities(i))];
    activity.turn_first = event_seq(work.work.activity_turns(i));
  }
  for (const std::uint64_t step : work.work.steps()) r.open.steps.insert(event_seq(step));
  storage::journal_reader tail(store_, options_.id, r.number, r.open_work_through.next());
  storage::stored_turn turn;
  while (true) {
    auto more = tail.next(turn);
    if (!more) return unexpected(more.error());
    if (!*more) break;
    r.open.apply(turn);
  }
  for (auto& [seq, row] : work.activities) {
    const auto it = r.open.activities.find(seq);
    if (it == r.open.activities.end()) continue;
    take_row(it->second, std::move(row));
  }
  if (auto parked = recover_parked_results(r); !parked) return parked;
  for (auto& [seq, activity] : r.open.activities) {
    if (activity.closing) continue;
    if (!recover_activity(r, seq, activity)) {
      return unexpected(storage::storage_error{storage::storage_errc::corrupt,
                                               "run " + std::to_string(r.number.value) + " of \"" + r.workflow_id +
                                                   "\": the schedule event " + std::to_string(seq.value) +
                                                   " of an open activity is missing"});
    }
  }
  const bool retry_blocked = r.is == run::state::blocked && definition_of(r) != nullptr;
  const bool has_steps = !r.open.steps.empty() && !draining_;
  if (retry_blocked || (r.is == run::state::absent && (has_steps || r.has_inbox))) load(r);
  return {};
}

/// An activity whose end waits in the inbox of a run that takes no turns is not open any more: nobody runs it again.
storage::storage_result<void> partition::recover_parked_results(run& r) {
  if (!r.has_inbox || planted(bug::rerun_parked_result)) return {};
  auto rows = storage::scan_parked(store_, options_.id, r.number);
  if (!rows) return unexpected(rows.error());
  for (const auto& [index, parked] : *rows) {
    const auto it = r.open.activities.find(activity_closed_by(parked.event()));
    if (it != r.open.activities.end()) it->second.closing = true;
  }
  return {};
}

/// An older evermill has left none, or another one. It is made from the headers, by the first commit, before anything changes it.
storage::storage_result<void> partition::make_execution_index() {
  log_.info({options_.id, {}, {}}, "the index of executions is made");
  if (auto erased = storage::erase_executions(gathering_.batch, store_, options_.id); !erased) return erased;
  std::string after;
  while (true) {
    const auto page = storage::list_instances(store_, options_.id, after, headers_per_page);
    if (!page) return unexpected(page.error());
    for (const storage::listed_instance& each : *page) {
      if (workflow::locks::is_reserved(each.workflow_id)) continue;
      storage::put_execution(gathering_.batch, storage::execution_row_of(options_.id, each.workflow_id, each.header));
    }
    if (page->size() < headers_per_page) break;
    after = page->back().workflow_id;
  }
  return {};
}

storage::storage_result<void> partition::recover_lanes() {
  if (planted(bug::forget_outbox)) return {};
  for (const auto& [destination, lane] : lanes_out_) {
    if (auto sent = send_lane(destination, lane.acknowledged, lane.last); !sent) return sent;
  }
  return {};
}

/// With the next effects: what is stored of the lane.
storage::storage_result<void> partition::send_lane(std::uint16_t destination, std::uint64_t after, std::uint64_t through) {
  while (after < through) {
    auto rows = storage::scan_outbound(store_, options_.id, partition_id(destination), after, lane_batch);
    if (!rows) return unexpected(rows.error());
    if (rows->empty()) break;
    after = rows->back().first;
    for (auto& [number, event] : *rows) {
      if (number > through) break;
      gathering_.out.outbound.emplace_back(partition_id(destination),
                                           std::make_shared<messages::DecisionEvent>(std::move(event)));
    }
  }
  return {};
}

void partition::send_unacknowledged() {
  if (failed_) return;
  for (auto& [destination, lane] : lanes_out_) {
    const bool stands = lane.acknowledged == lane.acknowledged_before && lane.acknowledged < lane.last_before;
    if (stands) {
      if (auto sent = send_lane(destination, lane.acknowledged, lane.last_before); !sent) return corrupt(sent.error());
    }
    lane.acknowledged_before = lane.acknowledged;
    lane.last_before = lane.last;
  }
  flush();
}

}  // namespace evermill::actors
