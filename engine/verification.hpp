// What `verify` does with a store that is open.
#pragma once

#include <functional>

#include "evermill/verify.hpp"
#include "storage/key_value_store.hpp"

namespace evermill::verification {

using sink = std::function<void(const verify_problem&)>;

/// The store must be at rest: what is written meanwhile may look like a problem.
verify_report verify_store(const storage::key_value_store& store, const sink& found);

}  // namespace evermill::verification
