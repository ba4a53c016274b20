// A decision queue that outlives its process, as a broker does: what was published and not acknowledged comes again.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugins/queue/decision_queue.hpp"

namespace evermill::simulation {

/// Used by one thread. Its consumers live no longer than it.
class kept_queue final : public queue::decision_queue {
 public:
  explicit kept_queue(std::size_t partitions) : lanes_(partitions) {}

  /// A new process: whoever waited for an answer is gone.
  void reopen();

  const std::string& source() const override { return source_; }
  bool publish(partition_id partition, std::shared_ptr<const messages::DecisionEvent> event) override;
  bool publish(partition_id partition, std::span<const std::shared_ptr<const messages::DecisionEvent>> events) override;
  queue::backlog_size backlog(partition_id partition) const override { return {lanes_[partition.value].kept.size(), 0}; }
  std::unique_ptr<queue::consumer> consume(partition_id partition, queue::position after,
                                           std::function<void()> on_readable) override;
  void close() override;

 private:
  struct lane {
    std::deque<std::shared_ptr<const messages::DecisionEvent>> kept;
    queue::position first = 1;  // of `kept`
    queue::position next = 1;   // to be polled
    std::function<void()> on_readable;
    bool wants_call = false;

    void trim(queue::position through);
    void call();
  };
  class reader;

  const std::string source_ = "kept";
  std::vector<lane> lanes_;
  bool closed_ = true;
};

}  // namespace evermill::simulation
