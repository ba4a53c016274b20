#include "engine/incarnation.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "engine/declared_namespaces.hpp"
#include "engine/names.hpp"
#include "engine/publishing.hpp"
#include "plugins/queue/memory/memory_queue.hpp"
#include "storage/memory_store.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rows.hpp"

namespace evermill {
namespace {

constexpr std::uint16_t max_partitions = 4096;
constexpr std::size_t min_memtable_bytes = 16u << 20;
constexpr std::chrono::milliseconds min_finish_limit{1000};
constexpr std::chrono::milliseconds publish_finish_limit{2000};
constexpr std::chrono::milliseconds min_session_timeout{1000};

unsigned cores() { return std::max(1u, std::thread::hardware_concurrency()); }

std::unique_ptr<storage::key_value_store> open_store(const engine_options& options, const log& lines) {
  if (options.data_directory.empty()) return storage::make_memory_store();
  storage::rocksdb_options store;
  store.directory = options.data_directory;
  store.read_only = options.mode == engine_mode::inspect;
  store.sync = options.sync && options.queue.empty();  // a copy of what lies elsewhere need not survive a power cut
  store.lines = lines;
  store.block_cache_bytes = options.cache_bytes / 2;
  store.memtable_bytes = std::max(options.cache_bytes / 2, min_memtable_bytes);
  auto opened = storage::open_rocksdb_store(store);
  std::error_code ignored;
  const bool interrupted_first_start = !opened && opened.error().code == storage::storage_errc::missing &&
                                       std::filesystem::exists(options.data_directory / "CURRENT", ignored);
  if (interrupted_first_start) return storage::make_memory_store();  // to be inspected: there is nothing in it
  return must(std::move(opened));
}

std::vector<tasks::task_queue_limits> limits_of(const std::vector<task_queue_options>& queues) {
  std::vector<tasks::task_queue_limits> limits;
  std::set<std::string> names;
  const auto refuse = [](const task_queue_options& queue, const std::string& why) {
    throw engine_error(engine_errc::invalid_argument, "task queue \"" + queue.name + "\" " + why);
  };
  for (const task_queue_options& queue : queues) {
    check_name("name of a task queue", queue.name);
    if (!names.insert(queue.name).second) refuse(queue, "is given twice");
    if (!(queue.rate_per_second >= 0)) refuse(queue, "has a negative rate");
    if (queue.burst == 0) refuse(queue, "has a burst of 0: with a rate, at least 1 attempt must be able to start");
    limits.push_back({queue.name, queue.concurrency, queue.rate_per_second, queue.burst});
  }
  return limits;
}

}  // namespace

/// Takes what the node tells to whom it concerns, here or elsewhere.
class incarnation::shared_listener final : public actors::node_listener {
 public:
  shared_listener(cluster_node& cluster, actors::node_listener& here) : cluster_(cluster), here_(here) {}
  void on_answer(std::uint64_t token, actors::answer&& what) override {
    if (!cluster_.pass_on(token, what)) here_.on_answer(token, std::move(what));
  }
  void on_ended(actors::ended_execution&& what) override {
    cluster_.pass_on(what);
    here_.on_ended(std::move(what));
  }
  void on_update_ended(actors::ended_update&& what) override { here_.on_update_ended(std::move(what)); }
  void on_turn(actors::durable_turn&& what) override { here_.on_turn(std::move(what)); }
  bool has_followers() override { return here_.has_followers(); }
  void on_failed(partition_id partition, const std::string& why) override { here_.on_failed(partition, why); }

 private:
  cluster_node& cluster_;
  actors::node_listener& here_;
};

void throw_storage_error(const storage::storage_error& error) {
  throw engine_error(error.code == storage::storage_errc::locked ? engine_errc::locked : engine_errc::storage,
                     error.message);
}

incarnation::incarnation(const engine_surroundings& around, actors::node_listener& listener, const cluster_hooks& hooks)
    : around_(around) {
  const engine_options& options = *around_.options;
  if (options.partitions > max_partitions) {
    throw engine_error(engine_errc::invalid_argument, "more than " + std::to_string(max_partitions) + " partitions");
  }
  if (options.turn_timeout.count() < 0) throw engine_error(engine_errc::invalid_argument, "the turn timeout is negative");
  check_publish_options(options);
  if (!options.queue.empty() && options.mode != engine_mode::inspect) {
    start_shared(listener, hooks);
    if (options.mode != engine_mode::client) show();
    return;
  }
  if (options.mode == engine_mode::client) {
    throw engine_error(engine_errc::invalid_argument, "a client needs the address of a queue");
  }
  store_ = open_store(options, around_.lines);
  if (options.mode == engine_mode::inspect) {
    if (auto found = must(storage::find_description(*store_))) description_ = std::move(*found);
  } else {
    start(listener);
    show();
  }
}

/// What the store and the queue say of themselves.
void incarnation::show() {
  shown_ = around_.counts->shown.collect([this](metrics::scrape& into) {
    collect_store(*store_, into);
    describe_backlog(into);
    for (std::uint32_t n = 0; n < partitions(); ++n) {
      const partition_id id(static_cast<std::uint16_t>(n));
      if (has(id)) collect_backlog(id, publish_to_->backlog(id).items, into);
    }
  });
}

void incarnation::start(actors::node_listener& listener) {
  description_ =
      must(storage::boot_store(*store_, around_.options->partitions, [this] { return make_uuid(*around_.random); }));
  const boot_number boot(description_.boot_number());
  queue_ = queue::make_memory_queue(boot, partitions());
  publish_to_ = queue_.get();
  make_backends();
  actors::node_parts parts;
  parts.queue = queue_.get();
  parts.remote = around_.workers;
  parts.deciders = around_.deciders;
  start_node(std::move(parts), boot, listener);
}

/// A store that follows the logs of a cluster, and that cluster's alone.
void incarnation::start_shared(actors::node_listener& listener, const cluster_hooks& hooks) {
  const engine_options& options = *around_.options;
  if (options.mode == engine_mode::record) {
    throw engine_error(engine_errc::invalid_argument, "what is shared with other processes can't be recorded to; ask them, as a client");
  }
  if (options.session_timeout < min_session_timeout) {
    throw engine_error(engine_errc::invalid_argument, "a session timeout below " + std::to_string(min_session_timeout.count()) + " ms");
  }
  cluster_connection connection = connect_to_cluster(options, *around_.random, around_.lines);
  connection.broker = queue::measure(std::move(connection.broker), around_.counts->cluster.broker, *around_.time);
  const bool only_asks = options.mode == engine_mode::client;
  store_ = only_asks ? storage::make_memory_store() : open_store(options, around_.lines);
  const std::string cluster_id = connection.description.cluster_id();
  description_ = must(storage::boot_store(*store_, connection.description.partition_count(), [&] { return cluster_id; }));
  if (description_.store_id() != cluster_id) {
    throw engine_error(engine_errc::storage, "\"" + options.data_directory.string() + "\" holds no copy of the cluster at " +
                                                 connection.broker->address() + "; use another directory for it");
  }
  cluster_events events;
  events.on_answer = [&listener](std::uint64_t token, actors::answer&& what) { listener.on_answer(token, std::move(what)); };
  events.on_ended = [&listener](actors::ended_execution&& what) { listener.on_ended(std::move(what)); };
  events.on_failed = [&listener](const std::string& why) { listener.on_failed(partition_id(), why); };
  events.on_gone = [this, count = partitions(), tell = hooks.on_gone](partition_id partition, const std::string& why) {
    if (publisher_) publisher_->withdraw(partition);
    tell(partition, count, why);
  };
  events.awaited = hooks.awaited;
  cluster_ = std::make_unique<cluster_node>(std::move(connection), only_asks ? nullptr : store_.get(), *around_.time, *around_.random,
                                            options, describe_process(*around_.definitions, *around_.time), std::move(events),
                                            around_.counts->cluster, around_.lines);
  publish_to_ = &cluster_->queue();
  if (only_asks) return cluster_->start_asking();
  make_backends();
  actors::node_parts parts;
  parts.queue = &cluster_->queue();
  parts.shared_queue = &cluster_->shared_queue();
  parts.commits = &cluster_->commits();
  parts.remote = &cluster_->workers([this](tasks::attempt_end&& end) { on_attempt_end(std::move(end)); },
                                    [this](const messages::ActivityTask& task) { task_queues_->ended(task); });
  if (around_.workers != nullptr) host_workers();
  parts.deciders = around_.deciders;
  shared_listener_ = std::make_unique<shared_listener>(*cluster_, listener);
  start_node(std::move(parts), boot_number(description_.boot_number()), *shared_listener_);
  try {
    cluster_->start(*node_);
  } catch (...) {
    if (publisher_) publisher_->stop();  // it must not look for the node while that ends
    throw;
  }
  if (around_.workers == nullptr) return;
  // Last of all: they outlive an incarnation that could not be opened, and must not know it.
  around_.workers->watch_capacity([this](const std::set<std::string>& queues, std::size_t capacity) {
    cluster_->set_capacity({queues.begin(), queues.end()}, capacity);
  });
}

/// Those that are connected to this process work for all nodes.
void incarnation::host_workers() {
  tasks::connected_workers& workers = *around_.workers;
  cluster_->host_workers([&workers](std::vector<cluster::worker_agent::task_ptr>&& tasks) { workers.run(std::move(tasks)); },
                         [&workers](const tasks::dispatch_id& id, messages::AttemptCancellation::How how) {
                           switch (how) {
                             case messages::AttemptCancellation::REQUEST_STOP: return workers.request_stop(id);
                             case messages::AttemptCancellation::EXPIRE: return workers.expire(id);
                             default: return workers.cancel(id);
                           }
                         });
}

void incarnation::make_backends() {
  const engine_options& options = *around_.options;
  task_queues_ = std::make_unique<tasks::task_queues>(limits_of(options.task_queues), *around_.time);
  const auto report = [this](tasks::attempt_end&& end) {
    note_attempt_end(end);
    on_attempt_end(std::move(end));
  };
  const auto on_heartbeat = [this](const auto& task, std::optional<messages::Payload> details) {
    actors::node::publish_heartbeat(*publish_to_, *task, std::move(details));
  };
  const auto on_start = [this](const messages::ActivityTask& task) { around_.counts->attempts.started(task, around_.time->now()); };
  tasks::backend_parts parts;
  parts.definitions = around_.definitions;
  parts.native_threads = options.native_threads != 0 ? options.native_threads : tasks::default_native_threads();
  parts.processes = options.shell_processes != 0 ? options.shell_processes : cores();
  parts.containers = options.docker_containers != 0 ? options.docker_containers : tasks::default_native_threads();
  parts.docker = options.docker;
  parts.engine_id = description_.store_id();
  parts.calls = options.concurrent_calls;
  parts.time = around_.time;
  parts.lines = around_.lines;
  parts.on_heartbeat = on_heartbeat;
  parts.on_start = on_start;
  parts.tails = around_.tails;
  parts.report = report;
  try {
    parts.secrets = tasks::open_secrets(options.secrets);
    backends_ = std::make_unique<tasks::backends>(tasks::backends::names(), parts);
  } catch (const std::invalid_argument& error) {
    throw engine_error(engine_errc::invalid_argument, error.what());
  }
}

void incarnation::on_attempt_end(tasks::attempt_end&& end) {
  task_queues_->ended(*end.task);
  if (gives_up_) tasks::lose_if_canceled(end);  // by this process's end, which is no matter of the workflow's
  actors::node::publish_attempt_end(*publish_to_, std::move(end));
}

bool incarnation::runs_here(const std::string& activity_type, const std::string& task_queue) const {
  if (!around_.options->run_activities || !task_queues_->serves(task_queue)) return false;
  if (around_.workers == nullptr) return true;
  const auto& all = backends_->all();
  return std::any_of(all.begin(), all.end(), [&](const tasks::task_backend* each) { return each->serves(activity_type); });
}

bool incarnation::runs_here(const messages::ActivityTask& task) const {
  return runs_here(task.activity_type(), task.options().task_queue());
}

bool incarnation::on_worker_end(tasks::attempt_end&& end, std::uint64_t reply_token) {
  if (cluster_) {  // its task queue is the owner's to count
    if (gives_up_) tasks::lose_if_canceled(end);
    cluster_->hosted_attempt_ended(tasks::dispatch_id_of(*end.task));
  } else {
    task_queues_->ended(*end.task);
  }
  return actors::node::publish_attempt_end(*publish_to_, std::move(end), reply_token);
}

void incarnation::on_worker_end_acknowledged(const tasks::dispatch_id& id) {
  if (cluster_) cluster_->hosted_attempt_acknowledged(id);
}

void incarnation::on_worker_heartbeat(const messages::ActivityTask& task, std::optional<messages::Payload> details) {
  actors::node::publish_heartbeat(*publish_to_, task, std::move(details));
}

/// Of one that was to run here.
void incarnation::note_attempt_end(const tasks::attempt_end& end) {
  around_.counts->attempts.ended(end, around_.time->now());
  if (cluster_) cluster_->attempt_ended(*end.task);
}

void incarnation::start_node(actors::node_parts&& parts, boot_number boot, actors::node_listener& listener) {
  const engine_options& options = *around_.options;
  parts.store = store_.get();
  parts.time = around_.time;
  parts.random = around_.random;
  parts.definitions = around_.definitions;
  parts.backends = backends_->all();
  parts.task_queues = task_queues_.get();
  parts.runs_here = [this](const std::string& type, const std::string& queue) { return runs_here(type, queue); };
  parts.run_step = [this](std::function<void()> step) { backends_->native()->run_function(std::move(step)); };
  parts.listener = &listener;
  parts.lines = around_.lines;
  parts.on_dispatch = [this](const auto& tasks) {
    for (const auto& task : tasks) {
      if (!runs_here(*task)) continue;
      around_.counts->attempts.dispatched(*task);
      if (cluster_) cluster_->attempt_begins(*task);
    }
  };
  parts.on_unrun = [this](const tasks::attempt_end& end) {
    if (runs_here(*end.task)) note_attempt_end(end);
  };
  parts.metrics = &around_.counts->node;
  parts.spans = around_.spans;
  actors::node_options node;
  node.boot = boot;
  node.partitions = static_cast<std::uint16_t>(partitions());
  node.start_partitions = !cluster_;
  node.workflow_threads = options.workflow_threads;
  node.turn_timeout = options.turn_timeout;
  node.passivate_after = options.passivate_after;
  node.live_instances_per_partition = options.live_instances_per_partition;
  node.run_effects = options.mode == engine_mode::run;
  make_publisher();
  if (publisher_) {
    node.publishing = actors::publishing_mode::on;
    parts.on_publishable = [this](partition_id of, const actors::publishable_rows& rows) {
      publisher_->offer(of, rows.after, rows.through);
    };
  } else if (options.publish.to != publish_nowhere) {
    node.publishing = actors::publishing_mode::as_before;
  }
  node.publish_limit = options.publish.limit;
  node.open = around_.namespaces->open();
  node.retention = around_.namespaces->retention();
  try {
    node_ = std::make_unique<actors::node>(std::move(parts), node);
  } catch (const std::runtime_error& error) {
    abandon();
    throw engine_error(engine_errc::storage, error.what());
  }
  if (publisher_) publisher_->start();
}

void incarnation::make_publisher() {
  const auto published = [this](partition_id of, std::uint64_t through) {
    const std::shared_lock lock(node_mutex_);
    if (node_) node_->published(of, through);
  };
  publisher_ = open_publisher(*around_.options, *store_, description_, published, *around_.time, around_.lines);
}

incarnation::~incarnation() {
  if (cluster_ && around_.workers != nullptr) around_.workers->watch_capacity({});
  if (!node_) return;
  if (cluster_) cluster_->stop(around_.options->stop_grace);
  gives_up_ = cluster_ != nullptr;  // whoever has its partitions now
  node_->drain();
  for (auto& kept : task_queues_->close()) on_attempt_end({std::move(kept), 0, tasks::canceled{}});
  if (around_.workers != nullptr) around_.workers->stop(around_.options->stop_grace);
  backends_->stop(around_.options->stop_grace);
  node_->finish(std::max(around_.options->stop_grace, min_finish_limit));
  around_.counts->attempts.gone();
  if (!publisher_) return;
  publisher_->finish(publish_finish_limit);
  publisher_->stop();
  node_->finish(min_finish_limit);  // what was published is erased, so that it is not published again
}

void incarnation::abandon() {
  if (cluster_ && around_.workers != nullptr) around_.workers->watch_capacity({});
  if (cluster_) cluster_->abandon();
  if (!task_queues_) return;
  task_queues_->close();
  if (backends_) backends_->stop(std::chrono::milliseconds(0));
  if (around_.workers != nullptr) around_.workers->forget_waiting();
  if (publisher_) publisher_->stop();
  around_.counts->attempts.gone();
  std::unique_lock lock(node_mutex_);
  node_.reset();
}

partition_id incarnation::partition_of(std::string_view workflow_id) const {
  if (partitions() == 0) return partition_id(0);  // inspected before it was ever used
  return actors::partition_of(workflow_id, static_cast<std::uint16_t>(partitions()));
}

std::shared_ptr<const storage::key_value_store> incarnation::rows(partition_id partition) const {
  if (cluster_) return cluster_->rows(partition, *store_);
  return {std::shared_ptr<void>(), store_.get()};
}

std::vector<storage::executions_page> incarnation::find_executions(const storage::execution_query& query,
                                                                   const std::optional<storage::list_position>& after,
                                                                   std::size_t limit) const {
  if (cluster_) return must(cluster_->find_executions(query, after, limit));
  std::vector<storage::executions_page> found;
  for (std::uint32_t n = 0; n < partitions(); ++n) {
    found.push_back(must(storage::find_executions(*store_, partition_id(static_cast<std::uint16_t>(n)), query, after, limit)));
  }
  return found;
}

std::vector<storage::executions_count> incarnation::count_executions(const storage::execution_query& query) const {
  if (cluster_) return must(cluster_->count_executions(query));
  std::vector<storage::executions_count> found;
  for (std::uint32_t n = 0; n < partitions(); ++n) {
    std::string resume;
    const auto counts = must(storage::count_executions(*store_, partition_id(static_cast<std::uint16_t>(n)), query, resume));
    found.insert(found.end(), counts.begin(), counts.end());
  }
  return found;
}

std::string incarnation::durability() const {
  if (cluster_) return cluster_->durability();
  return store_->durable() ? "fsync" : "none";
}

bool incarnation::has(partition_id partition) const { return !cluster_ || cluster_->runs(partition); }

std::uint64_t incarnation::events_published() const { return publisher_ ? publisher_->statistics().published : 0; }

bool incarnation::query(actors::query_request&& query) const {
  std::shared_lock lock(node_mutex_);
  return node_ != nullptr && node_->query(std::move(query));
}

actors::partition_statistics incarnation::statistics() const {
  std::shared_lock lock(node_mutex_);
  return node_ ? node_->statistics() : actors::partition_statistics();
}

}  // namespace evermill
