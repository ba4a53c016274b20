#include "dsl/expression.hpp"

#include <algorithm>
#include <array>

#include "dsl/jq_native.hpp"

namespace evermill::dsl {
namespace {

constexpr std::string_view expression_blanks = " \t\r\n";
const json null_value;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(expression_blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(expression_blanks) - first + 1);
}

/// The values of an expression's variables. Few expressions use many.
class gathered {
 public:
  gathered(const std::vector<jq::parsed::use>& used, const variables& from) : size_(used.size()) {
    if (size_ > few_.size()) many_.resize(size_);
    const json** values = many_.empty() ? few_.data() : many_.data();
    for (std::size_t i = 0; i < size_; ++i) {
      const json* found = from.find(used[i].name);
      values[i] = found == nullptr ? &null_value : found;
    }
  }
  std::span<const json* const> values() const { return {many_.empty() ? few_.data() : many_.data(), size_}; }

 private:
  std::size_t size_;
  std::array<const json*, 8> few_{};
  std::vector<const json*> many_;
};

}  // namespace

std::string describe(const expression_error& error) {
  std::string text = error.message;
  text.append(", in `").append(error.source).append("`");
  if (error.at.line != 0) text.append(", line ").append(std::to_string(error.at.line));
  return text;
}

result<json, expression_error> expression::evaluate(const json& input, const variables& with) const {
  const gathered values(shared_->syntax.variables, with);
  if (shared_->syntax.root.native) {
    if (auto value = jq::evaluate_native(shared_->syntax.root, input, values.values())) return std::move(*value);
  }
  auto value = shared_->program->evaluate(shared_->number, input, values.values());
  if (value) return std::move(*value);
  return unexpected(expression_error{value.error().what, shared_->at, shared_->source, std::move(value.error().message)});
}

result<bool, expression_error> expression::holds(const json& input, const variables& with) const {
  auto value = evaluate(input, with);
  if (!value) return unexpected(std::move(value.error()));
  return is_true(*value);
}

bool expression::uses(std::string_view variable) const noexcept {
  const auto& used = shared_->syntax.variables;
  return std::any_of(used.begin(), used.end(), [&](const jq::parsed::use& use) { return use.name == variable; });
}

expression_compiler::expression_compiler(std::chrono::milliseconds limit) : program_(std::make_shared<jq::program>(limit)) {}

result<expression, jq::syntax_error> expression_compiler::compile(std::string_view source, position at) {
  auto syntax = jq::parse(source);
  if (!syntax) return unexpected(std::move(syntax.error()));
  std::vector<std::string> names;
  for (const jq::parsed::use& use : syntax->variables) names.push_back(use.name);
  const std::size_t number = program_->add(std::string(source), std::move(names));
  return expression(std::make_shared<const expression::shared>(
      expression::shared{std::string(source), at, std::move(*syntax), program_, number}));
}

std::optional<std::string_view> enclosed_expression(std::string_view text) {
  const std::string_view inner = trimmed(text);
  if (!inner.starts_with("${") || !inner.ends_with('}')) return std::nullopt;
  return trimmed(inner.substr(2, inner.size() - 3));
}

bool is_true(const json& value) noexcept { return !value.is_null() && !(value.is_boolean() && !value.get<bool>()); }

}  // namespace evermill::dsl
