/// @file
/// A value as it is stored and sent: bytes with their content type.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace evermill {

/// An argument, result, signal or failure's details as it is stored. One of type `json` without any data is no value at all:
/// what a void gives.
struct payload {
  /// What the bytes are. The numbers are stored.
  enum class content_type : unsigned char {
    json = 0,      ///< UTF-8 JSON text
    protobuf = 1,  ///< a serialised message; `type_name` is its full name
    bytes = 2,     ///< anything
    other = 3,     ///< `type_name` is the media type
  };
  content_type type = content_type::json;  ///< what `data` is
  std::string type_name;                   ///< of a protobuf message, or a media type; empty for JSON and bytes
  std::string data;                        ///< the bytes; at most max_payload_bytes

  /// Byte for byte: JSON that is written in another way differs.
  friend bool operator==(const payload&, const payload&) = default;
};

/// A larger argument, signal or result is refused: by std::length_error in a workflow, as invalid_argument by the engine,
/// and as a failure "PayloadTooLarge", which is not retried, where an activity returns it.
inline constexpr std::size_t max_payload_bytes = std::size_t{256} << 20;

/// A payload of JSON text. The text is not checked here.
inline payload json_payload(std::string text) { return {payload::content_type::json, {}, std::move(text)}; }

}  // namespace evermill
