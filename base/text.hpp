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
/// Throws std::invalid_argument ("the query's name is empty") where `name` is none; `what` says whose it is.
void require_name(std::string_view what, std::string_view name);

/// What is nested deeper than this is refused: JSON values are written and copied recursively, on the stack.
inline constexpr std::size_t max_json_depth = 1000;

/// Does the JSON text nest arrays and objects deeper than max_json_depth? Says nothing about text that is no JSON.
bool nests_too_deeply(std::string_view json) noexcept;

}  // namespace evermill
