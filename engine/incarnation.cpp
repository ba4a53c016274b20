#include "engine/incarnation.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "engine/names.hpp"
#include "plugins/queue/memory/memory_queue.hpp"
#include "plugins/task/shell/shell_backend.hpp"
#include "storage/memory_store.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rows.hpp"

namespace evermill {
namespace {

constexpr std::uint16_t max_partitions = 4096;
constexpr unsigned native_threads_per_core = 4;
constexpr unsigned min_native_threads = 8;
constexpr std::size_t min_memtable_bytes = 16u << 20;
constexpr std::chrono::milliseconds min_finish_limit{1000};

unsigned cores() { return std::max(1u, std::thread::hardware_concurrency()); }

std::unique_ptr<storage::key_value_store> open_store(const engine_options& options, const log& lines) {
  if (options.data_directory.empty()) return storage::make_memory_store();
  storage::rocksdb_options store;
  store.directory = options.data_directory;
  store.read_only = options.mode == engine_mode::inspect;
  store.sync = options.sync;
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

void throw_storage_error(const storage::storage_error& error) {
  throw engine_error(error.code == storage::storage_errc::locked ? engine_errc::locked : engine_errc::storage,
                     error.message);
}

incarnation::incarnation(const engine_surroundings& around, actors::node_listener& listener) : around_(around) {
  if (around.options->partitions > max_partitions) {
    throw engine_error(engine_errc::invalid_argument, "more than " + std::to_string(max_partitions) + " partitions");
  }
  if (around.options->turn_timeout.count() < 0) {
    throw engine_error(engine_errc::invalid_argument, "the turn timeout is negative");
  }
  store_ = open_store(*around.options, around.lines);
  if (around.options->mode == engine_mode::inspect) {
    if (auto found = must(storage::find_description(*store_))) description_ = std::move(*found);
  } else {
    start(listener);
  }
}

void incarnation::start(actors::node_listener& listener) {
  const engine_options& options = *around_.options;
  description_ =
      must(storage::boot_store(*store_, options.partitions, [this] { return make_uuid(*around_.random); }));
  const boot_number boot(description_.boot_number());
  queue_ = queue::make_memory_queue(boot, partitions());
  task_queues_ = std::make_unique<tasks::task_queues>(limits_of(options.task_queues), *around_.time);
  const auto report = [this](tasks::attempt_end&& end) {
    task_queues_->ended(*end.task);
    actors::node::publish_attempt_end(*queue_, std::move(end));
  };
  const auto on_heartbeat = [this](const auto& task, std::optional<messages::Payload> details) {
    actors::node::publish_heartbeat(*queue_, *task, std::move(details));
  };
  tasks::native_options native;
  native.threads = options.native_threads != 0 ? options.native_threads
                                               : std::max(min_native_threads, native_threads_per_core * cores());
  native.time = around_.time;
  native.on_heartbeat = on_heartbeat;
  native_ = tasks::make_native_backend(*around_.definitions, native, report);
  tasks::shell_options shell;
  shell.max_processes = options.shell_processes != 0 ? options.shell_processes : cores();
  shell.time = around_.time;
  shell.on_heartbeat = on_heartbeat;
  shell_ = tasks::make_shell_backend(shell, report);

  actors::node_parts parts;
  parts.store = store_.get();
  parts.queue = queue_.get();
  parts.time = around_.time;
  parts.random = around_.random;
  parts.definitions = around_.definitions;
  parts.backends = {native_.get(), shell_.get()};
  parts.task_queues = task_queues_.get();
  parts.run_step = [this](std::function<void()> step) { native_->run_function(std::move(step)); };
  parts.listener = &listener;
  parts.lines = around_.lines;
  actors::node_options node;
  node.boot = boot;
  node.partitions = static_cast<std::uint16_t>(partitions());
  node.workflow_threads = options.workflow_threads;
  node.turn_timeout = options.turn_timeout;
  node.passivate_after = options.passivate_after;
  node.live_instances_per_partition = options.live_instances_per_partition;
  node.run_effects = options.mode == engine_mode::run;
  try {
    node_ = std::make_unique<actors::node>(std::move(parts), node);
  } catch (const std::runtime_error& error) {
    abandon();
    throw engine_error(engine_errc::storage, error.what());
  }
}

incarnation::~incarnation() {
  if (!node_) return;
  node_->drain();
  for (auto& kept : task_queues_->close()) {
    actors::node::publish_attempt_end(*queue_, {std::move(kept), 0, tasks::canceled{}});
  }
  native_->stop(around_.options->stop_grace);
  shell_->stop(around_.options->stop_grace);
  node_->finish(std::max(around_.options->stop_grace, min_finish_limit));
}

void incarnation::abandon() {
  task_queues_->close();
  native_->stop(std::chrono::milliseconds(0));
  shell_->stop(std::chrono::milliseconds(0));
  std::unique_lock lock(node_mutex_);
  node_.reset();
}

partition_id incarnation::partition_of(std::string_view workflow_id) const {
  if (partitions() == 0) return partition_id(0);  // inspected before it was ever used
  return actors::partition_of(workflow_id, static_cast<std::uint16_t>(partitions()));
}

bool incarnation::query(actors::query_request&& query) const {
  std::shared_lock lock(node_mutex_);
  if (node_) node_->query(std::move(query));
  return node_ != nullptr;
}

actors::partition_statistics incarnation::statistics() const {
  std::shared_lock lock(node_mutex_);
  return node_ ? node_->statistics() : actors::partition_statistics();
}

}  // namespace evermill
