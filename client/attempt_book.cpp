#include "client/attempt_book.hpp"

#include <utility>

#include "server/grpc/conversions.hpp"
#include "workflow/conversions.hpp"

namespace evermill::api {
namespace {

void to_wire_payload(const messages::Payload& from, v1::Payload& to) { server::to_wire(workflow::from_message(from), to); }

v1::Failure failure_of(const std::string& type, const std::string& message) {
  v1::Failure failure;
  failure.set_kind(v1::Failure::KIND_APPLICATION);
  failure.set_type(type);
  failure.set_message(message);
  return failure;
}

v1::Failure timeout_of(tasks::timed_out how) {
  v1::Failure failure = failure_of("Timeout", "the attempt took too long");
  failure.set_kind(how.which == tasks::timed_out::limit::heartbeat ? v1::Failure::KIND_HEARTBEAT : v1::Failure::KIND_START_TO_CLOSE);
  return failure;
}

struct end_writer {
  v1::AttemptEnd& to;

  void operator()(const tasks::completed& how) {
    auto& completed = *to.mutable_completed();
    if (how.result) to_wire_payload(*how.result, *completed.mutable_result());
  }
  void operator()(const tasks::failed& how) { server::to_wire(workflow::from_message(how.failure), *to.mutable_failed()); }
  void operator()(const tasks::timed_out& how) { *to.mutable_failed() = timeout_of(how); }
  void operator()(const tasks::canceled&) { to.mutable_canceled(); }
  void operator()(const tasks::completes_later&) { to.mutable_completes_later(); }
};

std::shared_ptr<messages::ActivityTask> task_of(const v1::AttemptTask& from, const tasks::dispatch_id& id) {
  auto task = std::make_shared<messages::ActivityTask>();
  task->set_partition(id.partition);
  task->set_workflow_id(from.workflow_id());
  task->set_run_number(id.run);
  task->set_run_id(from.run_id());
  task->set_traceparent(from.traceparent());
  task->set_tracestate(from.tracestate());
  task->set_scheduled_seq(id.scheduled_seq);
  task->set_attempt(id.attempt);
  task->set_dispatch_boot(id.boot);
  task->set_activity_type(from.activity_type());
  workflow::to_message(server::from_wire(from.input()), *task->mutable_input());
  messages::ActivityOptions& options = *task->mutable_options();
  options.set_version(from.version());
  if (from.task_queue() != "default") options.set_task_queue(from.task_queue());
  options.set_start_to_close_us(server::from_wire(from.start_to_close_timeout()).count());
  options.set_heartbeat_us(server::from_wire(from.heartbeat_timeout()).count());
  if (from.has_heartbeat_details()) {
    workflow::to_message(server::from_wire(from.heartbeat_details()), *task->mutable_heartbeat_details());
  }
  task->set_scheduled_us(server::from_wire(from.scheduled_at()).time_since_epoch().count());
  return task;
}

}  // namespace

v1::WorkRequest attempt_book::begin(v1::WorkerHello hello) {
  v1::WorkRequest first;
  *first.mutable_hello() = std::move(hello);
  for (const auto& [token, each] : attempts_) {
    first.mutable_hello()->add_running(token);
    if (each.end) *first.add_ended() = *each.end;
  }
  untold_.clear();
  granted_ = 0;
  leaving_told_ = leaving_;
  first.set_leaving(leaving_);
  first.set_credit(free_room());
  return first;
}

/// Grants it.
std::uint32_t attempt_book::free_room() {
  const std::size_t taken = running_ + granted_;
  if (leaving_ || taken >= concurrency_) return 0;
  const std::size_t more = concurrency_ - taken;
  granted_ += more;
  return static_cast<std::uint32_t>(more);
}

attempt_book::task_ptr attempt_book::add(const v1::AttemptTask& task) {
  const auto id = tasks::parse_dispatch_id(task.token());
  if (granted_ > 0) --granted_;
  if (!id || !attempts_.try_emplace(task.token()).second) return nullptr;
  ++running_;
  return task_of(task, *id);
}

bool attempt_book::runs(const tasks::dispatch_id& id) const {
  const auto it = attempts_.find(tasks::to_string(id));
  return it != attempts_.end() && !it->second.end;
}

bool attempt_book::end(tasks::attempt_end&& end) {
  const std::string token = tasks::to_string(tasks::dispatch_id_of(*end.task));
  const auto it = attempts_.find(token);
  if (it == attempts_.end() || it->second.end) return false;
  --running_;
  v1::AttemptEnd& told = it->second.end.emplace();
  told.set_token(token);
  std::visit(end_writer{told}, end.how);
  if (end.heartbeat_details) to_wire_payload(*end.heartbeat_details, *beats_[token].mutable_details());
  untold_.insert(token);
  return true;
}

void attempt_book::heartbeat(const messages::ActivityTask& task, std::optional<messages::Payload> details) {
  v1::AttemptHeartbeat& beat = beats_[tasks::to_string(tasks::dispatch_id_of(task))];
  if (details) to_wire_payload(*details, *beat.mutable_details());
}

void attempt_book::acknowledged(const std::string& token) {
  const auto it = attempts_.find(token);
  if (it == attempts_.end()) return;
  if (!it->second.end) --running_;
  untold_.erase(token);
  attempts_.erase(it);
}

void attempt_book::forget_running() {
  std::erase_if(attempts_, [](const auto& entry) { return !entry.second.end; });
  running_ = 0;
}

void attempt_book::leave() {
  leaving_ = true;
  granted_ = 0;
}

std::optional<v1::WorkRequest> attempt_book::take_message() {
  v1::WorkRequest message;
  for (auto& [token, beat] : beats_) {
    beat.set_token(token);
    *message.add_heartbeats() = std::move(beat);
  }
  beats_.clear();
  for (const std::string& token : untold_) *message.add_ended() = *attempts_.at(token).end;
  untold_.clear();
  message.set_credit(free_room());
  if (leaving_ && !leaving_told_) message.set_leaving(leaving_told_ = true);
  if (message.ByteSizeLong() == 0) return std::nullopt;
  return message;
}

}  // namespace evermill::api
