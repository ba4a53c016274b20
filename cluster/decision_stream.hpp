// The decision events that one process has for a partition of another, as a stream of the broker: read by whoever owns the
// partition, from where its commits say that it was read.
//
// It carries, and promises nothing: what was appended may not be there. Whoever sent something waits for the answer of a commit, or
// for its lane's acknowledgement, and sends it again.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/log.hpp"
#include "cluster/stream_records.hpp"
#include "cluster/streams.hpp"
#include "evermill/broker.hpp"
#include "plugins/queue/decision_queue.hpp"

namespace evermill::cluster {

struct decision_stream_options {
  std::string stream = decision_stream_name;    ///< with as many partitions as the cluster
  std::string rejected = rejected_stream_name;  ///< a stream for what can't be read, with the reason
  std::string cluster_id;
  std::string member;         ///< this process: never used by another life of it
  std::uint32_t partition_count = 1;
  std::uint64_t trim_interval = 10'000;  ///< how many records are gone through before those before are given up
};

class decision_stream final : public queue::decision_queue {
 public:
  using event_ptr = std::shared_ptr<const messages::DecisionEvent>;
  /// What became of an event: told once it is in the stream, or may not be. On the broker's threads.
  using on_written = std::function<void(const queue::broker_result<queue::position>&)>;
  /// Makes the answer to an event from another process come back to this one: returns the token that stands for `to`.
  using return_address = std::function<std::uint64_t(partition_id at, const std::string& to, std::uint64_t token)>;
  /// Has something done that blocks, elsewhere.
  using run_blocking = std::function<void(std::function<void()>)>;

  /// All outlive it.
  decision_stream(decision_stream_options options, queue::broker& broker, return_address addresses, run_blocking blocking, log lines);
  ~decision_stream() override { close(); }

  const std::string& source() const override { return source_; }
  bool publish(partition_id partition, event_ptr event) override;
  bool publish(partition_id partition, std::span<const event_ptr> events) override;
  /// `done` is called unless an error comes back at once.
  queue::broker_result<void> publish(partition_id partition, const messages::DecisionEvent& event, on_written done);
  queue::backlog_size backlog(partition_id) const override { return {}; }
  std::unique_ptr<queue::consumer> consume(partition_id partition, queue::position after,
                                           std::function<void()> on_readable) override;
  void close() override { closed_ = true; }
  /// To be called now and then: consumers whose stream could not be read, as the broker was away, try again.
  void look();

 private:
  class reader;

  const decision_stream_options options_;
  queue::broker& broker_;
  const return_address addresses_;
  const run_blocking blocking_;
  const log log_;
  const std::string source_;
  std::atomic<std::uint64_t> last_number_{0};
  std::atomic<bool> closed_{false};
  std::mutex readers_guard_;
  std::set<reader*> readers_;
};

}  // namespace evermill::cluster
