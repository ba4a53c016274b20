// A value whose strings may be expressions: `{ "id": "${ .order.id }", "kind": "express" }`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dsl/expression.hpp"
#include "evermill/result.hpp"

namespace evermill::dsl {

class value_template {
 public:
  using list = std::vector<value_template>;
  using object = std::vector<std::pair<std::string, value_template>>;
  /// Loose mode: text that is an expression, unless its evaluation fails.
  struct loose_text {
    expression tried;
    std::string text;
  };

  value_template() = default;
  explicit value_template(json constant) : content_(std::move(constant)) {}
  explicit value_template(expression computed) : content_(std::move(computed)) {}
  explicit value_template(loose_text text) : content_(std::move(text)) {}
  /// Without any expression in them they become constants.
  explicit value_template(list items);
  explicit value_template(object members);

  bool is_constant() const noexcept { return std::holds_alternative<json>(content_); }
  /// The value, where it is a constant.
  const json* constant() const noexcept { return std::get_if<json>(&content_); }
  /// The expression, where it is one as a whole.
  const expression* computed() const noexcept { return std::get_if<expression>(&content_); }
  /// The members of an object that holds expressions, in the order of the file.
  const object* members() const noexcept { return std::get_if<object>(&content_); }

  /// The value with its expressions evaluated; the first error of those there are.
  result<json, expression_error> evaluate(const json& input, const variables& with) const;

 private:
  std::variant<json, expression, loose_text, list, object> content_;
};

}  // namespace evermill::dsl
