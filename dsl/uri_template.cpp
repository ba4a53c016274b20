#include "dsl/uri_template.hpp"

#include <algorithm>

#include "base/encodings.hpp"
#include "dsl/problem.hpp"

namespace evermill::dsl {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool has_scheme(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0) return false;
  const std::string_view scheme = text.substr(0, end);
  const auto fits = [](char c) { return is_alphanumeric(c) || c == '+' || c == '-' || c == '.'; };
  return !(scheme[0] >= '0' && scheme[0] <= '9') && is_alphanumeric(scheme[0]) &&
         std::all_of(scheme.begin(), scheme.end(), fits);
}

std::string why_no_variable(std::string_view name) {
  if (name.empty()) return "`{}` names no variable";
  if (std::string_view("+#./;?&=,!@|").find(name.front()) != std::string_view::npos) {
    return "`{" + std::string(name) + "}`: only simple variables can be used, such as {id}";
  }
  const auto fits = [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-' || c == '%'; };
  if (!std::all_of(name.begin(), name.end(), fits)) return "`{" + std::string(name) + "}` is no variable, such as {id}";
  return {};
}

}  // namespace

result<uri_template, std::string> uri_template::parse(std::string_view text) {
  if (!has_scheme(text)) return unexpected(in_quotes(text) + " is no URI with a scheme, such as https://example.com/pets/{id}");
  const auto is_wrong = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '"' || c == '<' || c == '>';
  };
  if (std::any_of(text.begin(), text.end(), is_wrong)) return unexpected(in_quotes(text) + " has a character that no URI has");
  uri_template made;
  made.text_ = text;
  std::string_view rest = text;
  for (std::size_t open = rest.find_first_of("{}"); open != std::string_view::npos; open = rest.find_first_of("{}")) {
    const std::size_t close = rest.find_first_of("{}", open + 1);
    if (rest[open] == '}' || close == std::string_view::npos || rest[close] == '{') {
      return unexpected(in_quotes(text) + " has a brace without its other one");
    }
    const std::string_view name = rest.substr(open + 1, close - open - 1);
    if (std::string why = why_no_variable(name); !why.empty()) return unexpected(std::move(why));
    made.literals_.emplace_back(rest.substr(0, open));
    made.names_.emplace_back(name);
    rest.remove_prefix(close + 1);
  }
  made.literals_.emplace_back(rest);
  return made;
}

result<std::string, std::string> uri_template::expand(const nlohmann::json& from) const {
  std::string uri = literals_.front();
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto found = from.is_object() ? from.find(names_[i]) : from.end();
    if (from.is_object() && found != from.end() && !found->is_null()) {
      if (found->is_structured()) return unexpected("{" + names_[i] + "} of " + text_ + " is an array or object");
      uri += percent_encoded(found->is_string() ? found->get<std::string>() : found->dump());
    }
    uri.append(literals_[i + 1]);
  }
  return uri;
}

}  // namespace evermill::dsl
