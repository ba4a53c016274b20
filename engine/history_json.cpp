#include "engine/history_json.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/strutil.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace evermill {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using json = nlohmann::ordered_json;

json to_json(const Message& message);

std::string base64(const std::string& bytes) {
  std::string text;
  google::protobuf::Base64Escape(bytes, &text);
  return text;
}

json payload_json(const messages::Payload& payload) {
  if (payload.content_type() == messages::Payload::JSON) {
    if (payload.data().empty()) return nullptr;
    if (!nests_too_deeply(payload.data())) {
      json value = json::parse(payload.data(), nullptr, false);
      if (!value.is_discarded()) return value;
    }
  }
  json value = {{"content_type", messages::Payload::ContentType_Name(payload.content_type())}};
  if (!payload.type_name().empty()) value["type_name"] = payload.type_name();
  value["base64"] = base64(payload.data());
  return value;
}

/// A value of the field: the index-th of a repeated one, or the only one where `index` is negative.
json field_json(const Message& message, const FieldDescriptor& field, int index) {
  const auto& r = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return one ? r.GetInt32(message, &field) : r.GetRepeatedInt32(message, &field, index);
    case FieldDescriptor::CPPTYPE_INT64: return one ? r.GetInt64(message, &field) : r.GetRepeatedInt64(message, &field, index);
    case FieldDescriptor::CPPTYPE_UINT32:
      return one ? r.GetUInt32(message, &field) : r.GetRepeatedUInt32(message, &field, index);
    case FieldDescriptor::CPPTYPE_UINT64:
      return one ? r.GetUInt64(message, &field) : r.GetRepeatedUInt64(message, &field, index);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return one ? r.GetDouble(message, &field) : r.GetRepeatedDouble(message, &field, index);
    case FieldDescriptor::CPPTYPE_FLOAT: return one ? r.GetFloat(message, &field) : r.GetRepeatedFloat(message, &field, index);
    case FieldDescriptor::CPPTYPE_BOOL: return one ? r.GetBool(message, &field) : r.GetRepeatedBool(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return (one ? r.GetEnum(message, &field) : r.GetRepeatedEnum(message, &field, index))->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return one ? r.GetString(message, &field) : r.GetRepeatedString(message, &field, index);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return to_json(one ? r.GetMessage(message, &field) : r.GetRepeatedMessage(message, &field, index));
  }
  return nullptr;
}

void add_fields(const Message& message, json& object) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (!field->is_repeated()) {
      object[field->name()] = field_json(message, *field, -1);
      continue;
    }
    json& values = object[field->name()] = json::array();
    const int count = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < count; ++i) values.push_back(field_json(message, *field, i));
  }
}

json to_json(const Message& message) {
  if (const auto* payload = dynamic_cast<const messages::Payload*>(&message)) return payload_json(*payload);
  json object = json::object();
  add_fields(message, object);
  return object;
}

const Message& inner(const messages::Event& event) {
  const FieldDescriptor* field =
      event.GetReflection()->GetOneofFieldDescriptor(event, event.GetDescriptor()->oneof_decl(0));
  return field == nullptr ? static_cast<const Message&>(event) : event.GetReflection()->GetMessage(event, field);
}

}  // namespace

std::string event_type(const messages::Event& event) {
  return event.event_case() == messages::Event::EVENT_NOT_SET ? "Unknown" : inner(event).GetDescriptor()->name();
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
  if (event.event_case() != messages::Event::EVENT_NOT_SET) add_fields(inner(event), object);
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace evermill
