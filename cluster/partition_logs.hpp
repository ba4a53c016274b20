// The commit logs of the partitions that this process owns or follows, on one thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/task_loop.hpp"
#include "cluster/partition_log.hpp"
#include "storage/commit_sink.hpp"

namespace evermill::cluster {

/// Told on the loop.
class partition_logs_listener {
 public:
  virtual ~partition_logs_listener() = default;
  /// As in partition_log_ports. Nothing that was submitted is reported after the partition was lost.
  virtual void on_owned(partition_id id, std::uint64_t epoch) = 0;
  virtual void on_lost(partition_id id, const std::string& why) = 0;
  virtual void on_stopped(partition_id id, const storage::storage_error& why) = 0;
};

struct partition_logs_options {
  std::string member;
  std::string cluster_id;
  std::uint32_t partition_count = 1;
};

/// All but `submit` is for the loop's thread; it is destroyed there, or once the loop has ended.
class partition_logs final : public storage::commit_sink {
 public:
  /// All outlive it.
  partition_logs(partition_logs_options options, storage::key_value_store& store, queue::broker& broker, random_source& random,
                 partition_logs_listener& listener, task_loop::post_function post, log lines);
  ~partition_logs() override;

  /// Begins to follow; where it does already, nothing happens.
  storage::storage_result<void> follow(partition_id id);
  /// Neither owned nor claimed.
  void unfollow(partition_id id);
  void unfollow_all() { entries_.clear(); }
  void claim(partition_id id);
  void release(partition_id id);
  /// At all of them, until one can't be read now.
  void look();
  /// Null: not followed.
  const partition_log* find(partition_id id) const;

  /// What comes here is in the loop's order: so what an earlier owner in this process submitted, who
  /// has ended when on_lost returns, is never taken for a later one's.
  void submit(partition_id of, storage::write_batch&& batch, on_committed done) override;

 private:
  class entry;

  const partition_logs_options options_;
  storage::key_value_store& store_;
  queue::broker& broker_;
  random_source& random_;
  partition_logs_listener& listener_;
  const task_loop::post_function post_;
  const log log_;
  std::map<partition_id, std::shared_ptr<entry>> entries_;  ///< posts hold them weakly
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace evermill::cluster
