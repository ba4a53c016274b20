// What the plugin adds. Each is a run_activity.
#pragma once

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "evermill/activity_plugin.hpp"

namespace evermill::notify {

std::string send_telegram(const plugin_attempt& attempt);
std::string announce_by_telegram(const plugin_attempt& attempt);
std::string call_webhook(const plugin_attempt& attempt);
std::string announce_by_webhook(const plugin_attempt& attempt);

[[noreturn]] inline void refuse_input(const std::string& why) { throw activity_failure("InvalidPayload", why, false); }

template <class T>
T input_of(const plugin_attempt& attempt) {
  try {
    return nlohmann::json::parse(attempt.input).get<T>();
  } catch (const nlohmann::json::exception& error) {
    refuse_input(attempt.activity_type + " can't read its input: " + error.what());
  }
}

/// `given`, or what the process's environment says.
inline std::string or_variable(const std::string& given, const char* name) {
  const char* const value = given.empty() ? std::getenv(name) : nullptr;
  return value != nullptr ? value : given;
}

}  // namespace evermill::notify
