#include "engine/history_json.hpp"

#include <google/protobuf/descriptor.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "engine/message_fields.hpp"

namespace evermill {
namespace {

using json = nlohmann::ordered_json;

json payload_json(const messages::Payload& payload) {
  if (payload.content_type() == messages::Payload::JSON) {
    if (payload.data().empty()) return nullptr;
    if (!nests_too_deeply(payload.data())) {
      json value = json::parse(payload.data(), nullptr, false);
      if (!value.is_discarded()) return value;
    }
  }
  return encoded_payload_json(payload);
}

}  // namespace

std::string event_type(const messages::Event& event) {
  return event.event_case() == messages::Event::EVENT_NOT_SET ? "Unknown" : body_of(event).GetDescriptor()->name();
}

std::string iso_time(timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const std::time_t whole = seconds.time_since_epoch().count();  // the system clock's own type ends in the year 2262
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%06dZ", static_cast<int>((time - seconds).count()));
  return text;
}

std::string event_json(std::uint64_t seq, timestamp time, const messages::Event& event) {
  json object = {{"seq", seq}, {"type", event_type(event)}, {"time", iso_time(time)}};
  if (event.event_case() != messages::Event::EVENT_NOT_SET) object.update(fields_json(body_of(event), payload_json));
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace evermill
