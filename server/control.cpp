#include "server/control.hpp"

#include <future>

#ifndef EVERMILL_VERSION
#error "the build defines EVERMILL_VERSION"
#endif

namespace evermill::server {
namespace {

/// `ask(callback)` is to call it with an error or an answer.
template <class Answer, class Ask>
Answer awaited(Ask&& ask) {
  auto promise = std::make_shared<std::promise<Answer>>();
  auto future = promise->get_future();
  ask([promise](std::optional<control_error> error, Answer answer) {
    if (error) return promise->set_exception(std::make_exception_ptr(*error));
    promise->set_value(std::move(answer));
  });
  return future.get();
}

template <class Ask>
void awaited_done(Ask&& ask) {
  auto promise = std::make_shared<std::promise<void>>();
  auto future = promise->get_future();
  ask([promise](std::optional<control_error> error) {
    if (error) return promise->set_exception(std::make_exception_ptr(*error));
    promise->set_value();
  });
  future.get();
}

}  // namespace

started_execution start(control& control, std::string_view workflow_type, payload input, start_options options) {
  return awaited<started_execution>([&](control::start_callback answer) {
    control.start(workflow_type, std::move(input), std::move(options), std::move(answer));
  });
}

void signal(control& control, std::string_view workflow_id, std::string_view signal_name, payload input,
            std::string_view request_id) {
  awaited_done([&](control::done_callback done) {
    control.signal(workflow_id, signal_name, std::move(input), request_id, std::move(done));
  });
}

void cancel(control& control, std::string_view workflow_id, std::string_view reason) {
  awaited_done([&](control::done_callback done) { control.cancel(workflow_id, reason, std::move(done)); });
}

void terminate(control& control, std::string_view workflow_id, std::string_view reason) {
  awaited_done([&](control::done_callback done) { control.terminate(workflow_id, reason, std::move(done)); });
}

execution_end wait(control& control, std::string_view workflow_id) {
  return awaited<execution_end>([&](control::end_callback answer) { control.wait(workflow_id, std::move(answer)); });
}

update_end update(control& control, std::string_view workflow_id, std::string_view update_name, payload input,
                  std::string_view update_id) {
  return awaited<update_end>([&](control::update_callback answer) {
    control.update(workflow_id, update_name, std::move(input), update_id, std::move(answer));
  });
}

std::string_view version() noexcept { return EVERMILL_VERSION; }

}  // namespace evermill::server
