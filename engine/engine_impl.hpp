// What an engine is made of; for engine.cpp and engine_reads.cpp.
#pragma once

#include <spdlog/logger.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "actors/node.hpp"
#include "engine/activity_requests.hpp"
#include "engine/command_ingress.hpp"
#include "engine/declared_namespaces.hpp"
#include "engine/human_tasks.hpp"
#include "engine/incarnation.hpp"
#include "engine/inspection.hpp"
#include "engine/requests.hpp"
#include "engine/span_export.hpp"
#include "engine/supervisor.hpp"
#include "engine/waiters.hpp"
#include "evermill/engine.hpp"
#include "interpreter/workflows.hpp"
#include "plugins/queue/open_broker.hpp"
#include "workflow/conversions.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill {

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

  bool ended() {
    std::lock_guard lock(mutex_);
    return !done_;
  }

 private:
  const std::string name_;
  std::mutex mutex_;
  callback done_;
};

class engine::impl {
 public:
  static void check(const engine_options& options) {
    if (options.accept_workers && options.mode != engine_mode::run) {
      throw engine_error(engine_errc::invalid_argument, "workers connect to an engine that runs workflows");
    }
    if (!options.commands.read || (options.mode == engine_mode::run && !options.queue.empty())) return;
    throw engine_error(engine_errc::invalid_argument, "commands are read from a queue, by an engine that runs its share of the work");
  }
  /// One logger for all parts, so that its level can be changed.
  static engine_options with_logger(engine_options&& options) {
    if (!options.logger) options.logger = make_stderr_log("warning").sink();
    return std::move(options);
  }
  static log make_log(const engine_options& options) { return log(options.logger); }

  impl(registry definitions, engine_options options)
      : definitions_(interpreter::with_workflows(definitions)),
        options_((check(options), with_logger(std::move(options)))),
        namespaces_(options_.namespaces),
        clock_(make_system_clock()),
        random_(make_system_random()),
        workers_(make_workers()),
        deciders_(make_deciders()),
        exporter_(make_span_exporter(options_, make_log(options_))),
        exporter_shown_(exporter_ ? counts_.shown.collect([this](metrics::scrape& into) { exporter_->collect(into); })
                                  : metrics::registry::registration()),
        connected_shown_(workers_ ? counts_.shown.collect([this](metrics::scrape& into) {
          collect_workers(workers_->load(), into);
          collect_deciders(deciders_->load(), into);
        }) : metrics::registry::registration()),
        supervisor_(std::in_place,
                    engine_surroundings{&definitions_, &options_, clock_.get(), random_.get(), &counts_, &tails_,
                                        workers_.get(), deciders_.get(), &namespaces_, exporter_.get(), make_log(options_)},
                    waiters_) {
    if (options_.commands.read) read_commands();
  }

  ~impl() {
    ingress_.reset();
    {
      const std::lock_guard lock(polling_);
      closed_ = true;
    }
    supervisor_.reset();  // answers what becomes durable on the way
    waiters_.stop({engine_errc::unavailable, "the engine was stopped"});
  }

  std::shared_ptr<incarnation> current() const { return supervisor_->current(); }

  /// Publishes a request from outside; refused while its partition has too much to do.
  void request(messages::DecisionEvent&& event, waiters::answer_callback answer,
               std::optional<partition_id> known_partition = {}) {
    std::shared_ptr<incarnation> to;
    try {
      namespaces_.admit(event, clock_->now());
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
    const queue::backlog_size before = to->queue()->backlog(partition);
    if (before.items > options_.max_waiting_requests || before.bytes > options_.max_waiting_bytes) {
      return answer(engine_error(engine_errc::overloaded, "too many requests are waiting; try again in a moment"), {});
    }
    const std::uint64_t token = waiters_.expect_answer(partition, std::move(answer));
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
    const partition_id partition = now->partition_of(query.workflow_id);
    if (now->queue() == nullptr) return inspection::query(now->store(), definitions_, partition, query);
    const actors::answer answer = now->has(partition) ? ask_here(*now, query) : now->shared()->query(query, partition);
    if (answer.what == actors::answer::outcome::accepted) return workflow::from_message(*answer.code->result);
    if (answer.what == actors::answer::outcome::closed) {
      return inspection::query(*now->rows(partition), definitions_, partition, query);
    }
    throw requests::error_of(answer);
  }

  /// What a start of the type is checked against. Null: this process runs none, or workers decide executions of the type.
  const registry* known_workflows(std::string_view type, const start_options& how) const {
    if (options_.mode == engine_mode::client) return nullptr;
    const bool may_be_remote = deciders_ && definitions_.find_workflow(type) == nullptr && !workflow::locks::is_reserved(type);
    return may_be_remote && is_remote(namespaces::name_of(how.id), std::string(type), how.version) ? nullptr : &definitions_;
  }

  /// Is a worker there that decides executions of the type in the namespace, or are there executions?
  bool is_remote(std::string_view name_space, const std::string& type, const std::string& version) const {
    if (type.empty()) return false;
    if (deciders_->find(name_space, type, version) != nullptr) return true;
    storage::execution_query of_type;
    of_type.name_space = namespaces::prefix_of(name_space);
    of_type.workflow_type = type;
    const auto found = current()->find_executions(of_type, std::nullopt, 1);
    return std::any_of(found.begin(), found.end(), [](const storage::executions_page& each) { return !each.rows.empty(); });
  }

  actors::answer ask_here(const incarnation& now, actors::query_request query) {
    auto promise = std::make_shared<std::promise<actors::answer>>();
    auto future = promise->get_future();
    const auto done = [promise](std::optional<engine_error> error, actors::answer&& answer) {
      if (error) return promise->set_exception(std::make_exception_ptr(*error));
      promise->set_value(std::move(answer));
    };
    const std::uint64_t token = waiters_.expect_answer(now.partition_of(query.workflow_id), done);
    query.what.token = token;
    if (token != 0 && !now.query(std::move(query))) {
      waiters_.on_answer(token, {actors::answer::outcome::unavailable, {}, {}, false, "the engine is stopping"});
    }
    return future.get();
  }

  /// Where another process does the update, its end is asked for, again and again: the same update is done once.
  void request_update(messages::DecisionEvent&& event, const std::shared_ptr<update_call>& call, std::uint64_t ticket,
                      std::chrono::milliseconds again_after = first_update_poll) {
    const auto again = std::make_shared<messages::DecisionEvent>(event);
    request(std::move(event), [this, call, ticket, again, again_after](std::optional<engine_error> error, actors::answer&& what) {
      if (!error && what.what == actors::answer::outcome::accepted && !what.code) {  // it is being done
        if (is_elsewhere(again->workflow_id())) poll_update(*again, call, ticket, again_after);
        return;
      }
      waiters_.withdraw_update(ticket);
      if (!error && !what.code) error = requests::error_of(what);
      call->end(std::move(error), what.what == actors::answer::outcome::accepted, what.code ? *what.code : actors::code_result{});
    });
  }

  bool is_elsewhere(const std::string& workflow_id) const {
    try {
      const auto now = current();
      return now->shared() != nullptr && !now->has(now->partition_of(workflow_id));
    } catch (const engine_error&) {
      return false;
    }
  }

  void poll_update(const messages::DecisionEvent& event, const std::shared_ptr<update_call>& call, std::uint64_t ticket,
                   std::chrono::milliseconds after) {
    clock_->set_alarm(clock_->now() + after, [this, event, call, ticket, after] {
      const std::lock_guard lock(polling_);
      if (closed_ || call->ended()) return;
      request_update(messages::DecisionEvent(event), call, ticket, std::min(2 * after, longest_update_poll));
    });
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
      const auto rows = now->rows(partition);
      const messages::InstanceHeader header = inspection::existing_header(*rows, partition, workflow_id);
      if (const auto end = inspection::find_end(*rows, partition, header)) {
        answer(std::nullopt, to_execution_end(*end));
      } else if (!now->has(partition)) {
        now->shared()->watch(workflow_id);
      }
    } catch (const engine_error& error) {
      answer(error, {});
    }
  }

  /// Of an execution that another process has: nobody tells this one of its turns.
  struct change_poll {
    std::mutex mutex;  // held while it calls
    bool ended = false;
  };

  std::shared_ptr<void> notify(const std::string& workflow_id, std::function<void()> on_change) {
    const auto call = std::make_shared<const std::function<void()>>(std::move(on_change));
    std::shared_ptr<void> told = waiters_.follow(workflow_id, [call](const actors::durable_turn&) { (*call)(); });
    if (options_.queue.empty()) return told;
    auto poll = std::make_shared<change_poll>();
    poll_changes(workflow_id, call, poll);
    return {told.get(), [told, poll](void*) mutable {
              const std::lock_guard lock(poll->mutex);
              poll->ended = true;
              told.reset();
            }};
  }

  void poll_changes(const std::string& workflow_id, const std::shared_ptr<const std::function<void()>>& call,
                    const std::shared_ptr<change_poll>& poll) {
    clock_->set_alarm(clock_->now() + between_change_polls, [this, workflow_id, call, poll] {
      const std::lock_guard lock(poll->mutex);
      if (poll->ended) return;
      if (is_elsewhere(workflow_id)) (*call)();
      const std::lock_guard open(polling_);
      if (!closed_) poll_changes(workflow_id, call, poll);
    });
  }

  std::unique_ptr<tasks::connected_workers> make_workers() {
    if (!options_.accept_workers) return nullptr;
    return std::make_unique<tasks::connected_workers>(
        tasks::connected_workers_options{}, *clock_,
        [this](tasks::attempt_end&& end, std::function<void(bool)> durable) {
          report_worker_end(std::move(end), std::move(durable));
        },
        [this](const auto& task, std::optional<messages::Payload> details) { pass_on_heartbeat(*task, std::move(details)); },
        make_log(options_));
  }

  std::unique_ptr<deciders::connected_deciders> make_deciders() {
    if (!options_.accept_workers) return nullptr;
    deciders::connected_deciders_options how;
    how.turn_timeout = options_.turn_timeout;
    how.is_local = [this](const std::string& type) {
      return definitions_.find_workflow(type) != nullptr || workflow::locks::is_reserved(type);
    };
    return std::make_unique<deciders::connected_deciders>(std::move(how), make_uuid(*random_), *clock_, make_log(options_));
  }

  /// Only told to be durable when it is: a worker keeps it until then.
  void report_worker_end(tasks::attempt_end&& end, std::function<void(bool)> durable) {
    const partition_id partition(static_cast<std::uint16_t>(end.task->partition()));
    const auto told = [this, durable, id = tasks::dispatch_id_of(*end.task)](std::optional<engine_error> error, actors::answer&& what) {
      const bool is_taken = !error && what.what != actors::answer::outcome::unavailable;
      if (is_taken) acknowledge_worker_end(id);
      durable(is_taken);
    };
    std::shared_ptr<incarnation> to;
    try {
      to = current();
    } catch (const engine_error&) {
      return durable(false);
    }
    const std::uint64_t token = waiters_.expect_answer(partition, told);
    if (token == 0 || to->on_worker_end(std::move(end), token)) return;
    waiters_.on_answer(token, {actors::answer::outcome::unavailable, {}, {}, false, "the engine is stopping"});
  }

  void acknowledge_worker_end(const tasks::dispatch_id& id) {
    try {
      current()->on_worker_end_acknowledged(id);
    } catch (const engine_error&) {
      // The store is opened anew, and nobody has the attempt in mind.
    }
  }

  void pass_on_heartbeat(const messages::ActivityTask& task, std::optional<messages::Payload> details) {
    try {
      current()->on_worker_heartbeat(task, std::move(details));
    } catch (const engine_error&) {
      // The store is opened anew: the attempt is adopted then, and heard of again.
    }
  }

  void read_commands() {
    const log lines = make_log(options_);
    auto broker = queue::open_broker(options_.queue, lines);
    if (!broker) throw engine_error(engine_errc::invalid_argument, broker.error().message);
    commands::ingress_options how;
    how.partitions = current()->partitions();
    how.token = options_.commands.token;
    ingress_ = std::make_unique<commands::ingress>(
        std::move(how), std::move(*broker), *clock_, *random_, [this](partition_id id) { return runs(id); },
        [this](messages::DecisionEvent&& event, commands::on_request_done done) { request(std::move(event), std::move(done)); },
        counts_.cluster.commands, lines);
  }

  bool runs(partition_id id) const {
    try {
      return current()->has(id);
    } catch (const engine_error&) {
      return false;
    }
  }

  static constexpr std::chrono::milliseconds between_change_polls{1'000};
  static constexpr std::chrono::milliseconds first_update_poll{50};
  static constexpr std::chrono::milliseconds longest_update_poll{2'000};

  std::mutex polling_;  // with closed_: for the clock's alarms, which may ring until it goes
  bool closed_ = false;
  registry definitions_;
  engine_options options_;
  declared_namespaces namespaces_;
  std::unique_ptr<evermill::clock> clock_;
  std::unique_ptr<random_source> random_;
  engine_metrics counts_{EVERMILL_VERSION};
  tasks::output_tails tails_;
  waiters waiters_;
  std::unique_ptr<tasks::connected_workers> workers_;  ///< null: none are accepted
  std::unique_ptr<deciders::connected_deciders> deciders_;  ///< null: the same
  std::unique_ptr<tracing::otlp_exporter> exporter_;   ///< null: nobody is told of spans. Goes after the supervisor, whose last ones it sends
  metrics::registry::registration exporter_shown_;
  metrics::registry::registration connected_shown_;  ///< the workers
  std::optional<supervisor> supervisor_;
  std::unique_ptr<commands::ingress> ingress_;  ///< null: no commands are read
};

}  // namespace evermill
