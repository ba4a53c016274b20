#include "messages/message_fields.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/strutil.h>

#include <cmath>
#include <vector>

namespace evermill {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using json = nlohmann::ordered_json;

json number_json(double number) { return std::isfinite(number) ? json(number) : json(); }

/// A value of the field: the index-th of a repeated one, or the only one where `index` is negative.
json field_json(const Message& message, const FieldDescriptor& field, int index, payload_json_function& payload_json) {
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
      return number_json(one ? r.GetDouble(message, &field) : r.GetRepeatedDouble(message, &field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return number_json(one ? r.GetFloat(message, &field) : r.GetRepeatedFloat(message, &field, index));
    case FieldDescriptor::CPPTYPE_BOOL: return one ? r.GetBool(message, &field) : r.GetRepeatedBool(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return (one ? r.GetEnum(message, &field) : r.GetRepeatedEnum(message, &field, index))->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return one ? r.GetString(message, &field) : r.GetRepeatedString(message, &field, index);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return fields_json(one ? r.GetMessage(message, &field) : r.GetRepeatedMessage(message, &field, index), payload_json);
  }
  return nullptr;
}

}  // namespace

json fields_json(const Message& message, payload_json_function& payload_json) {
  if (const auto* payload = dynamic_cast<const messages::Payload*>(&message)) return payload_json(*payload);
  json object = json::object();
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (!field->is_repeated()) {
      object[field->name()] = field_json(message, *field, -1, payload_json);
      continue;
    }
    json& values = object[field->name()] = json::array();
    const int count = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < count; ++i) values.push_back(field_json(message, *field, i, payload_json));
  }
  return object;
}

json encoded_payload_json(const messages::Payload& payload) {
  json value = {{"content_type", messages::Payload::ContentType_Name(payload.content_type())}};
  if (!payload.type_name().empty()) value["type_name"] = payload.type_name();
  value["base64"] = base64(payload.data());
  return value;
}

std::string base64(const std::string& bytes) {
  std::string text;
  google::protobuf::Base64Escape(bytes, &text);
  return text;
}

const Message& body_of(const messages::Event& event) {
  const FieldDescriptor* field =
      event.GetReflection()->GetOneofFieldDescriptor(event, event.GetDescriptor()->oneof_decl(0));
  return field == nullptr ? static_cast<const Message&>(event) : event.GetReflection()->GetMessage(event, field);
}

}  // namespace evermill
