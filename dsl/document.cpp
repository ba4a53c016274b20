#include "dsl/document.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/text.hpp"
#include "dsl/document_readers.hpp"

namespace evermill::dsl {
namespace {

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool looks_like_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (text[first] == '{' || text[first] == '[') && !nests_too_deeply(text) &&
         json::accept(text);
}

problem refused(rule which, std::string message, std::string hint = {}) {
  return {.at = {1, 1}, .rule = which, .message = std::move(message), .hint = std::move(hint)};
}

}  // namespace

const std::string& node::text() const {
  EVERMILL_CHECK(what == kind::string, "only a string has text");
  return scalar.get_ref<const std::string&>();
}

const node* node::find(std::string_view key) const noexcept {
  const auto found = std::find_if(members.begin(), members.end(), [&](const member& m) { return m.key == key; });
  return found == members.end() ? nullptr : &found->value;
}

position node::within(std::size_t offset) const {
  if (what != kind::string || layout.what == scalar_layout::kind::unknown) return at;
  const std::string_view before = std::string_view(text()).substr(0, offset);
  if (layout.what == scalar_layout::kind::exact) {
    return {at.line, static_cast<std::uint32_t>(at.column + layout.before + characters(before))};
  }
  const auto lines = static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  const auto column = static_cast<std::uint32_t>(layout.before + characters(before.substr(line_start)) + 1);
  return {at.line + 1 + lines, column};
}

std::string_view kind_name(node::kind what) noexcept {
  switch (what) {
    case node::kind::null:
      return "null";
    case node::kind::boolean:
      return "a boolean";
    case node::kind::number:
      return "a number";
    case node::kind::string:
      return "a string";
    case node::kind::sequence:
      return "a list";
    case node::kind::mapping:
      return "an object";
  }
  return "";
}

json to_json(const node& from) {
  if (from.is(node::kind::sequence)) {
    json::array_t items;
    items.reserve(from.items.size());
    for (const node& item : from.items) items.push_back(to_json(item));
    return items;
  }
  if (!from.is(node::kind::mapping)) return from.scalar;
  json::object_t members;
  for (const node::member& member : from.members) members.emplace(member.key, to_json(member.value));
  return members;
}

result<node, problem> read_document(std::string_view text, text_format format, problems& found, const document_limits& limits) {
  if (text.size() > limits.bytes) {
    return unexpected(refused(rule::limit, "the file has " + std::to_string(text.size()) + " bytes; at most " +
                                               std::to_string(limits.bytes) + " are read"));
  }
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  if (!is_utf8(text)) return unexpected(refused(rule::syntax, "the file is not UTF-8 text"));
  if (text.find('\0') != std::string_view::npos) return unexpected(refused(rule::syntax, "the file holds a NUL character"));
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return unexpected(refused(rule::syntax, "the file is empty"));
  }
  const bool as_json = format == text_format::json || (format == text_format::detect && looks_like_json(text));
  return as_json ? detail::read_json_document(text, found, limits) : detail::read_yaml_document(text, found, limits);
}

namespace detail {

void refuse_duplicates(node& mapping, problems& found) {
  std::vector<std::size_t> by_key(mapping.members.size());
  for (std::size_t i = 0; i < by_key.size(); ++i) by_key[i] = i;
  std::stable_sort(by_key.begin(), by_key.end(),
                   [&](std::size_t a, std::size_t b) { return mapping.members[a].key < mapping.members[b].key; });
  std::vector<std::size_t> repeated;
  for (std::size_t i = 1; i < by_key.size(); ++i) {
    if (mapping.members[by_key[i]].key == mapping.members[by_key[i - 1]].key) repeated.push_back(by_key[i]);
  }
  std::sort(repeated.rbegin(), repeated.rend());
  for (const std::size_t i : repeated) {
    const node::member& again = mapping.members[i];
    found.push_back({.at = again.key_at,
                     .rule = rule::duplicate,
                     .message = "the key " + in_quotes(again.key) + " stands here a second time",
                     .hint = "leave one of them out"});
    mapping.members.erase(mapping.members.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace detail
}  // namespace evermill::dsl
