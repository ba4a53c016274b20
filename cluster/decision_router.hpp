// Takes decision events to their partitions, wherever these are: to those of this process through memory, to others through the
// broker. A request from outside that goes elsewhere is sent again until it is answered: whoever owns the partition may die with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "cluster/decision_stream.hpp"
#include "plugins/queue/memory/memory_queue.hpp"

namespace evermill::cluster {

struct decision_router_options {
  std::string member;
  std::uint32_t partition_count = 1;
  std::chrono::milliseconds resend_after{5'000};
  std::chrono::milliseconds give_up_after{60'000};
};

/// Its own consumers read what came through memory only.
class decision_router final : public queue::decision_queue {
 public:
  /// A request that nobody has answered: it may have happened, or may still. Called on any thread, without a lock.
  using on_unanswered = std::function<void(std::uint64_t token, const std::string& why)>;

  /// All outlive it.
  decision_router(decision_router_options options, queue::memory_queue& local, decision_stream& remote, clock& time,
                  random_source& random, on_unanswered unanswered);

  const std::string& source() const override { return local_.source(); }
  bool publish(partition_id partition, std::shared_ptr<const messages::DecisionEvent> event) override;
  bool publish(partition_id partition, std::span<const std::shared_ptr<const messages::DecisionEvent>> events) override;
  queue::backlog_size backlog(partition_id partition) const override { return local_.backlog(partition); }
  std::unique_ptr<queue::consumer> consume(partition_id partition, queue::position after,
                                           std::function<void()> on_readable) override {
    return local_.consume(partition, after, std::move(on_readable));
  }
  void close() override;

  /// Does the partition run here? What is published from now on goes there, or to the broker.
  void set_local(partition_id partition, bool local);
  /// Nobody reads what came for it through memory.
  void discard(partition_id partition) { local_.discard(partition); }

  /// The answer to a request has come from elsewhere. False: nobody waits for it.
  bool answered(std::uint64_t token);
  /// To be called now and then.
  void tick();
  /// The owner of this partition has changed: what is unanswered is sent again with the next tick.
  void hasten(partition_id partition);

 private:
  struct request {
    partition_id to;
    std::shared_ptr<const messages::DecisionEvent> event;
    timestamp again_at;
    timestamp give_up_at;
  };
  bool send(partition_id partition, const std::shared_ptr<const messages::DecisionEvent>& event);
  bool send_request(partition_id partition, const messages::DecisionEvent& event);
  void publish_again(const request& what);

  const decision_router_options options_;
  queue::memory_queue& local_;
  decision_stream& remote_;
  clock& time_;
  random_source& random_;
  const on_unanswered unanswered_;

  mutable std::shared_mutex routes_;
  std::vector<bool> is_local_;
  std::mutex mutex_;
  std::map<std::uint64_t, request> requests_;
};

}  // namespace evermill::cluster
