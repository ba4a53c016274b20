#include "server/http/api/json_text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.hpp"

namespace evermill::server::http::api {
namespace {

using json = nlohmann::json;

/// The library checks; this keeps no value, and looks at what the grammar allows and we do not.
class checker : public nlohmann::json_sax<json> {
 public:
  explicit checker(std::string_view text) : text_(text) {}

  std::optional<std::string> why() const { return why_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    names_.emplace_back();
    return open();
  }
  bool key(string_t& name) override {
    if (names_.back().insert(name).second) return true;
    why_ = "the member \"" + name.substr(0, 100) + "\" stands twice in an object";
    return false;
  }
  bool end_object() override {
    names_.pop_back();
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t place, const std::string&, const nlohmann::detail::exception& error) override {
    const std::string what = error.what();
    const std::size_t reason = what.find(": ");
    why_ = place_name(place) + ": " + (reason == std::string::npos ? what : what.substr(reason + 2));
    return false;
  }

 private:
  bool open() {
    if (++depth_ <= max_json_depth) return true;
    why_ = "it nests arrays and objects deeper than " + std::to_string(max_json_depth);
    return false;
  }

  std::string place_name(std::size_t place) const {
    const std::size_t at = std::min(place == 0 ? 0 : place - 1, text_.size());
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    const std::size_t before = at == 0 ? std::string_view::npos : text_.rfind('\n', at - 1);
    return "line " + std::to_string(line) + ", column " +
           std::to_string(before == std::string_view::npos ? at + 1 : at - before);
  }

  std::string_view text_;
  std::vector<std::set<std::string, std::less<>>> names_;
  std::size_t depth_ = 0;
  std::optional<std::string> why_;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Past the string that begins at `at`.
std::size_t after_string(std::string_view text, std::size_t at) {
  for (++at; text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

/// Past the value that begins at `at`.
std::size_t after_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = after_string(text, at);
      if (depth == 0) return at;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (depth == 0 && (c == ',' || c == '}' || c == ']' || is_space(c))) return at;
    ++at;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return at;
}

std::size_t after_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

}  // namespace

std::optional<std::string> why_no_json(std::string_view text) {
  if (trimmed(text).empty()) return "it is empty";
  if (text.starts_with("\xef\xbb\xbf")) return "it begins with a byte order mark";
  checker looks(text);
  if (json::sax_parse(text, &looks)) return std::nullopt;
  return to_utf8(looks.why().value_or("it is no JSON"));
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<json_part> parts_of(std::string_view checked) {
  const std::string_view text = trimmed(checked);
  std::vector<json_part> parts;
  if (text.empty() || (text.front() != '{' && text.front() != '[')) return parts;
  const bool named = text.front() == '{';
  for (std::size_t at = after_space(text, 1); text[at] != '}' && text[at] != ']';) {
    json_part& part = parts.emplace_back();
    if (named) {
      const std::size_t end = after_string(text, at);
      part.name = json::parse(text.substr(at, end - at)).get<std::string>();
      at = after_space(text, after_space(text, end) + 1);  // and the colon
    }
    const std::size_t end = after_value(text, at);
    part.value = text.substr(at, end - at);
    at = after_space(text, end);
    if (text[at] == ',') at = after_space(text, at + 1);
  }
  return parts;
}

std::string compact(std::string_view checked) {
  std::string text;
  text.reserve(checked.size());
  for (std::size_t at = 0; at < checked.size();) {
    if (checked[at] == '"') {
      const std::size_t end = after_string(checked, at);
      text.append(checked.substr(at, end - at));
      at = end;
    } else {
      if (!is_space(checked[at])) text.push_back(checked[at]);
      ++at;
    }
  }
  return text;
}

}  // namespace evermill::server::http::api
