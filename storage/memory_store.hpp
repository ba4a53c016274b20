// The in-memory twin of the durable store: same contract, nothing survives, `durable()` is false.
#pragma once

#include <memory>

#include "storage/key_value_store.hpp"

namespace evermill::storage {

std::unique_ptr<key_value_store> make_memory_store();

}  // namespace evermill::storage
