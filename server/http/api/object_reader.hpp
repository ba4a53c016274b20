// The members of an object that somebody sent. Asking for one says whether it is as it must be; at the end, what nobody
// has asked for is refused.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/failure.hpp"
#include "evermill/payload.hpp"
#include "evermill/timestamp.hpp"
#include "server/http/api/json_text.hpp"

namespace evermill::server::http::api {

/// All throw problem (invalid_body), which names the member: "starts[3].reuse".
class object_reader {
 public:
  /// `checked` has passed why_no_json, and outlives the reader. `place` stands before names in messages: "",
  /// "starts[3].".
  explicit object_reader(std::string_view checked, std::string place = {});

  bool has(std::string_view name) const;
  /// "" where it is missing or null.
  std::string text(std::string_view name);
  std::string need_text(std::string_view name);
  bool boolean(std::string_view name);
  /// As "1.5s", "30m"; 0 where it is missing.
  std::chrono::microseconds duration(std::string_view name);
  /// Any JSON as member NAME, or {"content_type", "type_name", "data"} as member NAME_payload; nothing where there is
  /// neither.
  std::optional<payload> value(std::string_view name);
  std::optional<evermill::failure> failure(std::string_view name);
  /// A failure whose members are those of this object; finishes.
  evermill::failure as_failure();
  /// The text of an object or array; nothing where it is missing.
  std::optional<std::string_view> object(std::string_view name);
  std::optional<std::string_view> array(std::string_view name);
  std::string place_of(std::string_view name) const { return place_ + std::string(name); }

  /// Refuses members that were not asked for.
  void finish() const;

  [[noreturn]] void refuse(std::string_view name, const std::string& why) const;

 private:
  /// Null counts as missing.
  const json_part* take(std::string_view name);
  const json_part* find(std::string_view name) const;
  std::string instead_of(std::string_view name) const;

  std::vector<json_part> parts_;
  std::vector<std::string> known_;  ///< asked for
  std::string place_;
};

/// "250us", "10ms", "1.5s", "30m", "2h", "7d", and such one after the other: "1h30m". Nothing: it is none, or negative,
/// or longer than a thousand years.
std::optional<std::chrono::microseconds> parse_duration(std::string_view text);
/// RFC 3339: "2026-05-01T12:00:00Z", with a fraction of the second, with another offset.
std::optional<timestamp> parse_time(std::string_view text);
/// Of bytes with this Content-Type: application/json, application/protobuf; messageType=NAME, application/octet-stream,
/// others.
payload payload_of(std::string_view content_type, std::string data);

}  // namespace evermill::server::http::api
