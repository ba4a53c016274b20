#include "dsl/text_lines.hpp"

#include <algorithm>

namespace evermill::dsl {

text_lines::text_lines(std::string_view text) : text_(text), starts_{0} {
  for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) starts_.push_back(at + 1);
}

position text_lines::at(std::size_t offset) const {
  offset = std::min(offset, text_.size());
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), offset);
  const std::size_t start = *(next - 1);
  const auto is_first_byte = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  const std::string_view before = text_.substr(start, offset - start);
  const auto characters = std::count_if(before.begin(), before.end(), is_first_byte);
  return {static_cast<std::uint32_t>(next - starts_.begin()), static_cast<std::uint32_t>(characters + 1)};
}

std::string_view text_lines::line(std::size_t line) const {
  if (line == 0 || line > starts_.size()) return {};
  const std::size_t start = starts_[line - 1];
  std::string_view found = text_.substr(start, line == starts_.size() ? std::string_view::npos : starts_[line] - start - 1);
  if (found.ends_with('\r')) found.remove_suffix(1);
  return found;
}

}  // namespace evermill::dsl
