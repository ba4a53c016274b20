// Takes what partitions have to publish from the store to the sink, and says how far it is.
//
// Nothing is held for a sink that is slow or away but numbers: rows and journals are read when the sink is ready for them. What
// is sent and not confirmed is sent again, from the first event that was not; so a reader sees each event for the first time in
// the order of its partition's commits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "publishing/sink.hpp"
#include "storage/key_value_store.hpp"
#include "storage/rows.hpp"

namespace evermill::publishing {

struct relay_options {
  std::string source;  ///< see source_of
  data_format format = data_format::json;
  std::set<std::string> types;           ///< of events, without type_prefix; empty: all
  std::set<std::string> workflow_types;  ///< empty: all
  std::size_t batch_events = 1'000;      ///< are sent at once, but for one turn more
  std::size_t batch_bytes = 1024 * 1024;
};

struct relay_statistics {
  std::uint64_t published = 0;  ///< events that the sink has confirmed
  std::uint64_t lost = 0;       ///< events whose loss was published
  std::uint64_t failures = 0;   ///< of the sink
};

class relay {
 public:
  /// Told, on the thread of `send_next`, that all of the partition's rows up to this number are published.
  using published_callback = std::function<void(partition_id, std::uint64_t through)>;

  /// What is referred to outlives the relay.
  relay(relay_options options, const storage::key_value_store& store, std::unique_ptr<sink> to, published_callback published,
        const clock& time, log lines);

  /// The partition's rows with numbers above `after`, up to `through`, are durable and to be published. What came for it before
  /// is known: then `after` means nothing. Thread-safe.
  void offer(partition_id of, std::uint64_t after, std::uint64_t through);
  /// Somebody else publishes for the partition from now on, or nobody. What is being sent is not called back. Thread-safe.
  void withdraw(partition_id of);

  enum class outcome : std::uint8_t {
    nothing,  ///< there is nothing to publish now
    sent,
    failed,   ///< the sink did not take it: try again later
  };
  /// Sends the next events of all partitions. Blocks as long as the sink does. One caller at a time. Rows or journals of a
  /// partition that can't be read are logged, and tried again when the partition has something new.
  outcome send_next(std::stop_token stop);

  relay_statistics statistics() const;  ///< thread-safe

 private:
  struct place {
    std::uint64_t row = 0;   ///< up to here all is published
    int turns = 0;           ///< of the row after it
    friend bool operator==(const place&, const place&) = default;
  };
  struct source_partition {
    place done;
    std::uint64_t through = 0;
    std::uint64_t life = 0;  ///< of its time here; another one begins when it was withdrawn
    bool unreadable = false;
  };
  struct batch {
    std::vector<cloud_event> events;
    std::size_t bytes = 0;
    std::uint64_t lost = 0;
    std::map<partition_id, source_partition> reached;
  };

  std::map<partition_id, source_partition> waiting() const;
  bool is_full(const batch& into) const;
  void on_unreadable(partition_id of, const source_partition& from, const storage::storage_error& why);
  storage::storage_result<void> gather(batch& into, partition_id of, source_partition& from);
  storage::storage_result<void> gather_turn(batch& into, partition_id of, const messages::CommittedTurns::Turn& turn);
  void gather_loss(batch& into, partition_id of, const storage::numbered_turns& row);
  void confirm(const batch& sent);

  const relay_options options_;
  const storage::key_value_store& store_;
  const std::unique_ptr<sink> sink_;
  const published_callback published_;
  const clock& time_;
  const log log_;
  bool sink_failed_ = false;
  partition_id next_;  ///< whose turn it is to be first

  mutable std::mutex guard_;
  std::map<partition_id, source_partition> partitions_;
  std::uint64_t last_life_ = 0;
  relay_statistics statistics_;
};

}  // namespace evermill::publishing
