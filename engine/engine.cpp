#include "evermill/engine.hpp"

#include <spdlog/logger.h>

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "actors/node.hpp"
#include "actors/run.hpp"
#include "base/text.hpp"
#include "engine/history_json.hpp"
#include "engine/waiters.hpp"
#include "plugins/queue/memory/memory_queue.hpp"
#include "plugins/task/native/native_backend.hpp"
#include "plugins/task/shell/shell_backend.hpp"
#include "storage/journal.hpp"
#include "storage/memory_store.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rows.hpp"
#include "workflow/conversions.hpp"

namespace evermill {
namespace {

constexpr std::uint16_t max_partitions = 4096;
constexpr std::size_t max_partition_backlog = 100'000;
constexpr unsigned native_threads_per_core = 4;
constexpr unsigned min_native_threads = 8;

[[noreturn]] void fail(const storage::storage_error& error) {
  throw engine_error(error.code == storage::storage_errc::locked ? engine_errc::locked : engine_errc::storage,
                     error.message);
}

template <class T>
T must(storage::storage_result<T>&& result) {
  if (!result) fail(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

unsigned cores() { return std::max(1u, std::thread::hardware_concurrency()); }

void check_name(std::string_view what, std::string_view name) {
  if (const auto why = why_no_name(name)) {
    throw engine_error(engine_errc::invalid_argument, "the " + std::string(what) + " " + *why);
  }
}

std::string blocked_name(const messages::Blocked& blocked) {
  if (blocked.reason() == messages::Blocked::STUCK) return "stuck";
  return blocked.reason() == messages::Blocked::UNSERVED ? "unserved" : "";
}

engine_error error_of(const actors::answer& answer) {
  using outcome = actors::answer::outcome;
  const engine_errc code = answer.what == outcome::already_exists ? engine_errc::already_exists
                           : answer.what == outcome::not_found    ? engine_errc::not_found
                           : answer.what == outcome::closed       ? engine_errc::closed
                                                                  : engine_errc::unavailable;
  return {code, answer.message};
}

log make_log(const engine_options& options) { return options.logger ? log(options.logger) : make_stderr_log("warning"); }

std::unique_ptr<storage::key_value_store> open_store(const engine_options& options) {
  if (options.data_directory.empty()) return storage::make_memory_store();
  storage::rocksdb_options store;
  store.directory = options.data_directory;
  store.sync = options.sync;
  store.block_cache_bytes = options.cache_bytes / 2;
  store.memtable_bytes = std::max<std::size_t>(options.cache_bytes / 2, 16u << 20);
  return must(storage::open_rocksdb_store(store));
}

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

class engine::impl {
 public:
  impl(registry definitions, engine_options options)
      : definitions_(std::move(definitions)),
        options_(std::move(options)),
        lines_(make_log(options_)),
        clock_(make_system_clock()),
        random_(make_system_random()),
        store_(open_store(options_)) {
    if (options_.partitions > max_partitions) {
      throw engine_error(engine_errc::invalid_argument, "more than " + std::to_string(max_partitions) + " partitions");
    }
    description_ = must(boot());
    const boot_number boot(description_.boot_number());
    queue_ = queue::make_memory_queue(boot, description_.partition_count());
    const auto report = [this](tasks::attempt_end&& end) { actors::node::publish_attempt_end(*queue_, std::move(end)); };
    tasks::native_options native;
    native.threads = options_.native_threads != 0 ? options_.native_threads
                                                  : std::max(min_native_threads, native_threads_per_core * cores());
    native.time = clock_.get();
    native_ = tasks::make_native_backend(definitions_, native, report);
    tasks::shell_options shell;
    shell.max_processes = options_.shell_processes != 0 ? options_.shell_processes : cores();
    shell.time = clock_.get();
    shell_ = tasks::make_shell_backend(shell, report);
    start_node(boot);
  }

  ~impl() {
    node_->drain();
    native_->stop(options_.stop_grace);
    shell_->stop(options_.stop_grace);
    node_->finish(std::max<std::chrono::milliseconds>(options_.stop_grace, std::chrono::milliseconds(1000)));
    node_.reset();
    waiters_.fail({engine_errc::unavailable, "the engine was stopped"});
  }

  partition_id partition_of(std::string_view workflow_id) const {
    return actors::partition_of(workflow_id, static_cast<std::uint16_t>(description_.partition_count()));
  }

  /// Publishes a request from outside; refused while its partition has too much to do.
  void request(messages::DecisionEvent&& event, waiters::answer_callback answer) {
    const partition_id partition = partition_of(event.workflow_id());
    if (queue_->backlog(partition) > max_partition_backlog) {
      return answer(engine_error(engine_errc::overloaded, "too many requests are waiting; try again in a moment"), {});
    }
    const std::uint64_t token = waiters_.expect_answer(std::move(answer));
    if (token == 0) return;
    event.set_reply_token(token);
    if (queue_->publish(partition, std::make_shared<messages::DecisionEvent>(std::move(event)))) return;
    waiters_.on_answer(token, {actors::answer::outcome::unavailable, {}, {}, false, "the engine is stopping"});
  }

  actors::answer request_and_wait(messages::DecisionEvent&& event) {
    auto promise = std::make_shared<std::promise<actors::answer>>();
    auto future = promise->get_future();
    request(std::move(event), [promise](std::optional<engine_error> error, actors::answer&& answer) {
      if (error) return promise->set_exception(std::make_exception_ptr(*error));
      if (answer.what != actors::answer::outcome::accepted) {
        return promise->set_exception(std::make_exception_ptr(error_of(answer)));
      }
      promise->set_value(std::move(answer));
    });
    return future.get();
  }

  messages::DecisionEvent make_start(std::string_view type, payload&& input, start_options&& options) const {
    if (definitions_.find_workflow(type) == nullptr) {
      std::string known;
      for (const std::string& name : definitions_.workflow_names()) known += (known.empty() ? "" : ", ") + name;
      throw engine_error(engine_errc::unknown_workflow, "no workflow named \"" + std::string(type) +
                                                            "\" is registered; there is: " +
                                                            (known.empty() ? "none" : known));
    }
    if (options.id.empty()) options.id = make_uuid(*random_);
    check_name("workflow id", options.id);
    messages::DecisionEvent event;
    event.set_workflow_id(std::move(options.id));
    auto& started = *event.mutable_event()->mutable_workflow_execution_started();
    started.set_workflow_type(std::string(type));
    started.set_run_id(make_uuid(*random_));
    workflow::to_message(std::move(input), *started.mutable_input());
    return event;
  }

  std::optional<messages::InstanceHeader> header(std::string_view workflow_id) const {
    return must(storage::find_header(*store_, partition_of(workflow_id), workflow_id));
  }

  messages::InstanceHeader existing_header(std::string_view workflow_id) const {
    if (auto found = header(workflow_id)) return std::move(*found);
    throw engine_error(engine_errc::not_found, "no execution has the workflow id \"" + std::string(workflow_id) + "\"");
  }

  /// The end of an execution that has ended, from the store.
  std::optional<execution_end> stored_end(std::string_view workflow_id) const {
    const messages::InstanceHeader found = existing_header(workflow_id);
    if (found.status() == messages::RUNNING) return std::nullopt;
    const auto turn = must(storage::read_turn(*store_, partition_of(workflow_id), run_number(found.run_number()),
                                              event_seq(found.closing_turn_seq())));
    return to_execution_end(turn.record.events(turn.record.events_size() - 1));
  }

  /// Registers first and looks then, so that an end in between is not missed.
  std::uint64_t wait(const std::string& workflow_id, waiters::end_callback callback) {
    const std::uint64_t ticket = waiters_.expect_end(workflow_id, std::move(callback));
    if (ticket == 0) return 0;
    try {
      if (auto end = stored_end(workflow_id)) {
        if (auto mine = waiters_.withdraw_end(workflow_id, ticket)) mine(std::nullopt, std::move(*end));
      }
    } catch (const engine_error& error) {
      if (auto mine = waiters_.withdraw_end(workflow_id, ticket)) mine(error, {});
    }
    return ticket;
  }

  registry definitions_;
  engine_options options_;
  log lines_;
  std::unique_ptr<evermill::clock> clock_;
  std::unique_ptr<random_source> random_;
  std::unique_ptr<storage::key_value_store> store_;
  messages::StoreDescription description_;
  waiters waiters_;
  std::unique_ptr<queue::decision_queue> queue_;
  std::unique_ptr<tasks::native_backend> native_;
  std::unique_ptr<tasks::task_backend> shell_;
  std::unique_ptr<actors::node> node_;

 private:
  storage::storage_result<messages::StoreDescription> boot() {
    const auto make_id = [this] { return make_uuid(*random_); };
    return storage::boot_store(*store_, options_.partitions, make_id);
  }

  void start_node(boot_number boot) {
    actors::node_parts parts;
    parts.store = store_.get();
    parts.queue = queue_.get();
    parts.time = clock_.get();
    parts.random = random_.get();
    parts.definitions = &definitions_;
    parts.backends = {native_.get(), shell_.get()};
    parts.run_step = [this](std::function<void()> step) { native_->run_function(std::move(step)); };
    parts.listener = &waiters_;
    parts.lines = lines_;
    actors::node_options node;
    node.boot = boot;
    node.partitions = static_cast<std::uint16_t>(description_.partition_count());
    node.workflow_threads = options_.workflow_threads;
    node.passivate_after = options_.passivate_after;
    node.live_instances_per_partition = options_.live_instances_per_partition;
    try {
      node_ = std::make_unique<actors::node>(std::move(parts), node);
    } catch (const std::runtime_error& error) {
      native_->stop(options_.stop_grace);
      shell_->stop(options_.stop_grace);
      throw engine_error(engine_errc::storage, error.what());
    }
  }
};

engine::engine(registry registry, engine_options options)
    : impl_(std::make_unique<impl>(std::move(registry), std::move(options))) {}
engine::~engine() = default;

const registry& engine::definitions() const noexcept { return impl_->definitions_; }

started_execution engine::start(std::string_view workflow_type, payload input, start_options options) {
  actors::answer answer =
      impl_->request_and_wait(impl_->make_start(workflow_type, std::move(input), std::move(options)));
  return {std::move(answer.workflow_id), std::move(answer.run_id), answer.existed};
}

void engine::start(std::string_view workflow_type, payload input, start_options options,
                   std::function<void(std::optional<engine_error>, started_execution)> answer) {
  impl_->request(impl_->make_start(workflow_type, std::move(input), std::move(options)),
                 [answer = std::move(answer)](std::optional<engine_error> error, actors::answer&& what) {
                   if (!error && what.what != actors::answer::outcome::accepted) error = error_of(what);
                   answer(std::move(error), {std::move(what.workflow_id), std::move(what.run_id), what.existed});
                 });
}

void engine::signal(std::string_view workflow_id, std::string_view signal_name, payload input) {
  check_name("workflow id", workflow_id);
  check_name("signal name", signal_name);
  messages::DecisionEvent event;
  event.set_workflow_id(std::string(workflow_id));
  auto& signaled = *event.mutable_event()->mutable_workflow_execution_signaled();
  signaled.set_signal_name(std::string(signal_name));
  workflow::to_message(std::move(input), *signaled.mutable_input());
  impl_->request_and_wait(std::move(event));
}

void engine::cancel(std::string_view workflow_id, std::string_view reason) {
  check_name("workflow id", workflow_id);
  messages::DecisionEvent event;
  event.set_workflow_id(std::string(workflow_id));
  event.mutable_event()->mutable_workflow_execution_cancel_requested()->set_reason(to_utf8(std::string(reason)));
  impl_->request_and_wait(std::move(event));
}

void engine::terminate(std::string_view workflow_id, std::string_view reason) {
  check_name("workflow id", workflow_id);
  messages::DecisionEvent event;
  event.set_workflow_id(std::string(workflow_id));
  event.mutable_terminate()->set_reason(to_utf8(std::string(reason)));
  impl_->request_and_wait(std::move(event));
}

void engine::taint(std::string_view workflow_id) {
  check_name("workflow id", workflow_id);
  messages::DecisionEvent event;
  event.set_workflow_id(std::string(workflow_id));
  event.mutable_taint();
  impl_->request_and_wait(std::move(event));
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
  const messages::InstanceHeader header = impl_->existing_header(workflow_id);
  const partition_id partition = impl_->partition_of(workflow_id);
  const run_number run(header.run_number());
  execution_description about;
  about.workflow_id = std::string(workflow_id);
  about.run_id = header.run_id();
  about.workflow_type = header.workflow_type();
  about.status = static_cast<execution_status>(header.status());
  about.blocked = blocked_name(header.blocked());
  about.blocked_message = header.blocked().message();
  about.blocked_at_event = header.blocked().event_seq();
  about.started_at = from_micros(header.started_us());
  about.closed_at = from_micros(header.closed_us());
  about.partition = partition.value;

  actors::open_commands open;
  std::map<event_seq, std::string> types;
  storage::journal_reader reader(*impl_->store_, partition, run);
  storage::stored_turn turn;
  while (must(reader.next(turn))) {
    std::uint64_t seq = turn.first.value;
    for (const messages::Event& event : turn.record.events()) {
      if (event.has_activity_task_scheduled()) types[event_seq(seq)] = event.activity_task_scheduled().activity_type();
      open.apply(event_seq(seq++), turn.first, event);
    }
    about.events = turn.last().value;
  }
  if (about.status != execution_status::running) return about;
  for (const auto& [seq, activity] : open.activities) {
    about.activities.push_back({.scheduled_seq = seq.value, .activity_type = types[seq]});
  }
  for (const auto& [seq, fire_at] : open.timers) about.timers.push_back({seq.value, fire_at});
  if (const auto rows = must(storage::find_open_work(*impl_->store_, partition, run))) {
    for (const auto& [seq, row] : rows->activities) {
      for (auto& activity : about.activities) {
        if (activity.scheduled_seq != seq.value) continue;
        activity.attempt = row.attempt();
        activity.not_before = from_micros(row.not_before_us());
        if (row.has_last_failure()) activity.last_failure = workflow::from_message(row.last_failure());
      }
    }
  }
  return about;
}

std::vector<listed_execution> engine::list(std::string_view after, std::size_t limit) const {
  std::vector<listed_execution> found;
  std::uint16_t partition = after.empty() ? 0 : impl_->partition_of(after).value;
  for (std::string from(after); partition < impl_->description_.partition_count(); ++partition, from.clear()) {
    for (auto& row : must(storage::list_instances(*impl_->store_, partition_id(partition), from, limit - found.size()))) {
      found.push_back({std::move(row.workflow_id), row.header.run_id(), row.header.workflow_type(),
                       static_cast<execution_status>(row.header.status()), blocked_name(row.header.blocked()),
                       from_micros(row.header.started_us()), from_micros(row.header.closed_us())});
    }
    if (found.size() >= limit) break;
  }
  return found;
}

std::vector<history_event> engine::history(std::string_view workflow_id, std::uint64_t from_seq,
                                           std::size_t limit) const {
  const messages::InstanceHeader header = impl_->existing_header(workflow_id);
  storage::journal_reader reader(*impl_->store_, impl_->partition_of(workflow_id), run_number(header.run_number()));
  std::vector<history_event> events;
  storage::stored_turn turn;
  while (events.size() < limit && must(reader.next(turn))) {
    if (turn.last().value < from_seq) continue;
    const timestamp time = from_micros(turn.record.time_us());
    std::uint64_t seq = turn.first.value;
    for (const messages::Event& event : turn.record.events()) {
      const std::uint64_t number = seq++;
      if (number < from_seq || events.size() >= limit) continue;
      events.push_back({number, event_type(event), time, event_json(number, time, event)});
    }
  }
  return events;
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
  const actors::partition_statistics partitions = impl_->node_->statistics();
  const storage::store_statistics store = impl_->store_->statistics();
  return {.turns = partitions.turns,
          .activities_completed = partitions.activities_closed,
          .late_results = partitions.late_results,
          .commits = store.commits,
          .syncs = store.syncs,
          .bytes_written = store.bytes_written,
          .bytes_on_disk = store.bytes_on_disk,
          .live_instances = partitions.live_instances,
          .durability = impl_->store_->durable() ? "fsync" : "none"};
}

void engine::compact() { must(impl_->store_->compact()); }

}  // namespace evermill
