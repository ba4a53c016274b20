// A place to publish to that a test looks into, and that is away when the test says so.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "publishing/sink.hpp"

namespace evermill::tests {

inline std::string attribute(const publishing::cloud_event& of, std::string_view name) {
  for (const auto& [key, value] : of.attributes) {
    if (key == name) return value;
  }
  return "";
}

/// What outlives those who write to it.
struct remembered {
  std::vector<publishing::cloud_event> events;
  bool away = false;
  std::size_t calls = 0;
  std::vector<std::string> ids() const {
    std::vector<std::string> all;
    for (const publishing::cloud_event& each : events) all.push_back(attribute(each, "id"));
    return all;
  }
};

/// While it is away it takes half of what it is given, and says that it has failed.
class remembering_sink final : public publishing::sink {
 public:
  explicit remembering_sink(std::shared_ptr<remembered> into) : into_(std::move(into)) {}
  std::string address() const override { return "the test"; }
  result<void, publishing::sink_error> send(std::vector<publishing::cloud_event>&& events, std::stop_token) override {
    ++into_->calls;
    if (into_->away) events.resize(events.size() / 2);
    for (publishing::cloud_event& each : events) into_->events.push_back(std::move(each));
    if (into_->away) return unexpected(publishing::sink_error{"it is away"});
    return {};
  }

 private:
  const std::shared_ptr<remembered> into_;
};

}  // namespace evermill::tests
