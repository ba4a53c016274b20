// JSON text as it is sent, written from front to back: payloads go into it as they are stored, without a tree in
// between.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "evermill/failure.hpp"
#include "evermill/payload.hpp"
#include "evermill/timestamp.hpp"

namespace evermill::server::http::api {

/// Members of objects have a name, items of arrays and whole values have none ("").
class json_writer {
 public:
  json_writer& begin_object(std::string_view name = {}) { return open(name, '{'); }
  json_writer& end_object() { return close('}'); }
  json_writer& begin_array(std::string_view name = {}) { return open(name, '['); }
  json_writer& end_array() { return close(']'); }

  /// What is not UTF-8 becomes U+FFFD.
  json_writer& text(std::string_view name, std::string_view value);
  json_writer& number(std::string_view name, std::uint64_t value) { return raw(name, std::to_string(value)); }
  json_writer& boolean(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
  /// RFC 3339, UTC, with microseconds.
  json_writer& time(std::string_view name, timestamp value);
  /// As parse_duration takes it: "1.5s".
  json_writer& duration(std::string_view name, std::chrono::microseconds value);
  /// JSON as the member NAME; anything else as the member NAME_payload; no value at all: nothing.
  json_writer& value(std::string_view name, const std::optional<payload>& what);
  /// "kind", "type", "message", … of why something did not complete.
  json_writer& failure(std::string_view name, const evermill::failure& why);
  /// Must be JSON.
  json_writer& raw(std::string_view name, std::string_view json);

  std::string take() { return std::move(text_); }

 private:
  json_writer& open(std::string_view name, char bracket);
  json_writer& close(char bracket);
  void begin(std::string_view name);

  std::string text_;
  bool first_ = true;
};

/// With quotes.
std::string quoted(std::string_view text);
/// "start_to_close", …
std::string_view name_of(failure_kind kind) noexcept;

}  // namespace evermill::server::http::api
