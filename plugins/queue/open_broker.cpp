#include "plugins/queue/open_broker.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "plugins/api/added_plugins.hpp"
#include "plugins/queue/kafka/kafka_broker.hpp"
#include "plugins/queue/redis/redis_broker.hpp"

namespace evermill::queue {
namespace {

struct kind {
  std::string_view scheme;
  broker_result<std::unique_ptr<broker>> (*open)(const std::string& address, const log& lines);
};

constexpr kind kinds[] = {
    {"kafka", [](const std::string& address, const log& lines) { return make_kafka_broker(address, lines); }},
    {"redis", [](const std::string& address, const log& lines) { return make_redis_broker(address, {.log = lines}); }},
};

plugin_log to_plugin_log(const log& lines) {
  return [lines](log_level level, const std::string& line) {
    switch (level) {
      case log_level::debug: return lines.debug({}, "{}", line);
      case log_level::info: return lines.info({}, "{}", line);
      case log_level::warning: return lines.warn({}, "{}", line);
      case log_level::error: return lines.error({}, "{}", line);
    }
  };
}

/// "kafka://…, redis://… or sqlite://…"
std::string known_addresses() {
  std::vector<std::string> schemes;
  for (const kind& each : kinds) schemes.emplace_back(each.scheme);
  for (std::string& each : queue_plugin_schemes()) schemes.push_back(std::move(each));
  std::string text;
  for (std::size_t i = 0; i < schemes.size(); ++i) {
    if (i > 0) text += i + 1 == schemes.size() ? " or " : ", ";
    text += schemes[i];
    text += "://…";
  }
  return text;
}

/// "": none.
std::string scheme_of(const std::string& address) {
  const std::size_t end = address.find("://");
  return end == std::string::npos ? "" : address.substr(0, end);
}

}  // namespace

bool is_broker_address(const std::string& address) {
  const std::string scheme = scheme_of(address);
  return std::any_of(std::begin(kinds), std::end(kinds), [&](const kind& each) { return each.scheme == scheme; }) ||
         find_queue_plugin(scheme);
}

broker_result<std::unique_ptr<broker>> open_broker(const std::string& address, const log& lines) {
  const std::string scheme = scheme_of(address);
  for (const kind& each : kinds) {
    if (each.scheme == scheme) return each.open(address, lines);
  }
  if (const std::optional<open_queue> open = find_queue_plugin(scheme)) return (*open)(address, to_plugin_log(lines));
  return unexpected(broker_error{broker_errc::invalid, "a queue's address is " + known_addresses() + ", not \"" +
                                                           address.substr(0, 60) + "\"; further ones come with plugins"});
}

}  // namespace evermill::queue
