#include "evermill/codec.hpp"

#include "base/text.hpp"

namespace evermill::detail {
namespace {

std::string name_of(const payload& from) {
  switch (from.type) {
    case payload::content_type::json: return from.data.empty() ? "no value" : "JSON " + from.data.substr(0, 60);
    case payload::content_type::protobuf: return "a protobuf message " + from.type_name;
    case payload::content_type::bytes: return std::to_string(from.data.size()) + " bytes";
    case payload::content_type::other: return from.type_name;
  }
  return "an unknown content type";
}

}  // namespace

void throw_cannot_decode(const payload& from, std::string_view wanted, std::string_view why) {
  throw payload_error("expected " + std::string(wanted) + ", got " + name_of(from) + " (" + std::string(why) + ")");
}

void expect_type(const payload& from, payload::content_type wanted, std::string_view type_name) {
  if (from.type == wanted && from.type_name == type_name) return;
  throw_cannot_decode(from, type_name.empty() ? "bytes" : type_name, "another content type");
}

nlohmann::json parse_json(const payload& from) {
  if (from.type != payload::content_type::json) throw_cannot_decode(from, "JSON", "another content type");
  if (from.data.empty()) return nullptr;
  if (nests_too_deeply(from.data)) throw_cannot_decode(from, "JSON", "nested too deeply");
  nlohmann::json value = nlohmann::json::parse(from.data, nullptr, false);
  if (value.is_discarded()) throw_cannot_decode(from, "JSON", "malformed");
  return value;
}

payload encode_json(const nlohmann::json& value) {
  try {
    return json_payload(value.dump());
  } catch (const nlohmann::json::exception& error) {
    throw payload_error(std::string("the value can't be written as JSON: ") + error.what());
  }
}

payload encode_string(const std::string& value) {
  if (!is_utf8(value)) return {payload::content_type::bytes, {}, value};
  return json_payload(nlohmann::json(value).dump());
}

std::string decode_string(const payload& from) {
  if (from.type == payload::content_type::bytes) return from.data;
  const nlohmann::json value = parse_json(from);
  if (!value.is_string()) throw_cannot_decode(from, "a string", "it is something else");
  return value.get<std::string>();
}

}  // namespace evermill::detail
