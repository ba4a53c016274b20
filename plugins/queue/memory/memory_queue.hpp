// The decision queue of a single process: a list per partition. Nothing survives the process, so its source names the
// boot: a position of an earlier boot never matches.
#pragma once

#include <cstddef>
#include <memory>

#include "base/ids.hpp"
#include "plugins/queue/decision_queue.hpp"

namespace evermill::queue {

std::unique_ptr<decision_queue> make_memory_queue(boot_number boot, std::size_t partitions);

}  // namespace evermill::queue
