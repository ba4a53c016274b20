#include "plugins/api/added_plugins.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/text.hpp"

namespace evermill {
namespace {

constexpr std::array<std::string_view, 6> own_activities{"shell", "script", "docker", "http", "grpc", "lambda"};

bool is_scheme(const std::string& text) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !text.empty() && letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

class process_plugins final : public plugin_registry {
 public:
  void add_queue(const std::string& scheme, open_queue open) override {
    if (!is_scheme(scheme)) throw plugin_error("a queue's scheme is lower-case letters and digits, not \"" + scheme + "\"");
    const bool built_in = scheme == "kafka" || scheme == "redis";
    const std::lock_guard lock(mutex_);
    if (built_in || !queues_.emplace(scheme, std::move(open)).second) {
      throw plugin_error("there is a queue " + scheme + "://… already");
    }
  }

  void add_activity(const std::string& type, run_activity run) override {
    if (const auto why = why_no_name(type)) throw plugin_error("the type of an activity " + *why);
    const std::lock_guard lock(mutex_);
    const bool own = std::find(own_activities.begin(), own_activities.end(), type) != own_activities.end();
    if (own || !activities_.emplace(type, std::move(run)).second)
      throw plugin_error("there is an activity \"" + type + "\" already");
  }

  std::map<std::string, run_activity, std::less<>> activities() {
    const std::lock_guard lock(mutex_);
    return activities_;
  }
  std::optional<open_queue> find_queue(const std::string& scheme) {
    const std::lock_guard lock(mutex_);
    const auto it = queues_.find(scheme);
    return it == queues_.end() ? std::nullopt : std::optional(it->second);
  }
  std::vector<std::string> queue_schemes() {
    std::vector<std::string> all;
    const std::lock_guard lock(mutex_);
    for (const auto& [scheme, open] : queues_) all.push_back(scheme);
    return all;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, open_queue> queues_;
  std::map<std::string, run_activity, std::less<>> activities_;
};

process_plugins& all_of_them() {
  static auto& all = *new process_plugins;  // threads of a plugin may outlive main
  return all;
}

}  // namespace

plugin_registry& plugins() { return all_of_them(); }
std::optional<open_queue> find_queue_plugin(const std::string& scheme) { return all_of_them().find_queue(scheme); }
std::map<std::string, run_activity, std::less<>> plugin_activities() { return all_of_them().activities(); }
std::vector<std::string> queue_plugin_schemes() { return all_of_them().queue_schemes(); }

}  // namespace evermill
