// What plugins have added to this process.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evermill/plugin.hpp"

namespace evermill {

/// Nothing: no plugin has added such a queue.
std::optional<open_queue> find_queue_plugin(const std::string& scheme);
/// Ordered.
std::vector<std::string> queue_plugin_schemes();

/// By type.
std::map<std::string, run_activity, std::less<>> plugin_activities();

}  // namespace evermill
