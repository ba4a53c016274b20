#include "partition_rig.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "plugins/queue/memory/memory_queue.hpp"
#include "storage/rows.hpp"

namespace evermill::actors {

partition_rig::partition_rig(const registry& definitions, partition_options options)
    : definitions_(&definitions), options_(options) {
  restart();
}

partition_rig::~partition_rig() {
  if (queue_) queue_->close();
}

// --- the world's side

queue::position partition_rig::publish(messages::DecisionEvent event) {
  EXPECT_TRUE(queue_->publish(own, std::make_shared<messages::DecisionEvent>(std::move(event))));
  return ++published_;
}

queue::position partition_rig::start(const std::string& workflow_id, const std::string& type, const std::string& json,
                                     std::uint64_t token) {
  messages::DecisionEvent event;
  event.set_workflow_id(workflow_id);
  event.set_reply_token(token);
  event.mutable_event()->mutable_workflow_execution_started()->set_workflow_type(type);
  event.mutable_event()->mutable_workflow_execution_started()->mutable_input()->set_data(json);
  return publish(std::move(event));
}

messages::DecisionEvent partition_rig::signal_event(const std::string& workflow_id, const std::string& name,
                                                    const std::string& json) {
  messages::DecisionEvent event;
  event.set_workflow_id(workflow_id);
  event.mutable_event()->mutable_workflow_execution_signaled()->set_signal_name(name);
  event.mutable_event()->mutable_workflow_execution_signaled()->mutable_input()->set_data(json);
  return event;
}

queue::position partition_rig::signal(const std::string& workflow_id, const std::string& name, const std::string& json,
                                      std::uint64_t token) {
  messages::DecisionEvent event = signal_event(workflow_id, name, json);
  event.set_reply_token(token);
  return publish(std::move(event));
}

queue::position partition_rig::cancel(const std::string& workflow_id) {
  messages::DecisionEvent event;
  event.set_workflow_id(workflow_id);
  event.mutable_event()->mutable_workflow_execution_cancel_requested()->set_reason("enough");
  return publish(std::move(event));
}

queue::position partition_rig::terminate(const std::string& workflow_id, std::uint64_t token) {
  messages::DecisionEvent event;
  event.set_workflow_id(workflow_id);
  event.set_reply_token(token);
  event.mutable_terminate()->set_reason("over");
  return publish(std::move(event));
}

queue::position partition_rig::taint(const std::string& workflow_id, std::uint64_t token) {
  messages::DecisionEvent event;
  event.set_workflow_id(workflow_id);
  event.set_reply_token(token);
  event.mutable_taint();
  return publish(std::move(event));
}

messages::DecisionEvent partition_rig::over_lane(std::uint64_t number, messages::DecisionEvent event) {
  event.mutable_lane()->set_source_partition(other.value);
  event.mutable_lane()->set_number(number);
  return event;
}

namespace {

template <class Outcome>
void fill(Outcome& outcome, const messages::ActivityTask& task) {
  outcome.set_scheduled_seq(task.scheduled_seq());
  outcome.mutable_attempt()->set_number(task.attempt());
  outcome.mutable_attempt()->set_dispatch_boot(task.dispatch_boot());
}

messages::DecisionEvent about(const messages::ActivityTask& task) {
  messages::DecisionEvent event;
  event.set_workflow_id(task.workflow_id());
  event.set_run_number(task.run_number());
  return event;
}

}  // namespace

queue::position partition_rig::complete(const messages::ActivityTask& task, const std::string& json) {
  messages::DecisionEvent event = about(task);
  auto& completed = *event.mutable_activity_attempt_closed()->mutable_completed();
  fill(completed, task);
  completed.mutable_result()->set_data(json);
  return publish(std::move(event));
}

queue::position partition_rig::fail(const messages::ActivityTask& task, messages::Failure::Kind kind) {
  messages::DecisionEvent event = about(task);
  auto& failed = *event.mutable_activity_attempt_closed()->mutable_failed();
  fill(failed, task);
  failed.mutable_failure()->set_kind(kind);
  failed.mutable_failure()->set_message("no luck");
  return publish(std::move(event));
}

// --- the clockwork's side

void partition_rig::pump() {
  for (bool busy = true; busy;) {
    busy = false;
    if (std::exchange(poll_wanted_, false)) {
      partition_->poll();
      busy = true;
    }
    while (!hold_ && !work_.empty()) {
      const given next = std::move(work_.front());
      work_.pop_front();
      const auto at = instances_.find(next.run);
      const bool there = at != instances_.end() && at->second.generation == next.generation;
      if (there) partition_->on_report(report_on(next.run, *next.work));
      busy = true;
      if (flush_often_) break;
    }
    if (!hold_recovery_ && std::exchange(recovery_wanted_, false)) {
      partition_->recover_more();
      busy = true;
    }
    if (std::exchange(flush_wanted_, false)) {
      partition_->flush();
      busy = true;
    }
  }
}

void partition_rig::write_without_telling() {
  ASSERT_TRUE(pending_);
  ASSERT_TRUE(store_->write(*std::exchange(pending_, std::nullopt)));
  ++commits_;
}

void partition_rig::make_durable() {
  write_without_telling();
  tell_durable();
}

void partition_rig::tell_durable() { partition_->on_committed(); }

void partition_rig::fail_commit() {
  pending_.reset();
  partition_->on_commit_failed({storage::storage_errc::io, "the disk is gone"});
}

void partition_rig::settle() {
  for (pump(); pending_; pump()) make_durable();
}

bool partition_rig::tick() {
  if (!tick_at_) return false;
  time_ = std::max(time_, *std::exchange(tick_at_, std::nullopt));
  partition_->on_tick();
  return true;
}

storage::storage_result<void> partition_rig::reopen(crash how) {
  partition_.reset();
  instances_.clear();
  work_.clear();
  pending_.reset();
  tick_at_.reset();
  flush_wanted_ = poll_wanted_ = recovery_wanted_ = false;
  steps.clear();
  options_.boot = options_.boot.next();
  if (how == crash::loses_queue) {
    if (queue_) queue_->close();
    queue_ = queue::make_memory_queue(options_.boot, 2);
    published_ = 0;
  }
  partition_ = std::make_unique<partition>(options_, *store_, queues(), *this, log());
  return partition_->recover([this] { poll_wanted_ = true; });
}

void partition_rig::restart(crash how) {
  const auto recovered = reopen(how);
  ASSERT_TRUE(recovered) << recovered.error().message;
}

void partition_rig::restart_with(const registry& definitions, crash how) {
  definitions_ = &definitions;
  restart(how);
}

// --- the partition's side

void partition_rig::start_instance(run_number run, std::uint64_t generation, const workflow_definition& definition) {
  EXPECT_FALSE(instances_.contains(run)) << "run " << run.value << " has an instance already";
  instances_[run] = {generation, std::make_unique<workflow::decider>(definition, run)};
}

void partition_rig::give_work(run_number run, std::shared_ptr<instance_work> work) {
  work_.push_back({run, instances_.at(run).generation, std::move(work)});
}

void partition_rig::let_turn_time_out(run_number run) {
  const given& first = *std::find_if(work_.begin(), work_.end(), [run](const given& each) { return each.run == run; });
  partition_->on_overdue(first.run, first.generation, first.work->number);
}

void partition_rig::give_back(run_number run, messages::Blocked::Reason why) {
  const auto first = std::find_if(work_.begin(), work_.end(), [run](const given& each) { return each.run == run; });
  instance_report report{.run = run, .generation = first->generation, .difference = workflow::divergence{{}, "not now"}, .set_aside_as = why};
  work_.erase(first);
  partition_->on_report(std::move(report));
}

instance_report partition_rig::report_on(run_number run, const instance_work& work) {
  instance& at = instances_.at(run);
  instance_report report{.run = run, .generation = at.generation, .replayed = work.decisions.empty()};
  for (const messages::TurnRecord& turn : work.replay) {
    report.difference = at.decider->replay(turn);
    if (report.difference) return report;
  }
  if (work.replay_ends) report.unfinished_steps = at.decider->unfinished_steps();
  for (const instance_work::decision& decision : work.decisions) {
    if (at.decider->closed()) {
      report.unhandled.push_back(decision.event);
      report.turns.emplace_back();
    } else {
      report.turns.push_back(at.decider->handle(decision.event, decision.time));
    }
  }
  return report;
}

void partition_rig::submit(storage::write_batch&& batch) {
  EXPECT_FALSE(pending_) << "one commit at a time";
  pending_ = std::move(batch);
}

void partition_rig::release(effects&& what) {
  EXPECT_FALSE(partition_->failed()) << "a failed partition lets nothing out";
  tasks.insert(tasks.end(), what.tasks.begin(), what.tasks.end());
  for (step_effect& step : what.steps) steps.push_back(std::move(step));
  cancellations.insert(cancellations.end(), what.cancellations.begin(), what.cancellations.end());
  for (auto& [destination, event] : what.outbound) {
    if (destination == own) {
      publish(*event);
    } else {
      sent.push_back(event);
    }
  }
  for (auto& [token, reply] : what.answers) {
    EXPECT_TRUE(answers.emplace(token, std::move(reply)).second) << "caller " << token << " is answered twice";
  }
  for (tracing::span& each : what.spans) spans.push_back(std::move(each));
  if (what.published) publishable.push_back(*what.published);
  for (ended_execution& each : what.ended) ended.push_back(std::move(each));
  for (written_line& line : what.log_lines) log_lines.push_back(std::move(line));
}

void partition_rig::run_steps() {
  for (const step_effect& effect : std::exchange(steps, {})) {
    messages::DecisionEvent event;
    event.set_workflow_id(effect.workflow_id);
    event.set_run_number(effect.run.value);
    *event.mutable_event()->mutable_marker_recorded() = effect.step.run();
    event.mutable_event()->mutable_marker_recorded()->set_scheduled_seq(effect.step.scheduled.value);
    publish(std::move(event));
  }
}

// --- what the store says

std::optional<messages::InstanceHeader> partition_rig::header(const std::string& workflow_id) const {
  return *storage::find_header(*store_, own, workflow_id);
}

messages::ExecutionStatus partition_rig::status(const std::string& workflow_id) const {
  const auto found = header(workflow_id);
  return found ? found->status() : messages::EXECUTION_STATUS_UNSPECIFIED;
}

std::string partition_rig::result(const std::string& workflow_id) const {
  const auto found = header(workflow_id);
  if (!found || found->closing_turn_seq() == 0) return "open";
  const auto turn =
      storage::read_turn(*store_, own, run_number(found->run_number()), event_seq(found->closing_turn_seq()));
  return turn->record.events(turn->record.events_size() - 1).workflow_execution_completed().result().data();
}

std::vector<storage::stored_turn> partition_rig::journal(run_number run) const {
  storage::journal_reader reader(*store_, own, run);
  std::vector<storage::stored_turn> turns;
  storage::stored_turn turn;
  while (true) {
    const auto more = reader.next(turn);
    EXPECT_TRUE(more) << more.error().message;
    if (!more || !*more) return turns;
    turns.push_back(turn);
  }
}

std::vector<std::string> partition_rig::events(run_number run) const {
  std::vector<std::string> types;
  for (const storage::stored_turn& turn : journal(run)) {
    for (const messages::Event& event : turn.record.events()) {
      types.push_back(messages::Event::descriptor()
                          ->FindFieldByNumber(static_cast<int>(event.event_case()))
                          ->message_type()
                          ->name());
    }
  }
  return types;
}

messages::PartitionState partition_rig::state() const { return *storage::load_partition_state(*store_, own); }

std::size_t partition_rig::rows(storage::family f) const {
  std::size_t count = 0;
  for (auto rows = store_->scan(f, "", ""); rows->valid(); rows->next()) ++count;
  return count;
}

messages::OpenActivity partition_rig::open_activity(const std::string& workflow_id) const {
  const auto work = storage::find_open_work(*store_, own, run_number(header(workflow_id)->run_number()));
  if (!work || !*work || (*work)->activities.size() != 1) {
    ADD_FAILURE() << "not one activity with a row";
    return {};
  }
  return (*work)->activities.front().second;
}

void partition_rig::corrupt_row(storage::family f) {
  const auto row = store_->scan(f, "", "");
  ASSERT_TRUE(row->valid());
  storage::write_batch batch;
  batch.put(f, row->key(), "not what was written");
  ASSERT_TRUE(store_->write(batch));
}

void partition_rig::check_journals() const {
  for (run_number run(1); run.value <= state().last_run_number(); run = run.next()) {
    std::set<std::uint64_t> closed;
    std::size_t starts = 0;
    for (const storage::stored_turn& turn : journal(run)) {
      const messages::Event& decision = turn.record.events(0);
      if (decision.has_workflow_execution_started()) ++starts;
      std::uint64_t seq = 0;
      if (decision.has_activity_task_completed()) seq = decision.activity_task_completed().scheduled_seq();
      if (decision.has_activity_task_failed()) seq = decision.activity_task_failed().scheduled_seq();
      if (decision.has_timer_fired()) seq = decision.timer_fired().started_seq();
      if (decision.has_marker_recorded()) seq = decision.marker_recorded().scheduled_seq();
      if (decision.has_child_workflow_execution_completed()) {
        seq = decision.child_workflow_execution_completed().initiated_seq();
      }
      const bool again = seq != 0 && !closed.insert(seq).second;
      EXPECT_FALSE(again) << "run " << run.value << " closes event " << seq << " twice";
    }
    EXPECT_EQ(starts, 1U) << "run " << run.value;
  }
}

}  // namespace evermill::actors
