#include "simulated_parts.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "actors/node.hpp"
#include "actors/run.hpp"
#include "program.hpp"
#include "storage/rows.hpp"

namespace evermill::simulation {

// --- the clock

clock::alarm_id simulated_clock::set_alarm(timestamp when, std::function<void()> ring) {
  alarms_.emplace(std::pair(when, ++last_), std::move(ring));
  return last_;
}

void simulated_clock::cancel_alarm(alarm_id id) {
  std::erase_if(alarms_, [&](const auto& alarm) { return alarm.first.second == id; });
}

std::optional<timestamp> simulated_clock::next_alarm() const {
  if (alarms_.empty()) return std::nullopt;
  return alarms_.begin()->first.first;
}

void simulated_clock::advance_to(timestamp when) {
  now_ = std::max(now_, when);
  while (!alarms_.empty() && alarms_.begin()->first.first <= now_) {
    auto due = alarms_.extract(alarms_.begin());
    due.mapped()();
  }
}

// --- the queue

namespace {

/// Tells what was delivered.
class watched_consumer final : public queue::consumer {
 public:
  watched_consumer(std::unique_ptr<queue::consumer> real, std::string source, partition_id of, consumption& told)
      : real_(std::move(real)), source_(std::move(source)), of_(of), told_(told) {}

  std::size_t poll(std::vector<queue::item>& out, std::size_t limit) override {
    const std::size_t before = out.size();
    const std::size_t count = real_->poll(out, limit);
    for (std::size_t i = before; i < out.size(); ++i) told_.on_delivered(of_, source_, out[i]);
    return count;
  }
  void acknowledge(queue::position through) override { real_->acknowledge(through); }

 private:
  const std::unique_ptr<queue::consumer> real_;
  const std::string source_;
  const partition_id of_;
  consumption& told_;
};

}  // namespace

std::unique_ptr<queue::consumer> simulated_queue::consume(partition_id partition, queue::position after,
                                                          std::function<void()> on_readable) {
  auto real = real_->consume(partition, after, std::move(on_readable));
  return std::make_unique<watched_consumer>(std::move(real), source(), partition, store_.consumed());
}

bool simulated_queue::publish(partition_id partition, std::shared_ptr<const messages::DecisionEvent> event) {
  return publish(partition, std::span(&event, 1));
}

bool simulated_queue::publish(partition_id partition,
                              std::span<const std::shared_ptr<const messages::DecisionEvent>> events) {
  for (const auto& event : events) {
    if (!closed_) check(partition, *event);
    if (!real_->publish(partition, event)) return false;
    const bool from_outside = event->reply_token() != 0;  // a client's library asks once
    if (!from_outside && repeat_()) {
      record_.count("fault: repeated decision event");
      real_->publish(partition, event);
    }
  }
  return true;
}

void simulated_queue::check(partition_id partition, const messages::DecisionEvent& event) {
  if (event.has_lane()) {
    const partition_id source(static_cast<std::uint16_t>(event.lane().source_partition()));
    const auto row = storage::scan_outbound(store_.durable_rows(), source, partition, event.lane().number() - 1, 1);
    const bool durable = row && row->size() == 1 && row->front().first == event.lane().number();
    if (!durable) record_.finding("a message between partitions was sent that is not durable, for " + event.workflow_id());
  }
  if (event.event().has_timer_fired()) {
    const durable_journal* journal = store_.journal(partition.value, event.run_number());
    const auto* timer = journal != nullptr ? journal->event(event.event().timer_fired().started_seq()) : nullptr;
    if (event.event().timer_fired().started_seq() == actors::start_seq.value) {
      // Of a run that no code was there to start nothing is journaled.
      const auto deadline = timer != nullptr ? actors::deadline_of(timer->workflow_execution_started()) : std::nullopt;
      if (timer != nullptr && (!deadline || time_.now() < *deadline)) {
        record_.finding("the deadline of " + event.workflow_id() + " came before its time");
      }
    } else if (timer == nullptr || !timer->has_timer_started()) {
      record_.finding("a timer of " + event.workflow_id() + " fired before it was durable");
    } else if (to_micros(time_.now()) < timer->timer_started().fire_at_us()) {
      record_.finding("a timer of " + event.workflow_id() + " fired before its time");
    }
  }
  if (event.event().has_marker_recorded()) {
    const durable_journal* journal = store_.journal(partition.value, event.run_number());
    const auto* step = journal != nullptr ? journal->event(event.event().marker_recorded().scheduled_seq()) : nullptr;
    if (step == nullptr || !step->has_step_scheduled()) {
      record_.finding("a step of " + event.workflow_id() + " ran before it was durably scheduled");
    }
  }
}

// --- the backend

void simulated_backend::run(std::vector<std::shared_ptr<const messages::ActivityTask>> tasks) {
  if (!alive_) return;
  for (auto& task : tasks) {
    const tasks::dispatch_id id = tasks::dispatch_id_of(*task);
    record_.trace("dispatch " + tasks::to_string(id));
    record_.count(task->attempt() > 1 ? "retry" : "activity");
    if (drained_) record_.finding("attempt " + tasks::to_string(id) + " was dispatched after the drain");
    if (!dispatched_.insert(id).second) record_.finding("dispatch id " + tasks::to_string(id) + " was used twice");
    check_durable(*task);
    running_.push_back({std::move(task), to_micros(time_.now())});
  }
}

void simulated_backend::check_durable(const messages::ActivityTask& task) {
  const std::string name = "attempt " + tasks::to_string(tasks::dispatch_id_of(task));
  const durable_journal* journal = store_.journal(static_cast<std::uint16_t>(task.partition()), task.run_number());
  const auto* event = journal != nullptr ? journal->event(task.scheduled_seq()) : nullptr;
  if (event == nullptr || !event->has_activity_task_scheduled()) {
    return record_.finding(name + " was dispatched before it was durably scheduled");
  }
  const auto& scheduled = event->activity_task_scheduled();
  if (task.input().data() != scheduled.input().data()) record_.finding(name + " has another input than was scheduled");
  const std::uint32_t limit = scheduled.options().retry().max_attempts();
  if (limit != 0 && task.attempt() > limit) record_.finding(name + " is one too many");
  const auto work = storage::find_open_work(store_.durable_rows(), partition_id(static_cast<std::uint16_t>(task.partition())),
                                            run_number(task.run_number()));
  const messages::OpenActivity* row = nullptr;
  if (work && *work) {
    for (const auto& [seq, activity] : (*work)->activities) {
      if (seq.value == task.scheduled_seq()) row = &activity;
    }
  }
  if (row != nullptr && row->attempt() == task.attempt() && to_micros(time_.now()) < row->not_before_us()) {
    record_.finding(name + " is dispatched before its time");
  }
  if (row != nullptr && row->attempt() == task.attempt()) {
    if (row->last_failure().type() == fatal_type) record_.finding(name + " follows a failure that is not tried again");
    if (row->heartbeat_details().data() != task.heartbeat_details().data()) {
      record_.finding(name + " has other heartbeat details than are durable");
    }
    if (task.has_heartbeat_details()) record_.count("attempt with heartbeat details");
  }
  const bool first = row == nullptr && task.attempt() == 1 && task.dispatch_boot() == scheduled.dispatch_boot();
  const bool later = row != nullptr && row->attempt() == task.attempt() && row->dispatch_boot() == task.dispatch_boot();
  const auto closes = [&](const messages::TurnRecord& turn) {
    return std::any_of(turn.events().begin(), turn.events().end(), [&](const messages::Event& e) {
      return e.activity_task_cancel_requested().scheduled_seq() == task.scheduled_seq() ||
             e.activity_task_completed().scheduled_seq() == task.scheduled_seq() ||
             (e.activity_task_timed_out().scheduled_seq() == task.scheduled_seq() &&
              e.activity_task_timed_out().failure().kind() == messages::Failure::SCHEDULE_TO_CLOSE);
    });
  };
  const bool canceled = std::any_of(journal->turns.begin(), journal->turns.end(), closes);
  if (!first && !later && !canceled && !journal->ended) {
    record_.finding(name + " is not the durable one, which is " + (row == nullptr ? "the first" : row->ShortDebugString()));
  }
}

void simulated_backend::cancel(const tasks::dispatch_id& id) {
  if (!alive_) return;
  for (attempt& each : running_) {
    if (tasks::dispatch_id_of(*each.task) != id) continue;
    each.told_to_stop = true;
    record_.count("activity told to stop");
  }
}

void simulated_backend::set_alive(bool alive) {
  alive_ = alive;
  drained_ = false;
  for (attempt& each : running_) {
    record_.count("fault: attempt lost");
    lost_.push_back(std::move(each));
  }
  running_.clear();
  for (auto& each : std::exchange(told_, {})) elsewhere_.push_back(std::move(each));
}

void simulated_backend::report(queue::decision_queue& queue, const attempt& which, tasks::outcome how,
                               std::optional<messages::Payload> heartbeat_details) {
  const tasks::dispatch_id id = tasks::dispatch_id_of(*which.task);
  record_.trace("report " + tasks::to_string(id) + " " + describe(how));
  reported_.emplace(id, describe(how));
  actors::node::publish_attempt_end(queue, {which.task, which.started_us, std::move(how), std::move(heartbeat_details)});
}

bool simulated_backend::has_reported(const tasks::dispatch_id& id, const std::string& how) const {
  return reported_.contains({id, how});
}

std::string simulated_backend::describe(const tasks::outcome& how) {
  if (const auto* completed = std::get_if<tasks::completed>(&how)) return "completed " + completed->result->data();
  if (const auto* failed = std::get_if<tasks::failed>(&how)) return "failed " + failed->failure.message();
  if (std::holds_alternative<tasks::completes_later>(how)) return "completes later";
  return std::holds_alternative<tasks::timed_out>(how) ? "timed out" : "canceled";
}

}  // namespace evermill::simulation
