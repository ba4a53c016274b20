// What the copies of a registry share.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "evermill/registry.hpp"

namespace evermill::detail {

struct registry_data {
  std::map<std::string, std::deque<workflow_definition>, std::less<>> workflows;  // the last one is for who names no version
  std::string default_version;
  std::map<std::string, std::deque<activity_definition>, std::less<>> activities;
  std::map<const void*, std::string> names;  // of workflow functions
  enum class own : unsigned char { absent, being_added, there };
  own built_in = own::absent;  // evermill's own workflows (built_in.hpp)

  /// Throws std::invalid_argument.
  const std::string& name_of(const void* function) const;
};

}  // namespace evermill::detail
