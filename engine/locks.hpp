// What a store says about locks.
#pragma once

#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "evermill/engine.hpp"
#include "messages/state.pb.h"
#include "storage/key_value_store.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::inspection {

/// Holders and waiters as the lock's journal says. Throws engine_error (storage).
workflow::locks::lock_state lock_state_of(const storage::key_value_store& store, partition_id partition,
                                          const messages::InstanceHeader& header);
/// Up to `limit` locks of the partition after the one with the id `after` that somebody holds or waits for.
std::vector<lock_description> locks(const storage::key_value_store& store, partition_id partition, std::string_view after,
                                    std::size_t limit);

}  // namespace evermill::inspection
