// Processes that share the commit log of one partition, on one thread: what each has to do waits until the test lets it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/partition_log.hpp"
#include "late_broker.hpp"
#include "plugins/queue/memory/memory_broker.hpp"
#include "storage/memory_store.hpp"

namespace evermill::cluster {

inline constexpr partition_id log_partition{1};
inline constexpr std::uint32_t log_partitions = 2;
inline const std::string log_stream = "commits";

/// One process: its store outlives its lives.
class log_process final : public partition_log_ports {
 public:
  log_process(std::string name, std::shared_ptr<queue::memory_server> server, random_source& random,
              queue::memory_broker_options options = {})
      : name_(std::move(name)), server_(std::move(server)), random_(&random), options_(options) {}
  ~log_process() override { kill(); }
  log_process(const log_process&) = delete;
  log_process& operator=(const log_process&) = delete;

  storage::storage_result<void> start(std::uint32_t partitions = log_partitions) {
    broker_ = std::make_unique<late_broker>(queue::make_memory_broker(server_, options_));
    if (when_started) when_started(*broker_);
    todo_ = std::make_shared<std::deque<std::function<void()>>>();
    partition_log_options how{.id = log_partition, .stream = log_stream, .member = name_, .cluster_id = "of " + name_};
    how.partition_count = partitions;
    const auto post = [list = std::weak_ptr(todo_)](std::function<void()> what) {
      if (const auto to = list.lock()) to->push_back(std::move(what));
    };
    log_ = std::make_unique<partition_log>(how, *store_, *broker_, *random_, *this, post, evermill::log());
    return log_->start();
  }
  /// What it has written and the server has not got yet may still come.
  void kill() {
    todo_.reset();
    log_.reset();
    if (broker_) left_.push_back(std::move(broker_));
    submitted_ = false;
  }
  void lose_store() { store_ = storage::make_memory_store(); }

  bool runs() const { return log_ != nullptr; }
  partition_log& log() { return *log_; }
  late_broker& broker() { return *broker_; }
  /// Of earlier lives.
  std::vector<std::unique_ptr<late_broker>>& left() { return left_; }
  const storage::key_value_store& store() const { return *store_; }

  /// False: there was nothing to do.
  bool step() {
    if (!todo_ || todo_->empty()) return false;
    const auto next = std::move(todo_->front());
    todo_->pop_front();
    next();
    return true;
  }
  void run() {
    while (step()) {
    }
  }

  void submit(storage::write_batch&& batch) {
    submitted_ = true;
    log_->submit(std::move(batch));
  }
  void put(const std::string& key, const std::string& value) {
    storage::write_batch batch;
    batch.put(storage::family::journal, key, value);
    submit(std::move(batch));
  }
  std::string get(const std::string& key) const {
    std::string value;
    const auto found = store_->get(storage::family::journal, key, value);
    return found && *found ? value : "";
  }
  bool has_submitted() const { return submitted_; }

  std::function<void(late_broker&)> when_started;
  std::function<void(std::uint64_t epoch)> when_owned;
  std::function<void()> when_committed;
  std::function<void()> when_lost;
  std::vector<std::uint64_t> owned;
  std::vector<std::string> lost;
  std::vector<storage::storage_error> stopped;
  std::size_t committed = 0;

 private:
  void on_owned(std::uint64_t epoch) override {
    owned.push_back(epoch);
    if (when_owned) when_owned(epoch);
  }
  void on_committed() override {
    ++committed;
    submitted_ = false;
    if (when_committed) when_committed();
  }
  void on_lost(const std::string& why) override {
    submitted_ = false;
    lost.push_back(why);
    if (when_lost) when_lost();
  }
  void on_stopped(const storage::storage_error& why) override {
    submitted_ = false;
    stopped.push_back(why);
  }

  const std::string name_;
  const std::shared_ptr<queue::memory_server> server_;
  random_source* const random_;
  const queue::memory_broker_options options_;
  std::unique_ptr<storage::key_value_store> store_ = storage::make_memory_store();
  std::vector<std::unique_ptr<late_broker>> left_;
  std::unique_ptr<late_broker> broker_;
  std::shared_ptr<std::deque<std::function<void()>>> todo_;
  std::unique_ptr<partition_log> log_;
  bool submitted_ = false;
};

}  // namespace evermill::cluster
