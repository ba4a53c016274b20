// The publisher that an engine's options ask for.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "evermill/engine_options.hpp"
#include "messages/state.pb.h"
#include "publishing/publisher.hpp"
#include "storage/key_value_store.hpp"

namespace evermill {

/// publish_options::to of a directory whose events are published no longer.
inline constexpr std::string_view publish_nowhere = "none";

/// Throws engine_error (invalid_argument) where something is wrong with options.publish.
void check_publish_options(const engine_options& options);

/// Null where nothing is to be published. `of` describes the store. What is referred to outlives the publisher. Throws as
/// check_publish_options; a server that can't be reached is no error.
std::unique_ptr<publishing::publisher> open_publisher(const engine_options& options, const storage::key_value_store& store,
                                                      const messages::StoreDescription& of,
                                                      publishing::relay::published_callback published, clock& time,
                                                      const log& lines);

}  // namespace evermill
