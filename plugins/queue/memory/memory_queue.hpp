// The decision queue of a single process: a list per partition. Nothing survives the process, so its source names the
// boot: a position of an earlier boot never matches.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/ids.hpp"
#include "plugins/queue/decision_queue.hpp"

namespace evermill::queue {

class memory_queue : public decision_queue {
 public:
  /// Drops all that the partition's queue holds, and ends its consumer. Positions go on: what was dropped is never there again.
  virtual void discard(partition_id partition) = 0;
};

std::unique_ptr<memory_queue> make_memory_queue(boot_number boot, std::size_t partitions);
/// `life` names one life of the process: never used again.
std::unique_ptr<memory_queue> make_memory_queue(const std::string& life, std::size_t partitions);

}  // namespace evermill::queue
