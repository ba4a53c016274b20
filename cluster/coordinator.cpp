#include "cluster/coordinator.hpp"

#include <chrono>
#include <utility>
#include <vector>

#include "cluster/plan.hpp"
#include "cluster/streams.hpp"

namespace evermill::cluster {
namespace {
constexpr std::chrono::seconds plan_limit{5};  // one that was not read by then is written again
}

coordinator::coordinator(std::uint32_t partition_count, queue::broker& broker, clock& time, task_loop::post_function post)
    : partition_count_(partition_count), broker_(broker), time_(time), post_(std::move(post)) {}

void coordinator::decide(const messages::ClusterPlan& last, const queue::membership_view& view) {
  const timestamp now = time_.now();
  if (written_at_ != timestamp() && now - written_at_ < plan_limit) return;
  auto next = make_plan(last, view, partition_count_);
  if (!next) return;
  next->set_written_us(to_micros(now));
  written_at_ = now;
  const auto done = [this, post = post_, alive = std::weak_ptr(alive_)](const queue::broker_result<queue::position>& at) {
    if (at) return;
    post([this, alive] {
      if (!alive.expired()) written_at_ = {};
    });
  };
  std::vector<queue::record> records;
  records.push_back(to_record(*next));
  if (!broker_.append({plan_stream_name, 0}, std::move(records), done)) written_at_ = {};
}

}  // namespace evermill::cluster
