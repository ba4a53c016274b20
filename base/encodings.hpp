// Bytes as text, as they stand in URLs, forms and headers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace evermill {

/// All but letters, digits, "-._~" and the characters of `kept` as %XX (RFC 3986).
std::string percent_encoded(std::string_view bytes, std::string_view kept = {});

/// What percent_encoded() was given. Nothing: a '%' is not followed by two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text);

std::string base64_encoded(std::string_view bytes);
/// Also with the alphabet for URLs, and without the padding. Nothing: it is no base64.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace evermill
