#include "engine/journal_json.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/strutil.h>

#include <cstdio>
#include <ctime>
#include <memory>
#include <utility>

#include "base/text.hpp"
#include "messages/history_json.hpp"
#include "messages/message_fields.hpp"
#include "messages/payload.pb.h"

namespace evermill {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using json = ordered_json;
using failed = json_error;

constexpr const char* raw_member = "protobuf";
constexpr int max_year = 294'000;  // in microseconds since 1970 a little more would fit
constexpr int max_depth = 64;  // a failure may have a cause, which may have a cause …

/// Strict: only what base64() writes.
bool from_base64(const json& text, std::string& bytes) {
  if (!text.is_string()) return false;
  const auto& written = text.get_ref<const std::string&>();
  return google::protobuf::Base64Unescape(written, &bytes) && base64(bytes) == written;
}

bool looks_encoded(const json& value) { return value.is_object() && value.contains("content_type"); }

/// JSON as it is where that gives back the same bytes, base64 otherwise.
json payload_json(const messages::Payload& payload) {
  const bool plain = payload.content_type() == messages::Payload::JSON && payload.type_name().empty();
  if (plain && !nests_too_deeply(payload.data())) {
    json value = json::parse(payload.data(), nullptr, false);
    if (!value.is_discarded() && !looks_encoded(value) &&
        value.dump(-1, ' ', false, json::error_handler_t::replace) == payload.data()) {
      return value;
    }
  }
  return encoded_payload_json(payload);
}

result<void, failed> parse_payload(const json& value, messages::Payload& to) {
  to.Clear();
  if (!looks_encoded(value)) {
    to.set_data(value.dump(-1, ' ', false, json::error_handler_t::replace));
    return {};
  }
  for (const auto& [name, member] : value.items()) {
    messages::Payload::ContentType type{};
    if (name == "content_type" && member.is_string() && messages::Payload::ContentType_Parse(member.get<std::string>(), &type)) {
      to.set_content_type(type);
    } else if (name == "type_name" && member.is_string() && is_utf8(member.get_ref<const std::string&>())) {
      to.set_type_name(member.get<std::string>());
    } else if (name != "base64" || !from_base64(member, *to.mutable_data())) {
      return unexpected(failed{"\"" + name + "\" is not what a payload has there"});
    }
  }
  return {};
}

result<void, failed> parse_fields(const json& object, Message& to, int depth);

bool fits(const json& value, std::uint64_t limit) { return value.is_number_unsigned() && value.get<std::uint64_t>() <= limit; }

/// Sets the field, or adds to it where it is repeated.
result<void, failed> parse_field(const json& value, const FieldDescriptor& field, Message& to, int depth) {
  const auto& r = *to.GetReflection();
  const bool many = field.is_repeated();
  const auto wrong = [&](const char* wanted) {
    return unexpected(failed{"\"" + field.name() + "\" is not " + wanted});
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64: {
      const bool whole = value.is_number_integer() && (!value.is_number_unsigned() || fits(value, INT64_MAX));
      if (!whole) return wrong("a whole number");
      many ? r.AddInt64(&to, &field, value.get<std::int64_t>()) : r.SetInt64(&to, &field, value.get<std::int64_t>());
      return {};
    }
    case FieldDescriptor::CPPTYPE_UINT32:
      if (!fits(value, UINT32_MAX)) return wrong("a number from 0 to 4294967295");
      many ? r.AddUInt32(&to, &field, value.get<std::uint32_t>()) : r.SetUInt32(&to, &field, value.get<std::uint32_t>());
      return {};
    case FieldDescriptor::CPPTYPE_UINT64:
      if (!fits(value, UINT64_MAX)) return wrong("a whole number that is not negative");
      many ? r.AddUInt64(&to, &field, value.get<std::uint64_t>()) : r.SetUInt64(&to, &field, value.get<std::uint64_t>());
      return {};
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (!value.is_number()) return wrong("a number");
      many ? r.AddDouble(&to, &field, value.get<double>()) : r.SetDouble(&to, &field, value.get<double>());
      return {};
    case FieldDescriptor::CPPTYPE_BOOL:
      if (!value.is_boolean()) return wrong("true or false");
      many ? r.AddBool(&to, &field, value.get<bool>()) : r.SetBool(&to, &field, value.get<bool>());
      return {};
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* named = value.is_string() ? field.enum_type()->FindValueByName(value.get<std::string>()) : nullptr;
      if (named == nullptr) return wrong("a known value");
      many ? r.AddEnum(&to, &field, named) : r.SetEnum(&to, &field, named);
      return {};
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (!value.is_string() || !is_utf8(value.get_ref<const std::string&>())) return wrong("text");
      many ? r.AddString(&to, &field, value.get<std::string>()) : r.SetString(&to, &field, value.get<std::string>());
      return {};
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      auto inner = parse_fields(value, many ? *r.AddMessage(&to, &field) : *r.MutableMessage(&to, &field), depth + 1);
      if (!inner) return unexpected(failed{"in \"" + field.name() + "\": " + inner.error().message});
      return {};
    }
    default: return wrong("of a kind that can be stored");
  }
}

result<void, failed> parse_fields(const json& object, Message& to, int depth) {
  if (auto* payload = dynamic_cast<messages::Payload*>(&to)) return parse_payload(object, *payload);
  if (!object.is_object()) return unexpected(failed{"not a JSON object"});
  if (depth > max_depth) return unexpected(failed{"nested too deeply"});
  for (const auto& [name, value] : object.items()) {
    const FieldDescriptor* field = to.GetDescriptor()->FindFieldByName(name);
    if (field == nullptr) return unexpected(failed{"\"" + name + "\" is not known"});
    if (!field->is_repeated()) {
      if (auto parsed = parse_field(value, *field, to, depth); !parsed) return parsed;
      continue;
    }
    if (!value.is_array()) return unexpected(failed{"\"" + name + "\" is not an array"});
    for (const json& each : value) {
      if (auto parsed = parse_field(each, *field, to, depth); !parsed) return parsed;
    }
  }
  return {};
}

Message* inner_of_type(messages::Event& event, const std::string& type) {
  const auto& kinds = *messages::Event::descriptor()->oneof_decl(0);
  for (int i = 0; i < kinds.field_count(); ++i) {
    if (kinds.field(i)->message_type()->name() == type) return event.GetReflection()->MutableMessage(&event, kinds.field(i));
  }
  return nullptr;
}

bool take_number(const json& line, const char* name, std::uint64_t& to) {
  const auto found = line.find(name);
  if (found == line.end() || !fits(*found, UINT64_MAX)) return false;
  to = found->get<std::uint64_t>();
  return to > 0;
}

}  // namespace

json message_json(const Message& message) {
  json object = fields_json(message, payload_json);
  const std::unique_ptr<Message> back(message.New());
  const std::string bytes = message.SerializeAsString();
  if (object.is_object() && parse_fields(object, *back, 0) && back->SerializeAsString() == bytes) return object;
  object[raw_member] = base64(bytes);
  return object;
}

result<void, json_error> parse_message_json(const json& object, Message& to) {
  to.Clear();
  const auto raw = object.find(raw_member);
  if (raw == object.end()) return parse_fields(object, to, 0);
  std::string bytes;
  if (!from_base64(*raw, bytes)) return unexpected(failed{"\"protobuf\" is not base64"});
  if (!to.ParseFromString(bytes)) return unexpected(failed{"\"protobuf\" is no message " + to.GetDescriptor()->name()});
  return {};
}

json event_line(std::uint64_t seq, std::uint64_t turn, timestamp time, const messages::Event& event) {
  json line = {{"seq", seq}, {"turn", turn}, {"type", event_type(event)}, {"time", iso_time(time)}};
  line.update(message_json(body_of(event)));
  messages::Event back;  // a field beside the kinds would be of a later version
  Message* what = inner_of_type(back, event_type(event));
  if (what != nullptr) what->CopyFrom(body_of(event));
  if (what == nullptr || back.SerializeAsString() != event.SerializeAsString()) line["event_protobuf"] = base64(event.SerializeAsString());
  return line;
}

result<parsed_event, json_error> parse_event_line(const json& line) {
  parsed_event parsed;
  if (!take_number(line, "seq", parsed.seq)) return unexpected(failed{"\"seq\" is not the number of an event"});
  if (!take_number(line, "turn", parsed.turn)) return unexpected(failed{"\"turn\" is not the number of an event"});
  const auto time = line.find("time");
  if (time == line.end() || !time->is_string()) return unexpected(failed{"\"time\" is missing"});
  const auto when = parse_iso_time(time->get<std::string>());
  if (!when) return unexpected(when.error());
  parsed.time = *when;
  if (const auto raw = line.find("event_protobuf"); raw != line.end()) {
    std::string bytes;
    if (!from_base64(*raw, bytes) || !parsed.event.ParseFromString(bytes)) {
      return unexpected(failed{"\"event_protobuf\" is no event"});
    }
    return parsed;
  }
  const auto type = line.find("type");
  if (type == line.end() || !type->is_string()) return unexpected(failed{"\"type\" is missing"});
  const auto& kind = type->get_ref<const std::string&>();
  Message* const what = inner_of_type(parsed.event, kind);
  if (what == nullptr) return unexpected(failed{"\"" + kind + "\" is no kind of event"});
  json fields = line;
  for (const char* name : {"seq", "turn", "type", "time"}) fields.erase(name);
  if (auto read = parse_message_json(fields, *what); !read) return unexpected(read.error());
  return parsed;
}

result<timestamp, json_error> parse_iso_time(const std::string& text) {
  std::tm parts{};
  int micros = 0;
  int end = 0;
  const int read = std::sscanf(text.c_str(), "%6d-%2d-%2dT%2d:%2d:%2d.%6dZ%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                               &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &micros, &end);
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  if (read == 7 && parts.tm_year < max_year - 1900) {
    const timestamp time = from_micros(std::int64_t{timegm(&parts)} * 1'000'000 + micros);
    if (iso_time(time) == text) return time;
  }
  return unexpected(failed{"a time as in 2026-05-01T12:00:00.000000Z is expected, not \"" + text + "\""});
}

}  // namespace evermill
