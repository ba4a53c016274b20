// Decision queues carry what makes instances decide to the partitions that own them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "messages/decision.pb.h"

namespace evermill::queue {

/// An item's place in its partition's queue, from 1, growing in the order in which the items are delivered. Places that are left out
/// belong to nothing.
using position = std::uint64_t;

/// How the sources of queues begin that do not outlive their process: their positions mean nothing to the next one.
inline constexpr std::string_view transient_source = "memory/";

struct item {
  position at{};
  std::shared_ptr<const messages::DecisionEvent> event;  ///< shared with the queue, which may deliver it again
};

/// The reading end of one partition's queue. Used by one thread at a time.
class consumer {
 public:
  virtual ~consumer() = default;

  /// Appends up to `limit` items that follow the last one polled. Returns how many; 0: nothing now, and `on_readable`
  /// will be called.
  virtual std::size_t poll(std::vector<item>& out, std::size_t limit) = 0;

  /// Asked after a poll gave 0. Set: why no item will ever come again, although there were some to come; for people.
  virtual std::optional<std::string> failure() const { return std::nullopt; }

  /// The items up to `through` are durably handled and need never be delivered again.
  virtual void acknowledge(position through) = 0;
};

/// What a partition has before it.
struct backlog_size {
  std::size_t items = 0;
  std::size_t bytes = 0;  ///< as they are serialized
};

/// At least once, in order per partition. Thread-safe.
class decision_queue {
 public:
  virtual ~decision_queue() = default;

  /// Names the queue and its incarnation ("memory/7"): positions of different sources do not compare.
  virtual const std::string& source() const = 0;

  /// Hands the event to the partition's queue. For a queue that outlives the process it is durable when `publish`
  /// returns true. False: refused, nothing was queued (`closed`, or over the bound for new outside work).
  virtual bool publish(partition_id partition, std::shared_ptr<const messages::DecisionEvent> event) = 0;

  /// The same for several events of one partition, at the cost of one.
  virtual bool publish(partition_id partition,
                       std::span<const std::shared_ptr<const messages::DecisionEvent>> events) = 0;

  /// Items published and not yet acknowledged; what back-pressure looks at.
  virtual backlog_size backlog(partition_id partition) const = 0;

  /// Starts reading after `after`, the last position known to be durably handled (0: from the oldest kept item). Ends
  /// any earlier consumer of the partition. `on_readable` is called on any thread, at most once between two polls that
  /// returned 0, whenever there is something to poll; it must be short and must not call the queue.
  virtual std::unique_ptr<consumer> consume(partition_id partition, position after,
                                            std::function<void()> on_readable) = 0;

  /// After return, no callback runs or will run, and publish returns false.
  virtual void close() = 0;
};

}  // namespace evermill::queue
