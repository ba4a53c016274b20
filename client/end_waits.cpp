#include "client/end_waits.hpp"

#include <utility>

#include "server/grpc/conversions.hpp"

namespace evermill::api {

/// Kept by its set until it is told, or dropped.
class end_waits::one : public std::enable_shared_from_this<one> {
 public:
  one(end_waits& in, std::string workflow_id, answer told) : in_(in), workflow_id_(std::move(workflow_id)), told_(std::move(told)) {}

  void ask() {
    std::unique_lock lock(mutex_);
    alarm_ = 0;
    if (!told_) return;
    auto& made = in_.over_.calls.add<call>();
    made.request.set_namespace_(in_.over_.name_space());
    made.request.set_workflow_id(workflow_id_);
    in_.over_.prepare(made.context, api_connection::until(api_connection::longest_wait));
    context_ = &made.context;
    lock.unlock();
    in_.over_.workflows->async()->GetResult(&made.context, &made.request, &made.response,
                                            [self = shared_from_this(), &made](const grpc::Status& status) mutable {
                                              client_calls_end end{self->in_.over_.calls, made};
                                              const auto keep = std::move(self);  // goes before the call does
                                              keep->answered(status, made.response);
                                            });
  }

  /// Takes the answer's callback away, and ends what is under way.
  answer drop() {
    answer mine;
    clock::alarm_id alarm = 0;
    {
      const std::lock_guard lock(mutex_);
      mine = std::exchange(told_, nullptr);
      if (context_ != nullptr) context_->TryCancel();
      alarm = std::exchange(alarm_, 0);
    }
    if (alarm != 0) in_.over_.time().cancel_alarm(alarm);
    return mine;
  }

  void leave() {
    const std::lock_guard lock(in_.mutex_);
    in_.open_.erase(shared_from_this());
  }

 private:
  using call = server::call_of<wire::GetResultRequest, wire::GetResultResponse>;
  struct client_calls_end {
    server::client_calls& of;
    server::open_call& which;
    ~client_calls_end() { of.end(which); }
  };

  void answered(const grpc::Status& status, const wire::GetResultResponse& response) {
    answer told;
    {
      const std::lock_guard lock(mutex_);
      context_ = nullptr;
      if (!told_) return;
      const bool later = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
      const verdict next = judge(status);
      if (!status.ok() && next.again) {
        const milliseconds pause = later ? milliseconds(0) : next.after.value_or(between_.next(in_.over_.random()));
        alarm_ = in_.over_.time().set_alarm(in_.over_.time().now() + pause, [self = shared_from_this()] { self->ask(); });
        return;
      }
      told.swap(told_);
    }
    leave();
    if (!status.ok()) return told(in_.over_.error_of(status, false), {});
    try {
      told(std::nullopt, server::from_wire(response));
    } catch (const server::control_error& error) {
      told(client_error(client_errc::incompatible, error.what()), {});
    }
  }

  end_waits& in_;
  const std::string workflow_id_;
  std::mutex mutex_;
  answer told_;                            // null: told, or dropped
  grpc::ClientContext* context_ = nullptr;  // of the call that is under way
  clock::alarm_id alarm_ = 0;
  pauses between_;
};

std::shared_ptr<void> end_waits::begin(const std::string& workflow_id, answer told) {
  auto made = std::make_shared<one>(*this, workflow_id, std::move(told));
  {
    const std::lock_guard lock(mutex_);
    if (closed_) throw client_error(client_errc::unavailable, "the client was closed");
    open_.insert(made);
  }
  made->ask();
  return {made.get(), [made](void*) {
            made->drop();
            made->leave();
          }};
}

void end_waits::close() {
  std::set<std::shared_ptr<one>> left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    left.swap(open_);
  }
  for (const auto& each : left) {
    if (const answer told = each->drop()) told(client_error(client_errc::unavailable, "the client was closed"), {});
  }
}

}  // namespace evermill::api
