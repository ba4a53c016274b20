// The versions that a registry has of a name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "evermill/registry.hpp"

namespace evermill::workflow {

/// In the order in which they were added: the last one is for those who name none. "" is one without a version.
std::vector<std::string> workflow_versions(const registry& of, std::string_view name);
std::vector<std::string> activity_versions(const registry& of, std::string_view name);

}  // namespace evermill::workflow
