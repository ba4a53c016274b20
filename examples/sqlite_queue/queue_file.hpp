// The file and its tables, as all parts of one broker share them.
#pragma once

#include <evermill/plugin.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "database.hpp"

namespace sqlite_queue {

/// A partition of a stream. Its id is never used again: a stream that was deleted and made anew has other lanes.
struct lane {
  std::uint64_t id = 0;
  position first = 0;  ///< below it nothing counts, though some of it may still lie there
  position last = 0;
  std::uint64_t fence = 0;
};

class queue_file {
 public:
  /// Creates file and tables where they are missing. Throws sqlite_failure.
  queue_file(const file_address& where, evermill::plugin_log log);

  /// Reading never waits for a process that writes, so one connection does for all of this process that read.
  template <class Work>
  auto read(const Work& work) -> decltype(work(std::declval<connection&>())) {
    const std::lock_guard lock(mutex_);
    return work(reading_);
  }

  const file_address address;
  const evermill::plugin_log say;
  std::atomic<bool> closed = false;
  connection writing;  ///< of the writer's thread. What is committed by it is on the disk

 private:
  std::mutex mutex_;
  connection reading_;
};

std::optional<lane> find_lane(connection& by, const stream_partition& of);
std::optional<lane> find_lane(connection& by, std::uint64_t id);
/// Partitions of the stream; 0: there is none.
std::uint32_t count_lanes(connection& by, const std::string& stream);

position append_records(connection& by, const lane& to, const std::vector<record>& records, std::uint64_t fence);
/// So many that follow `after`, and no more than fit into `bytes`, but for one.
std::vector<stored_record> read_records(connection& by, const lane& from, position after, std::size_t limit, std::size_t bytes);

evermill::unexpected<broker_error> closed();
evermill::unexpected<broker_error> not_found(const stream_partition& of);
std::string name_of(const stream_partition& of);

}  // namespace sqlite_queue
