// Text that is stored must be UTF-8: protobuf writes other bytes into a string field, but refuses to read them again.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace evermill {

/// Valid as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

/// The text, each byte that does not belong to valid UTF-8 replaced by U+FFFD.
std::string to_utf8(std::string text);

/// The longest workflow id, signal name or other name that is stored.
inline constexpr std::size_t max_name_bytes = 512;

/// Names are 1 to max_name_bytes bytes of UTF-8 without control characters. Nothing, or what is wrong ("is empty").
std::optional<std::string> why_no_name(std::string_view name);

}  // namespace evermill
