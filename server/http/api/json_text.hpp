// JSON that strangers send: checked first, all of it, and then taken apart without being copied into a tree.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace evermill::server::http::api {

/// Nothing, or why the text is no JSON (RFC 8259) that is taken: "line 1, column 7: …". Refused are also: text that is
/// no UTF-8, more than one member of a name in an object, and what is nested deeper than max_json_depth. Costs no
/// stack, and no memory but for the names in objects that are open.
std::optional<std::string> why_no_json(std::string_view text);

/// A member of an object, or (name "") an item of an array.
struct json_part {
  std::string name;
  std::string_view value;  ///< of the text, without white space around it
};
/// `checked` has passed why_no_json. Neither an object nor an array: nothing.
std::vector<json_part> parts_of(std::string_view checked);
/// Without white space between tokens. `checked` has passed why_no_json.
std::string compact(std::string_view checked);
/// Without white space around it.
std::string_view trimmed(std::string_view text) noexcept;

}  // namespace evermill::server::http::api
