// Whoever decides for all writes the plan, be it a node or a worker: which one that is the broker says (membership_view::coordinator).
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.hpp"
#include "base/task_loop.hpp"
#include "evermill/broker.hpp"
#include "messages/cluster.pb.h"

namespace evermill::cluster {

/// All of it on one loop, whose `post` it is given.
class coordinator {
 public:
  /// All outlive it.
  coordinator(std::uint32_t partition_count, queue::broker& broker, clock& time, task_loop::post_function post);

  /// To be called whenever something may have changed: writes the plan that follows `last` where that is not right any more.
  void decide(const messages::ClusterPlan& last, const queue::membership_view& view);
  /// A plan was read, whoever wrote it.
  void on_plan() { written_at_ = {}; }

 private:
  const std::uint32_t partition_count_;
  queue::broker& broker_;
  clock& time_;
  const task_loop::post_function post_;
  timestamp written_at_{};  ///< a plan is on its way since then; epoch: none is
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace evermill::cluster
