// Events as JSON that loses nothing: what `export` writes and `import` reads. docs/journals.md describes it for users.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/clock.hpp"
#include "evermill/result.hpp"
#include "messages/journal.pb.h"

namespace google::protobuf {
class Message;
}

namespace evermill {

using ordered_json = nlohmann::ordered_json;

/// What is wrong with a line, for people.
struct json_error {
  std::string message;
};

/// The message's fields by their protobuf names. Where JSON could not give back the same bytes (an unknown field, a number
/// that is none), the object has a member "protobuf" with the serialised message in base64, which is then what counts.
ordered_json message_json(const google::protobuf::Message& message);
/// Replaces `to` by what `message_json` made of it. Members that it does not know are an error.
result<void, json_error> parse_message_json(const ordered_json& object, google::protobuf::Message& to);

/// {"seq":…,"turn":…,"type":…,"time":…, then the event's fields}. `turn` is the number of the turn's first event.
ordered_json event_line(std::uint64_t seq, std::uint64_t turn, timestamp time, const messages::Event& event);

struct parsed_event {
  std::uint64_t seq = 0;
  std::uint64_t turn = 0;
  timestamp time{};
  messages::Event event;
};
result<parsed_event, json_error> parse_event_line(const ordered_json& line);

/// Nothing but what `iso_time` writes.
result<timestamp, json_error> parse_iso_time(const std::string& text);

}  // namespace evermill
