#include "evermill/engine.hpp"

#include <spdlog/logger.h>

#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "actors/node.hpp"
#include "engine/activity_requests.hpp"
#include "engine/history_json.hpp"
#include "engine/human_tasks.hpp"
#include "engine/incarnation.hpp"
#include "engine/inspection.hpp"
#include "engine/locks.hpp"
#include "engine/names.hpp"
#include "engine/requests.hpp"
#include "engine/supervisor.hpp"
#include "engine/waiters.hpp"
#include "workflow/conversions.hpp"

namespace evermill {
namespace {

constexpr std::size_t max_partition_backlog = 100'000;

log make_log(const engine_options& options) { return options.logger ? log(options.logger) : make_stderr_log("warning"); }

}  // namespace

std::string_view to_string(execution_status status) noexcept {
  switch (status) {
    case execution_status::running: return "running";
    case execution_status::completed: return "completed";
    case execution_status::failed: return "failed";
    case execution_status::canceled: return "canceled";
    case execution_status::terminated: return "terminated";
    case execution_status::timed_out: return "timed out";
    case execution_status::continued_as_new: return "continued as new";
  }
  return "unknown";
}

/// One call of `execute`: an end that comes before the start is accepted is another execution's, unless it is accepted.
class execute_call {
 public:
  using callback = std::function<void(std::optional<engine_error>, execution_end)>;
  explicit execute_call(callback ended) : ended_(std::move(ended)) {}

  void on_start(std::optional<engine_error> refused) {
    std::unique_lock lock(mutex_);
    accepted_ = true;
    if (refused) end_ = {std::move(refused), {}};
    tell(lock);
  }
  void on_end(std::optional<engine_error> error, execution_end end) {
    std::unique_lock lock(mutex_);
    end_ = {std::move(error), std::move(end)};
    tell(lock);
  }

 private:
  void tell(std::unique_lock<std::mutex>& lock) {
    if (!accepted_ || !end_ || !ended_) return;
    const callback ended = std::exchange(ended_, nullptr);
    lock.unlock();
    ended(std::move(end_->first), std::move(end_->second));
  }

  std::mutex mutex_;
  callback ended_;
  bool accepted_ = false;
  std::optional<std::pair<std::optional<engine_error>, execution_end>> end_;
};

/// One call of `update`: its end may come before or after the answer that it is accepted.
class update_call {
 public:
  using callback = std::function<void(std::exception_ptr, std::optional<payload>)>;
  update_call(std::string name, callback done) : name_(std::move(name)), done_(std::move(done)) {}

  void end(std::optional<engine_error> error, bool accepted, const actors::code_result& how) {
    callback done;
    {
      std::lock_guard lock(mutex_);
      done = std::exchange(done_, nullptr);
    }
    if (!done) return;
    if (error) return done(std::make_exception_ptr(*error), {});
    if (how.failure) {
      return done(std::make_exception_ptr(update_failed(name_, accepted, workflow::from_message(*how.failure))), {});
    }
    done(nullptr, how.result ? std::optional(workflow::from_message(*how.result)) : std::nullopt);
  }

 private:
  const std::string name_;
  std::mutex mutex_;
  callback done_;
};

class engine::impl {
 public:
  impl(registry definitions, engine_options options)
      : definitions_(std::move(definitions)),
        options_(std::move(options)),
        clock_(make_system_clock()),
        random_(make_system_random()),
        supervisor_(std::in_place,
                    engine_surroundings{&definitions_, &options_, clock_.get(), random_.get(), make_log(options_)},
                    waiters_) {}

  ~impl() {
    supervisor_.reset();  // answers what becomes durable on the way
    waiters_.stop({engine_errc::unavailable, "the engine was stopped"});
  }

  std::shared_ptr<incarnation> current() const { return supervisor_->current(); }

  /// Publishes a request from outside; refused while its partition has too much to do.
  void request(messages::DecisionEvent&& event, waiters::answer_callback answer,
               std::optional<partition_id> known_partition = {}) {
    std::shared_ptr<incarnation> to;
    try {
      to = current();
    } catch (const engine_error& error) {
      return answer(error, {});
    }
    if (to->queue() == nullptr) {
      return answer(engine_error(engine_errc::unavailable, "the data directory was opened for inspection only"), {});
    }
    const partition_id partition = known_partition ? *known_partition : to->partition_of(event.workflow_id());
    if (partition.value >= to->partitions()) {
      return answer(engine_error(engine_errc::not_found, "the token is of another data directory"), {});
    }
    if (to->queue()->backlog(partition) > max_partition_backlog) {
      return answer(engine_error(engine_errc::overloaded, "too many requests are waiting; try again in a moment"), {});
    }
    const std::uint64_t token = waiters_.expect_answer(std::move(answer));
    if (token == 0) return;
    event.set_reply_token(token);
    if (to->queue()->publish(partition, std::make_shared<messages::DecisionEvent>(std::move(event)))) return;
    waiters_.on_answer(token, {actors::answer::outcome::unavailable, {}, {}, false, "the engine is stopping"});
  }

  actors::answer request_and_wait(requests::activity_request&& request) {
    return request_and_wait(std::move(request.event), request.to);
  }

  actors::answer request_and_wait(messages::DecisionEvent&& event, std::optional<partition_id> partition = {}) {
    auto promise = std::make_shared<std::promise<actors::answer>>();
    auto future = promise->get_future();
    request(std::move(event), [promise](std::optional<engine_error> error, actors::answer&& answer) {
      if (error) return promise->set_exception(std::make_exception_ptr(*error));
      if (answer.what != actors::answer::outcome::accepted) {
        return promise->set_exception(std::make_exception_ptr(requests::error_of(answer)));
      }
      promise->set_value(std::move(answer));
    }, partition);
    return future.get();
  }

  payload query(actors::query_request&& query) {
    const auto now = current();
    if (now->queue() == nullptr) {
      return inspection::query(now->store(), definitions_, now->partition_of(query.workflow_id), query);
    }
    auto promise = std::make_shared<std::promise<actors::answer>>();
    auto future = promise->get_future();
    query.what.token = waiters_.expect_answer([promise](std::optional<engine_error> error, actors::answer&& answer) {
      if (error) return promise->set_exception(std::make_exception_ptr(*error));
      promise->set_value(std::move(answer));
    });
    actors::query_request again = query;
    if (query.what.token != 0 && !now->query(std::move(query))) {
      waiters_.on_answer(again.what.token, {actors::answer::outcome::unavailable, {}, {}, false, "the engine is stopping"});
    }
    actors::answer answer = future.get();
    if (answer.what == actors::answer::outcome::accepted) return workflow::from_message(*answer.code->result);
    if (answer.what == actors::answer::outcome::closed) {
      return inspection::query(now->store(), definitions_, now->partition_of(again.workflow_id), again);
    }
    throw requests::error_of(answer);
  }

  /// Registers first and looks then, so that an end in between is not missed.
  std::uint64_t wait(const std::string& workflow_id, waiters::end_callback callback) {
    const std::uint64_t ticket = waiters_.expect_end(workflow_id, std::move(callback));
    if (ticket != 0) look_for_end(workflow_id, ticket);
    return ticket;
  }

  /// Tells the waiting caller where the execution has ended already, or is unknown.
  void look_for_end(const std::string& workflow_id, std::uint64_t ticket) {
    const auto answer = [&](std::optional<engine_error> error, execution_end end) {
      if (auto mine = waiters_.withdraw_end(workflow_id, ticket)) mine(std::move(error), std::move(end));
    };
    try {
      const auto now = current();
      const partition_id partition = now->partition_of(workflow_id);
      const messages::InstanceHeader header = inspection::existing_header(now->store(), partition, workflow_id);
      if (const auto end = inspection::find_end(now->store(), partition, header)) {
        answer(std::nullopt, to_execution_end(*end));
      }
    } catch (const engine_error& error) {
      answer(error, {});
    }
  }

  registry definitions_;
  engine_options options_;
  std::unique_ptr<evermill::clock> clock_;
  std::unique_ptr<random_source> random_;
  waiters waiters_;
  std::optional<supervisor> supervisor_;
};

engine::engine(registry registry, engine_options options)
    : impl_(std::make_unique<impl>(std::move(registry), std::move(options))) {}
engine::~engine() = default;

const registry& engine::definitions() const noexcept { return impl_->definitions_; }

started_execution engine::start(std::string_view workflow_type, payload input, start_options options) {
  actors::answer answer = impl_->request_and_wait(
      requests::start(impl_->definitions_, *impl_->random_, workflow_type, std::move(input), std::move(options)));
  return {std::move(answer.workflow_id), std::move(answer.run_id), answer.existed};
}

void engine::start(std::string_view workflow_type, payload input, start_options options,
                   std::function<void(std::optional<engine_error>, started_execution)> answer) {
  impl_->request(requests::start(impl_->definitions_, *impl_->random_, workflow_type, std::move(input), std::move(options)),
                 [answer = std::move(answer)](std::optional<engine_error> error, actors::answer&& what) {
                   if (!error && what.what != actors::answer::outcome::accepted) error = requests::error_of(what);
                   answer(std::move(error), {std::move(what.workflow_id), std::move(what.run_id), what.existed});
                 });
}

void engine::execute(std::string_view workflow_type, payload input, start_options options,
                     std::function<void(std::optional<engine_error>, execution_end)> ended) {
  messages::DecisionEvent event =
      requests::start(impl_->definitions_, *impl_->random_, workflow_type, std::move(input), std::move(options));
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
  impl_->request(std::move(event), [call, ticket, impl = impl_.get()](std::optional<engine_error> error, actors::answer&& what) {
    if (!error && what.what == actors::answer::outcome::accepted && !what.code) return;  // it is being done
    impl->waiters_.withdraw_update(ticket);
    if (!error && !what.code) error = requests::error_of(what);
    call->end(std::move(error), what.what == actors::answer::outcome::accepted, what.code ? *what.code : actors::code_result{});
  });
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

execution_description engine::describe(std::string_view workflow_id) const {
  const auto now = impl_->current();
  return inspection::describe(now->store(), now->partition_of(workflow_id), workflow_id);
}

std::vector<listed_execution> engine::list(std::string_view after, std::size_t limit) const {
  const auto now = impl_->current();
  std::vector<listed_execution> found;
  std::uint32_t partition = after.empty() ? 0 : now->partition_of(after).value;
  for (std::string from(after); partition < now->partitions() && found.size() < limit; ++partition, from.clear()) {
    const partition_id id(static_cast<std::uint16_t>(partition));
    for (auto& row : inspection::list(now->store(), id, from, limit - found.size())) found.push_back(std::move(row));
  }
  return found;
}

std::vector<history_event> engine::history(std::string_view workflow_id, std::uint64_t from_seq,
                                           std::size_t limit) const {
  const auto now = impl_->current();
  return inspection::history(now->store(), now->partition_of(workflow_id), workflow_id, from_seq, limit);
}

std::vector<human_task_summary> engine::human_tasks(const human_task_filter& filter, std::string_view after,
                                                    std::size_t limit) const {
  const auto now = impl_->current();
  const human_task_place last = after.empty() ? human_task_place() : parse_human_task_id(after);
  run_number run = last.run;
  event_seq created = last.created;
  std::vector<human_task_summary> found;
  std::uint32_t partition = after.empty() ? 0 : now->partition_of(last.workflow_id).value;
  for (; partition < now->partitions() && found.size() < limit; ++partition, run = {}, created = {}) {
    const partition_id id(static_cast<std::uint16_t>(partition));
    for (auto& task : inspection::human_tasks(now->store(), id, filter, run, created, limit - found.size())) {
      found.push_back(std::move(task));
    }
  }
  return found;
}

human_task_description engine::describe_human_task(std::string_view task_id) const {
  const auto now = impl_->current();
  const human_task_place task = parse_human_task_id(task_id);
  return inspection::describe_human_task(now->store(), now->partition_of(task.workflow_id), task);
}

void engine::claim_human_task(std::string_view task_id, std::string_view by, bool force) {
  impl_->request_and_wait(
      requests::assign(parse_human_task_id(task_id), messages::HumanTaskAssigned::CLAIMED, by, by, force));
}

void engine::release_human_task(std::string_view task_id, std::string_view by, bool force) {
  impl_->request_and_wait(
      requests::assign(parse_human_task_id(task_id), messages::HumanTaskAssigned::RELEASED, by, "", force));
}

void engine::delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee, bool force) {
  impl_->request_and_wait(
      requests::assign(parse_human_task_id(task_id), messages::HumanTaskAssigned::DELEGATED, by, assignee, force));
}

void engine::complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) {
  check_answer(describe_human_task(task_id).form_schema, answer);
  impl_->request_and_wait(requests::complete(parse_human_task_id(task_id), by, std::move(answer), force));
}

std::vector<lock_description> engine::locks(std::string_view after, std::size_t limit) const {
  const auto now = impl_->current();
  std::vector<lock_description> found;
  std::uint32_t partition = after.empty() ? 0 : now->partition_of(after).value;
  for (std::string from(after); partition < now->partitions() && found.size() < limit; ++partition, from.clear()) {
    const partition_id id(static_cast<std::uint16_t>(partition));
    for (auto& lock : inspection::locks(now->store(), id, from, limit - found.size())) found.push_back(std::move(lock));
  }
  return found;
}

std::shared_ptr<void> engine::follow(std::string_view workflow_id,
                                     std::function<void(const execution_progress&)> on_progress) {
  return impl_->waiters_.follow(std::string(workflow_id),
                                [on_progress = std::move(on_progress)](const actors::durable_turn& turn) {
                                  const timestamp time = from_micros(turn.record.time_us());
                                  std::uint64_t seq = turn.first.value;
                                  for (const messages::Event& event : turn.record.events()) {
                                    on_progress({turn.workflow_id,
                                                 {seq, event_type(event), time, event_json(seq, time, event)}});
                                    ++seq;
                                  }
                                });
}

engine_statistics engine::statistics() const {
  const auto now = impl_->current();
  const actors::partition_statistics partitions = now->statistics();
  const storage::store_statistics store = now->store().statistics();
  return {.turns = partitions.turns,
          .activities_completed = partitions.activities_closed,
          .late_results = partitions.late_results,
          .commits = store.commits,
          .syncs = store.syncs,
          .bytes_written = store.bytes_written,
          .bytes_on_disk = store.bytes_on_disk,
          .live_instances = partitions.live_instances,
          .durability = now->store().durable() ? "fsync" : "none"};
}

void engine::compact() { must(impl_->current()->store().compact()); }

}  // namespace evermill
