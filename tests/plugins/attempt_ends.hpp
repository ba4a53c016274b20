// Attempts to give to a backend, and the ends that it reports.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "evermill/codec.hpp"
#include "plugins/task/task_backend.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tests {

using task_ptr = std::shared_ptr<const messages::ActivityTask>;

inline task_ptr make_task(std::string type, payload input, std::uint64_t seq, std::int64_t start_to_close_us = 0) {
  auto task = std::make_shared<messages::ActivityTask>();
  task->set_partition(1);
  task->set_workflow_id("order-1");
  task->set_run_number(2);
  task->set_scheduled_seq(seq);
  task->set_attempt(3);
  task->set_dispatch_boot(4);
  task->set_activity_type(std::move(type));
  workflow::to_message(std::move(input), *task->mutable_input());
  task->mutable_options()->set_start_to_close_us(start_to_close_us);
  return task;
}

class attempt_ends {
 public:
  tasks::on_attempt_end recorder() {
    return [this](tasks::attempt_end&& end) {
      std::lock_guard lock(mutex_);
      const std::uint64_t seq = end.task->scheduled_seq();
      ++reports_[seq];
      ends_.insert_or_assign(seq, std::move(end));
      changed_.notify_all();
    };
  }
  tasks::on_attempt_heartbeat heartbeat_recorder() {
    return [this](const task_ptr& task, std::optional<messages::Payload> details) {
      std::lock_guard lock(mutex_);
      heartbeats_[task->scheduled_seq()].push_back(details ? details->data() : "");
      changed_.notify_all();
    };
  }
  /// The first `count` heartbeats that were passed on of the task with this seq.
  std::vector<std::string> heartbeats(std::uint64_t seq, std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return heartbeats_[seq].size() >= count; });
    return heartbeats_[seq];
  }
  /// The end of the task with this seq, as soon as it is there.
  tasks::attempt_end of(std::uint64_t seq) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ends_.contains(seq); });
    return ends_.at(seq);
  }
  /// Until the task with this seq has ended so often.
  void wait_for(std::uint64_t seq, int times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reports_[seq] >= times; });
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ends_.size() >= count; });
  }
  /// As if none had been reported.
  void forget() {
    std::lock_guard lock(mutex_);
    ends_.clear();
    reports_.clear();
  }
  std::map<std::uint64_t, int> reports() {
    std::lock_guard lock(mutex_);
    return reports_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, tasks::attempt_end> ends_;
  std::map<std::uint64_t, int> reports_;
  std::map<std::uint64_t, std::vector<std::string>> heartbeats_;
};

template <class T>
T result_of(const tasks::attempt_end& end) {
  return codec<T>::decode(workflow::from_message(std::get<tasks::completed>(end.how).result.value()));
}
inline failure failure_of(const tasks::attempt_end& end) {
  return workflow::from_message(std::get<tasks::failed>(end.how).failure);
}

}  // namespace evermill::tests
