// What an engine is asked to do.
#include "evermill/engine.hpp"

#include <future>
#include <utility>

#include "base/text.hpp"
#include "engine/engine_access.hpp"
#include "engine/engine_impl.hpp"
#include "engine/names.hpp"

namespace evermill {

engine::engine(registry registry, engine_options options)
    : impl_(std::make_unique<impl>(std::move(registry), std::move(options))) {}
engine::~engine() = default;

tasks::connected_workers* engine_access::workers(engine& of) { return of.impl_->workers_.get(); }
deciders::connected_deciders* engine_access::deciders(engine& of) { return of.impl_->deciders_.get(); }
metrics::registry& engine_access::shown(engine& of) { return of.impl_->counts_.shown; }
request_metrics& engine_access::requests(engine& of) { return of.impl_->counts_.requests; }

bool engine::has_namespace(std::string_view name_space) const { return impl_->namespaces_.has(name_space); }

const registry& engine::definitions() const noexcept { return impl_->definitions_; }

void engine::set_log_level(std::string_view level) {
  const auto parsed = parse_log_level(level);
  if (!parsed) {
    throw engine_error(engine_errc::invalid_argument, "\"" + to_utf8(std::string(level.substr(0, 100))) +
                                                          "\" is no log level; there are trace, debug, info, warning, error, critical and off");
  }
  impl_->options_.logger->set_level(*parsed);
}

std::string engine::log_level() const {
  const auto name = spdlog::level::to_string_view(impl_->options_.logger->level());
  return {name.data(), name.size()};
}

started_execution engine::start(std::string_view workflow_type, payload input, start_options options) {
  actors::answer answer = impl_->request_and_wait(
      requests::start(impl_->known_workflows(workflow_type, options), *impl_->random_, workflow_type, std::move(input), std::move(options)));
  return {std::move(answer.workflow_id), std::move(answer.run_id), answer.existed};
}

void engine::start(std::string_view workflow_type, payload input, start_options options,
                   std::function<void(std::optional<engine_error>, started_execution)> answer) {
  impl_->request(requests::start(impl_->known_workflows(workflow_type, options), *impl_->random_, workflow_type, std::move(input), std::move(options)),
                 [answer = std::move(answer)](std::optional<engine_error> error, actors::answer&& what) {
                   if (!error && what.what != actors::answer::outcome::accepted) error = requests::error_of(what);
                   answer(std::move(error), {std::move(what.workflow_id), std::move(what.run_id), what.existed});
                 });
}

void engine::execute(std::string_view workflow_type, payload input, start_options options,
                     std::function<void(std::optional<engine_error>, execution_end)> ended) {
  messages::DecisionEvent event =
      requests::start(impl_->known_workflows(workflow_type, options), *impl_->random_, workflow_type, std::move(input), std::move(options));
  const std::string id = event.workflow_id();
  const auto call = std::make_shared<execute_call>(std::move(ended));
  const std::uint64_t ticket = impl_->waiters_.expect_end(
      id, [call](std::optional<engine_error> error, execution_end end) { call->on_end(std::move(error), std::move(end)); });
  if (ticket == 0) return call->on_start(std::nullopt);
  impl_->request(std::move(event), [call, id, ticket, impl = impl_.get()](std::optional<engine_error> error,
                                                                         actors::answer&& what) {
    if (!error && what.what != actors::answer::outcome::accepted) error = requests::error_of(what);
    if (error) impl->waiters_.withdraw_end(id, ticket);
    call->on_start(std::move(error));
    if (what.existed) impl->look_for_end(id, ticket);
  });
}

void engine::signal(std::string_view workflow_id, std::string_view signal_name, payload input,
                    std::string_view request_id) {
  impl_->request_and_wait(requests::signal(workflow_id, signal_name, std::move(input), request_id));
}

namespace {

waiters::answer_callback telling(engine::done_callback done) {
  return [done = std::move(done)](std::optional<engine_error> error, actors::answer&& what) {
    if (!error && what.what != actors::answer::outcome::accepted) error = requests::error_of(what);
    done(std::move(error));
  };
}

}  // namespace

void engine::signal(std::string_view workflow_id, std::string_view signal_name, payload input, std::string_view request_id,
                    done_callback done) {
  impl_->request(requests::signal(workflow_id, signal_name, std::move(input), request_id), telling(std::move(done)));
}

void engine::cancel(std::string_view workflow_id, std::string_view reason, done_callback done) {
  impl_->request(requests::cancel(workflow_id, reason), telling(std::move(done)));
}

void engine::terminate(std::string_view workflow_id, std::string_view reason, done_callback done) {
  impl_->request(requests::terminate(workflow_id, reason), telling(std::move(done)));
}

payload engine::query(std::string_view workflow_id, std::string_view query_name, payload input) {
  return impl_->query(requests::query(workflow_id, query_name, std::move(input)));
}

std::optional<payload> engine::update(std::string_view workflow_id, std::string_view update_name, payload input,
                                      std::string_view update_id) {
  std::promise<std::optional<payload>> promise;
  update(workflow_id, update_name, std::move(input), update_id, [&promise](std::exception_ptr error, std::optional<payload> result) {
    if (error) return promise.set_exception(std::move(error));
    promise.set_value(std::move(result));
  });
  return promise.get_future().get();
}

void engine::update(std::string_view workflow_id, std::string_view update_name, payload input, std::string_view update_id,
                    std::function<void(std::exception_ptr, std::optional<payload>)> done) {
  const std::string id = update_id.empty() ? make_uuid(*impl_->random_) : std::string(update_id);
  messages::DecisionEvent event = requests::update(workflow_id, update_name, std::move(input), id);
  const auto call = std::make_shared<update_call>(std::string(update_name), std::move(done));
  const std::uint64_t ticket = impl_->waiters_.expect_update(
      event.workflow_id(), id, [call](std::optional<engine_error> error, const actors::code_result& end) {
        call->end(std::move(error), true, end);
      });
  if (ticket == 0) return;
  impl_->request_update(std::move(event), call, ticket);
}

void engine::cancel(std::string_view workflow_id, std::string_view reason) {
  impl_->request_and_wait(requests::cancel(workflow_id, reason));
}

void engine::terminate(std::string_view workflow_id, std::string_view reason) {
  impl_->request_and_wait(requests::terminate(workflow_id, reason));
}

void engine::taint(std::string_view workflow_id) { impl_->request_and_wait(requests::taint(workflow_id)); }

void engine::complete_activity(std::string_view token, payload result) {
  impl_->request_and_wait(requests::complete_activity(token, std::move(result)));
}

void engine::fail_activity(std::string_view token, const failure& why) {
  impl_->request_and_wait(requests::fail_activity(token, why));
}

void engine::cancel_activity(std::string_view token) { impl_->request_and_wait(requests::cancel_activity(token)); }

bool engine::heartbeat_activity(std::string_view token, std::optional<payload> details) {
  return impl_->request_and_wait(requests::heartbeat_activity(token, std::move(details))).cancel_requested;
}

void engine::wait(std::string_view workflow_id,
                  std::function<void(std::optional<engine_error>, execution_end)> answer) {
  impl_->wait(std::string(workflow_id), std::move(answer));
}

std::shared_ptr<void> engine::on_end(std::string_view workflow_id,
                                     std::function<void(std::optional<engine_error>, execution_end)> answer) {
  const std::string id(workflow_id);
  const std::uint64_t ticket = impl_->wait(id, std::move(answer));
  return {impl_.get(), [id, ticket](impl* of) { of->waiters_.withdraw_end(id, ticket); }};
}

std::optional<execution_end> engine::wait_for(std::string_view workflow_id, std::chrono::milliseconds limit) {
  auto promise = std::make_shared<std::promise<execution_end>>();
  auto future = promise->get_future();
  const std::string id(workflow_id);
  const std::uint64_t ticket = impl_->wait(id, [promise](std::optional<engine_error> error, execution_end end) {
    if (error) return promise->set_exception(std::make_exception_ptr(*error));
    promise->set_value(std::move(end));
  });
  if (limit != std::chrono::milliseconds::max() && future.wait_for(limit) != std::future_status::ready &&
      impl_->waiters_.withdraw_end(id, ticket)) {
    return std::nullopt;
  }
  return future.get();
}

execution_end engine::wait(std::string_view workflow_id) {
  return *wait_for(workflow_id, std::chrono::milliseconds::max());
}

}  // namespace evermill
