#include "server/grpc/work_stream.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
#include "base/namespaces.hpp"
#include "plugins/task/connected/connected_workers.hpp"
#include "server/grpc/calls_of_stream.hpp"
#include "server/grpc/conversions.hpp"
#include "server/grpc/stream_writer.hpp"
#include "workflow/conversions.hpp"

namespace evermill::server {
namespace {

using tasks::dispatch_id;
using reactor = grpc::ServerBidiReactor<wire::WorkRequest, wire::WorkResponse>;

constexpr std::size_t longest_id = 512;

messages::Payload stored(const wire::Payload& from) {
  messages::Payload to;
  workflow::to_message(from_wire(from), to);
  return to;
}

messages::Failure stored(const wire::Failure& from) {
  messages::Failure to;
  workflow::to_message(from_wire(from), to);
  return to;
}

void to_wire_task(const messages::ActivityTask& from, wire::AttemptTask& to) {
  const dispatch_id id = tasks::dispatch_id_of(from);
  to.set_token(tasks::to_string(id));
  to.set_workflow_id(from.workflow_id());
  to.set_run_id(from.run_id());
  to.set_activity_type(from.activity_type());
  to.set_version(from.options().version());
  to.set_task_queue(std::string(tasks::queue_of(from)));
  to_wire(workflow::from_message(from.input()), *to.mutable_input());
  to.set_attempt(from.attempt());
  to.set_idempotency_key(tasks::idempotency_key(id));
  to_wire(from_micros(from.scheduled_us()), *to.mutable_scheduled_at());
  const auto limit = [](std::int64_t micros, auto* (wire::AttemptTask::*field)(), wire::AttemptTask& into) {
    if (micros > 0) to_wire(std::chrono::microseconds(micros), *(into.*field)());
  };
  limit(from.options().start_to_close_us(), &wire::AttemptTask::mutable_start_to_close_timeout, to);
  limit(from.options().heartbeat_us(), &wire::AttemptTask::mutable_heartbeat_timeout, to);
  to.set_traceparent(from.traceparent());
  to.set_tracestate(from.tracestate());
  if (from.has_heartbeat_details()) to_wire(workflow::from_message(from.heartbeat_details()), *to.mutable_heartbeat_details());
}

dispatch_id id_of(const std::string& token) {
  const auto id = tasks::parse_dispatch_id(token);
  if (!id) throw control_error(control_errc::invalid_argument, "\"" + token + "\" is no token of an attempt");
  return *id;
}

tasks::outcome outcome_of(const wire::AttemptEnd& end) {
  switch (end.how_case()) {
    case wire::AttemptEnd::kCompleted: {
      tasks::completed how;
      if (end.completed().has_result()) how.result = stored(end.completed().result());
      return how;
    }
    case wire::AttemptEnd::kFailed: return tasks::failed{stored(end.failed())};
    case wire::AttemptEnd::kCanceled: return tasks::canceled{};
    case wire::AttemptEnd::kCompletesLater: return tasks::completes_later{};
    case wire::AttemptEnd::HOW_NOT_SET: break;
  }
  throw control_error(control_errc::invalid_argument, "the end of attempt " + end.token() + " does not say how it ended");
}

tasks::worker_description describe(const wire::WorkerHello& hello) {
  const auto is_marked = [](const std::string& name) { return name.find(namespaces::mark) != std::string::npos; };
  if (is_marked(hello.worker_id()) || std::any_of(hello.task_queues().begin(), hello.task_queues().end(), is_marked)) {
    throw control_error(control_errc::invalid_argument, "a worker's id or task queue holds a control character");
  }
  if (hello.worker_id().empty() || hello.worker_id().size() > longest_id) {
    throw control_error(control_errc::invalid_argument, "a worker's id has 1 to 512 bytes; a UUID is a good one");
  }
  tasks::worker_description who;
  who.id = namespaces::qualified(hello.namespace_(), hello.worker_id());
  for (const std::string& queue : hello.task_queues()) who.task_queues.insert(namespaces::qualified(hello.namespace_(), queue));
  if (who.task_queues.empty()) who.task_queues.insert(namespaces::qualified(hello.namespace_(), "default"));
  who.activity_types.insert(hello.activity_types().begin(), hello.activity_types().end());
  for (const std::string& token : hello.running()) who.has.insert(id_of(token));
  return who;
}

/// What is to be written. What comes while a message is on its way goes into the next one: its size is bounded by the worker's credit.
class connection final : public tasks::worker_connection, public stream_writer<wire::WorkRequest, wire::WorkResponse> {
 public:
  using stream_writer::stream_writer;

  void run(const std::shared_ptr<const messages::ActivityTask>& task) override {
    const std::lock_guard lock(mutex_);
    to_wire_task(*task, *next_.add_tasks());
    write();
  }
  void stop(const dispatch_id& id, bool is_awaited) override {
    const std::lock_guard lock(mutex_);
    wire::AttemptStop& stop = *next_.add_stops();
    stop.set_token(tasks::to_string(id));
    stop.set_end_is_awaited(is_awaited);
    write();
  }
  void close(const std::string& why) override { end(to_status({control_errc::stopped, why})); }

  void welcome() {
    const std::lock_guard lock(mutex_);
    next_.mutable_welcome()->set_server_version(std::string(version()));
    write();
  }
  void acknowledge(const std::string& token) {
    const std::lock_guard lock(mutex_);
    next_.add_acknowledged(token);
    write();
  }
};

class work_stream final : public reactor {
 public:
  work_stream(tasks::connected_workers& workers, open_calls& open, worker_admission admit)
      : workers_(workers), open_(open), admit_(std::move(admit)), connection_(std::make_shared<connection>(*this)) {
    ticket_ = open_.entered([to = connection_](const grpc::Status& why) { to->end(why); }, callers_);
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return connection_->end(grpc::Status::OK);
    const grpc::Status refused = answered([&] { take(); });
    if (!refused.ok()) return connection_->end(refused);
    StartRead(&request_);
  }
  void OnWriteDone(bool ok) override { connection_->written(ok); }
  void OnCancel() override { connection_->end(grpc::Status::CANCELLED); }
  void OnDone() override {
    connection_->detach();
    open_.left(ticket_);
    if (session_ != 0) workers_.disconnect(session_, leaving_);
    delete this;
  }

 private:
  /// Everything is looked at before anything is done.
  void take() {
    if (session_ == 0) {
      if (!request_.has_hello()) throw control_error(control_errc::invalid_argument, "the first message of a worker is its hello");
      tasks::worker_description who = describe(request_.hello());
      callers_->set(admit_(request_.hello()));
      connection_->welcome();
      session_ = workers_.connect(std::move(who), connection_);
    }
    std::vector<std::pair<dispatch_id, tasks::outcome>> ends;
    for (const wire::AttemptEnd& each : request_.ended()) ends.emplace_back(id_of(each.token()), outcome_of(each));
    std::vector<dispatch_id> alive;
    for (const wire::AttemptHeartbeat& each : request_.heartbeats()) alive.push_back(id_of(each.token()));
    for (std::size_t i = 0; i < alive.size(); ++i) {
      const wire::AttemptHeartbeat& beat = request_.heartbeats(static_cast<int>(i));
      workers_.heartbeat(session_, alive[i], beat.has_details() ? std::optional(stored(beat.details())) : std::nullopt);
    }
    for (auto& [id, how] : ends) end(id, std::move(how));
    if (request_.leaving()) {
      leaving_ = true;
      workers_.withdraw(session_);
    } else if (request_.credit() > 0) {
      workers_.grant(session_, request_.credit());
    }
  }

  void end(const dispatch_id& id, tasks::outcome&& how) {
    workers_.end(session_, id, std::move(how), [to = connection_, token = tasks::to_string(id)](bool durable) {
      if (durable) return to->acknowledge(token);
      to->close("the server has lost its storage and opens it anew; connect again, and tell what was not acknowledged");
    });
  }

  tasks::connected_workers& workers_;
  open_calls& open_;
  const worker_admission admit_;
  const std::shared_ptr<calls_of_stream> callers_ = std::make_shared<calls_of_stream>();
  const std::shared_ptr<connection> connection_;
  std::uint64_t ticket_ = 0;
  tasks::connected_workers::session_id session_ = 0;
  bool leaving_ = false;
  wire::WorkRequest request_;
};

}  // namespace

grpc::ServerBidiReactor<wire::WorkRequest, wire::WorkResponse>* serve_worker(tasks::connected_workers& workers, open_calls& open,
                                                                             worker_admission admit) {
  return new work_stream(workers, open, std::move(admit));
}

}  // namespace evermill::server
