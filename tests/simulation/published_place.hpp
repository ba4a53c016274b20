// Where a simulated process publishes to, which outlives it, and the relay of its present life.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/partition_ports.hpp"
#include "base/random.hpp"
#include "observed_store.hpp"
#include "publishing/relay.hpp"
#include "record.hpp"

namespace evermill::simulation {

class published_place {
 public:
  /// Makes its choices by itself: lives without it stay as they are.
  published_place(std::uint64_t seed, const observed_store& store, const clock& time, run_record& record);

  /// Is anything published in this life? In half of them.
  bool is_used() const noexcept { return used_; }

  /// A process begins: it has published nothing. `published` tells a partition.
  void begin(std::function<void(partition_id, std::uint64_t through)> published);
  /// It dies. What it had not told the partitions is lost.
  void end();
  /// What a partition has must be durable.
  void offer(partition_id of, const actors::publishable_rows& rows);
  /// Now and then: sends something, or tells a partition that something is published.
  void act();
  /// All that is left, however long it takes. Returns whether a partition was told, which goes on then.
  bool finish();

  /// Every event of every journal was published: at least once, the same each time, and first in the order of its journal.
  void check() const;

 private:
  class place;
  bool chance(std::uint64_t percent) { return dice_->next() % 100 < percent; }
  void tell();

  const std::unique_ptr<random_source> dice_;
  const bool used_;
  const observed_store& store_;
  const clock& time_;
  run_record& record_;
  std::function<void(partition_id, std::uint64_t)> published_;
  std::map<partition_id, std::uint64_t> untold_;
  std::optional<publishing::relay> relay_;
  bool away_ = false;

  std::map<std::string, std::string> data_;                 // by id
  std::map<run_id, std::vector<std::uint64_t>> in_order_;   // the numbers of events, as they came first
};

}  // namespace evermill::simulation
