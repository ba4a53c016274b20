// The plan that counts, as one process knows it: the last one that was read, now and as it changes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/task_loop.hpp"
#include "evermill/broker.hpp"
#include "messages/cluster.pb.h"

namespace evermill::cluster {

/// All of it on one loop, whose `post` it is given; destroyed there, or after the loop's end.
class plan_reader {
 public:
  /// `changed` is called on the loop, not by `start`. All outlive it.
  plan_reader(const std::string& cluster_id, queue::broker& broker, task_loop::post_function post, std::function<void()> changed,
              log lines);

  /// Takes the last plan there is, and reads on from there. Blocks.
  queue::broker_result<void> start();
  /// Tries again where plans could not be read any more.
  void look();

  /// Without partitions and members where none was made yet.
  const messages::ClusterPlan& plan() const noexcept { return plan_; }
  /// Of the last record that was read.
  queue::position position() const noexcept { return position_; }

 private:
  queue::broker_result<void> open();
  bool take(const queue::stored_record& record);
  void read();

  queue::broker& broker_;
  const task_loop::post_function post_;
  const std::function<void()> changed_;
  const log log_;
  messages::ClusterPlan plan_;
  queue::position position_ = 0;
  std::unique_ptr<queue::stream_reader> reader_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< posts may come later than this
};

}  // namespace evermill::cluster
