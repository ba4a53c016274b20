// The two readers behind read_document(), and what they share. The text is UTF-8 within limits.bytes.
#pragma once

#include "dsl/document.hpp"
#include "dsl/text_lines.hpp"

namespace evermill::dsl::detail {

result<node, problem> read_json_document(std::string_view text, problems& found, const document_limits& limits);
result<node, problem> read_yaml_document(std::string_view text, problems& found, const document_limits& limits);

/// Takes out members whose key stands there before, and tells of each.
void refuse_duplicates(node& mapping, problems& found);

}  // namespace evermill::dsl::detail
