#include "messages/history_json.hpp"

#include <google/protobuf/descriptor.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/namespaces.hpp"
#include "base/text.hpp"
#include "messages/message_fields.hpp"

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

/// What names an execution is shown as users know it; its namespace, where that is not the default one, beside it.
void show_ids(json& object, bool with_namespace) {
  const auto id = object.find("workflow_id");
  if (id != object.end() && id->is_string()) {
    const std::string kept = id->get<std::string>();
    const auto [name_space, plain] = namespaces::split(kept);
    *id = std::string(plain);
    if (with_namespace && name_space != namespaces::default_name) object["namespace"] = std::string(name_space);
  }
  const auto parent = object.find("parent");
  if (parent != object.end() && parent->is_object()) show_ids(*parent, false);
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
  if (event.event_case() != messages::Event::EVENT_NOT_SET) {
    json fields = fields_json(body_of(event), payload_json);
    show_ids(fields, event.has_workflow_execution_started());
    object.update(fields);
  }
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace evermill
