#include "base/namespaces.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace evermill::namespaces {
namespace {

bool is_letter_or_digit(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool may_follow(char c) noexcept { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; }

/// How many bytes of `kept` say which namespace it is of; 0: none do.
std::size_t prefix_bytes(std::string_view kept) noexcept {
  if (kept.empty() || kept.front() != mark) return 0;
  const std::size_t end = kept.find(mark, 1);
  return end == std::string_view::npos ? 0 : end + 1;
}

}  // namespace

std::optional<std::string> why_no_namespace(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > max_bytes) {
    return "has " + std::to_string(name.size()) + " bytes; at most " + std::to_string(max_bytes) + " are allowed";
  }
  if (!is_letter_or_digit(name.front()) || !std::all_of(name.begin(), name.end(), may_follow)) {
    return "may have letters, digits, '-', '_' and '.' only, and begins with a letter or a digit";
  }
  return std::nullopt;
}

bool is_default(std::string_view name) noexcept { return name.empty() || name == default_name; }

std::string prefix_of(std::string_view name_space) {
  if (is_default(name_space)) return {};
  std::string prefix(1, mark);
  prefix.append(name_space).push_back(mark);
  return prefix;
}

std::string qualified(std::string_view name_space, std::string_view id) { return prefix_of(name_space).append(id); }

std::string marked(std::string_view name_space, std::string_view text) {
  std::string made(1, mark);
  made.append(name_space.empty() ? default_name : name_space).push_back(mark);
  return made.append(text);
}

std::string beside(std::string_view kept, std::string_view id) { return std::string(prefix_in(kept)).append(id); }

parts split(std::string_view kept) noexcept { return {name_of(kept), plain(kept)}; }

std::string_view name_of(std::string_view kept) noexcept {
  const std::size_t prefix = prefix_bytes(kept);
  return prefix == 0 ? default_name : kept.substr(1, prefix - 2);
}

std::string_view plain(std::string_view kept) noexcept { return kept.substr(prefix_bytes(kept)); }

std::string_view prefix_in(std::string_view kept) noexcept { return kept.substr(0, prefix_bytes(kept)); }

bool same(std::string_view kept, std::string_view other) noexcept { return name_of(kept) == name_of(other); }

std::optional<std::string> why_no_kept_id(std::string_view kept) {
  if (prefix_bytes(kept) == 0) return why_no_name(kept);
  const auto [name_space, id] = split(kept);
  if (name_space == default_name || why_no_namespace(name_space)) return "holds a control character";
  return why_no_name(id);
}

std::string unknown_text(std::string_view name) {
  return "there is no namespace \"" + to_utf8(std::string(name.substr(0, max_bytes))) +
         "\", or it is not open to you; a server's namespaces are declared in its configuration file, under \"namespaces\"";
}

std::string shown(std::string text) {
  for (std::size_t begin = text.find(mark); begin != std::string::npos; begin = text.find(mark, begin)) {
    const std::size_t prefix = prefix_bytes(std::string_view(text).substr(begin));
    if (prefix == 0) break;
    text.erase(begin, prefix);
  }
  return text;
}

}  // namespace evermill::namespaces
