// The fields of a protobuf message as JSON, by their protobuf names. What is written of a payload is the caller's.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "messages/journal.pb.h"

namespace evermill {

using payload_json_function = nlohmann::ordered_json(const messages::Payload&);

/// An object without the fields that have their default value; what `payload_json` makes of it where the message is a
/// payload. A number that JSON's text has not is null.
nlohmann::ordered_json fields_json(const google::protobuf::Message& message, payload_json_function& payload_json);

/// {"content_type":…,"type_name":…,"base64":…}
nlohmann::ordered_json encoded_payload_json(const messages::Payload& payload);

std::string base64(const std::string& bytes);

/// What Event's oneof holds; the event itself where that is of an unknown kind.
const google::protobuf::Message& body_of(const messages::Event& event);

}  // namespace evermill
