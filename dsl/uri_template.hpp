// URIs with variables: `https://pets.example/pet/{petId}` (RFC 6570, simple string expansion only, as the standard has it).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/result.hpp"

namespace evermill::dsl {

class uri_template {
 public:
  /// A URI with a scheme and `://`, or a template of one. Or what is wrong.
  static result<uri_template, std::string> parse(std::string_view text);

  const std::string& text() const noexcept { return text_; }
  /// In the order of the text.
  const std::vector<std::string>& variables() const noexcept { return names_; }

  /// Each variable is a member of `from`, percent-encoded; one that is missing or null is left out. Or what is wrong: a value
  /// that is an array or object, which the standard takes for an error of type expression, status 400.
  result<std::string, std::string> expand(const nlohmann::json& from) const;

 private:
  std::string text_;
  std::vector<std::string> literals_;  // one more than names
  std::vector<std::string> names_;
};

}  // namespace evermill::dsl
