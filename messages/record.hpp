// The frame around every stored value: format version, checksum, content. A value that was torn, flipped or moved to
// another key is told from a good one.
#pragma once

#include <string>
#include <string_view>

#include "evermill/result.hpp"

namespace google::protobuf {
class MessageLite;
}

namespace evermill {

/// The format this build writes. It reads this one and all before it.
inline constexpr unsigned char record_format_version = 1;

enum class record_error {
  truncated,       ///< shorter than the frame's own header
  newer_version,   ///< written by a later evermill
  checksum,        ///< content, key or checksum changed since it was written
  malformed,       ///< the checksum holds but the content is not the expected message
};

/// For people: "checksum mismatch", ….
std::string_view to_string(record_error error) noexcept;

/// Appends to `out`: version (1 byte), low 32 bits of XXH3-64 over version, key and content (little-endian), content.
void append_record(std::string& out, std::string_view key, const google::protobuf::MessageLite& content);

/// Replaces `content` by what `record` holds, or says why it can't.
result<void, record_error> parse_record(std::string_view key, std::string_view record,
                                        google::protobuf::MessageLite& content);

}  // namespace evermill
