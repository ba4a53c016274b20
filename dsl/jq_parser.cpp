#include "dsl/jq_parser.hpp"

#include <algorithm>
#include <array>

#include "dsl/jq_functions.hpp"
#include "dsl/jq_native.hpp"

namespace evermill::dsl::jq {
namespace {

struct binary_operator {
  std::string_view symbol;
  int level;
  op what;
};

// Loosest first. `?//` is none of them: jq reads it within patterns only.
constexpr std::array binary_operators = std::to_array<binary_operator>({
    {"|", 1, op::pipe},
    {",", 2, op::other},
    {"//", 3, op::alternative},
    {"=", 4, op::other},
    {"|=", 4, op::other},
    {"+=", 4, op::other},
    {"-=", 4, op::other},
    {"*=", 4, op::other},
    {"/=", 4, op::other},
    {"%=", 4, op::other},
    {"//=", 4, op::other},
    {"or", 5, op::either},
    {"and", 6, op::both},
    {"==", 7, op::equal},
    {"!=", 7, op::different},
    {"<", 7, op::less},
    {"<=", 7, op::less_or_equal},
    {">", 7, op::greater},
    {">=", 7, op::greater_or_equal},
    {"+", 8, op::add},
    {"-", 8, op::subtract},
    {"*", 9, op::multiply},
    {"/", 9, op::divide},
    {"%", 9, op::remainder},
});
constexpr int comma_level = 2;
constexpr int minus_level = 8;

bool groups_to_the_right(int level) { return level == 1 || level == 3; }
bool groups_not_at_all(int level) { return level == 4 || level == 7; }

std::string shown(const token& what) {
  if (what.what == token::kind::end) return "end";
  const std::string dot = what.what == token::kind::field ? "." : what.what == token::kind::format ? "@" : "";
  return "`" + dot + std::string(what.text) + "`";
}

}  // namespace

syntax made(op what, std::vector<syntax> parts) {
  const bool native = what != op::other && std::all_of(parts.begin(), parts.end(), [](const syntax& s) { return s.native; });
  if (!native) return {};
  return {.what = what, .native = true, .parts = std::move(parts)};
}

syntax literal(json value) { return {.what = op::literal, .native = true, .value = std::move(value)}; }

bool is_closed(const syntax& of) {
  if (of.what == op::literal) return true;
  const bool folds = of.what == op::array || of.what == op::object || (of.what >= op::add && of.what <= op::greater_or_equal);
  return of.native && folds && std::all_of(of.parts.begin(), of.parts.end(), is_closed);
}

/// libjq computes with constants while it compiles: it refuses a division by zero, and does not survive some remainders.
void parser::check_constant_division(std::size_t at, const syntax& left, op what, const syntax& right) {
  if (!is_closed(left) || !is_closed(right)) return;
  const auto dividend = evaluate_native(left, nullptr, {}), divisor = evaluate_native(right, nullptr, {});
  if (!dividend || !divisor || !dividend->is_number() || !divisor->is_number()) return;
  if (!evaluate_native(made_of(what, left, right), nullptr, {})) refuse(at, "this division of constants can't be done");
}

void parser::enter() {
  if (++nesting_ > max_nesting) refuse(next_.begin, "the expression nests too deeply", "bind parts of it with `as` or `def`");
}

void parser::advance() { next_ = lexer_.next(at_); }

bool parser::take_symbol(std::string_view symbol) {
  if (!at_symbol(symbol)) return false;
  advance();
  return true;
}

void parser::expect_symbol(std::string_view symbol, std::string_view after) {
  if (!take_symbol(symbol)) unexpected_token("expected `" + std::string(symbol) + "` after " + std::string(after));
}

void parser::expect_word(std::string_view word, std::string_view after) {
  if (!at_word(word)) unexpected_token("expected `" + std::string(word) + "` after " + std::string(after));
  advance();
}

std::string_view parser::expect_name(std::string_view what) {
  if (next_.what != token::kind::identifier || is_keyword(next_.text)) unexpected_token("expected " + std::string(what));
  const std::string_view name = next_.text;
  advance();
  return name;
}

void parser::unexpected_token(std::string_view instead) const {
  std::string hint(instead);
  if (at_symbol("?//")) hint = "write a blank: `? //`";
  if (at_symbol("[") && next_.begin > 0 && lexer_.source()[next_.begin - 1] == '.') hint = "leave out the dot before `[`";
  refuse(next_.begin, "unexpected " + shown(next_), std::move(hint));
}

void parser::refuse(std::size_t offset, std::string message, std::string hint) {
  throw syntax_error{offset, std::move(message), std::move(hint)};
}

void parser::restore(scope_mark to) {
  functions_.resize(to.functions, {});
  variables_.resize(to.variables);
  labels_.resize(to.labels);
}

syntax parser::variable(std::size_t offset, std::string_view name) {
  if (name == "ENV") refuse(offset, "$ENV can't be used", std::string(why_refused("env")));
  if (std::find(variables_.begin(), variables_.end(), name) != variables_.end()) return {};
  auto known = std::find_if(free_.begin(), free_.end(), [&](const parsed::use& use) { return use.name == name; });
  if (known == free_.end()) known = free_.insert(free_.end(), {std::string(name), offset});
  return {.what = op::variable, .native = true, .number = static_cast<std::uint32_t>(known - free_.begin())};
}

syntax parser::call(std::size_t offset, std::string_view name, std::vector<syntax> arguments) {
  const std::size_t count = arguments.size();
  const bool own = std::any_of(functions_.begin(), functions_.end(),
                               [&](const function& f) { return f.name == name && f.parameters == count; });
  if (own) return {};
  if (!is_function(name, count)) {
    if (count == 0 && (name == "null" || name == "true" || name == "false")) {
      return literal(name == "null" ? json(nullptr) : json(name == "true"));
    }
    refuse(offset, "jq 1.6 has no function " + std::string(name) + "/" + std::to_string(count), advice(name, count));
  }
  if (const std::string_view hint = why_refused(name); !hint.empty()) {
    refuse(offset, "`" + std::string(name) + "` can't be used", std::string(hint));
  }
  const native_function native = native_function_of(name, count);
  if (native == native_function::none) return {};
  syntax made_call = made(op::call, std::move(arguments));
  made_call.number = static_cast<std::uint32_t>(native);
  return made_call;
}

parsed parser::whole() {
  syntax root = pipe();
  if (next_.what != token::kind::end) unexpected_token();
  return {std::move(root), std::move(free_)};
}

std::optional<std::pair<int, op>> parser::operator_here() const {
  if (next_.what != token::kind::symbol && next_.what != token::kind::identifier) return std::nullopt;
  for (const binary_operator& known : binary_operators) {
    if (known.symbol == next_.text) return std::pair(known.level, known.what);
  }
  return std::nullopt;
}

syntax parser::binary(int lowest) {
  enter();
  syntax left = prefix();
  std::vector<syntax> listed;  // of a chain of commas, for the array around it
  for (auto found = operator_here(); found && found->first >= lowest; found = operator_here()) {
    const int level = found->first;
    const op what = found->second;
    const std::size_t at = next_.begin;
    advance();
    syntax right = binary(groups_to_the_right(level) ? level : level + 1);
    if (what == op::divide || what == op::remainder) check_constant_division(at, left, what, right);
    if (level == comma_level) {
      if (listed.empty()) listed.push_back(std::move(left));
      listed.push_back(std::move(right));
      left = {};
    } else {
      left = made_of(what, std::move(left), std::move(right));
      listed.clear();
    }
    const auto again = operator_here();
    if (groups_not_at_all(level) && again && again->first == level) unexpected_token("put parentheses around one of the two");
  }
  --nesting_;
  if (!listed.empty()) left.parts = std::move(listed);
  return left;
}

syntax parser::prefix() {
  bool whole_rest = false;
  syntax found = head(whole_rest);
  while (!whole_rest && at_symbol("?")) advance();  // what fails is left to libjq anyway
  return found;
}

syntax parser::head(bool& whole_rest) {
  if (at_symbol("-")) return negation();
  if (next_.what == token::kind::identifier) {
    if (at_word("def")) return whole_rest = true, definition();
    if (at_word("label")) return whole_rest = true, label();
    if (at_word("reduce")) return fold(false);
    if (at_word("foreach")) return fold(true);
    if (at_word("if")) return conditional();
    if (at_word("try")) return attempt();
  }
  syntax found = term();
  if (!at_word("as")) return found;
  whole_rest = true;
  return bind(found);
}

syntax parser::negation() {
  advance();
  return made_of(op::negate, binary(minus_level + 1));
}

syntax parser::attempt() {
  enter();
  advance();
  bool whole_rest = false;
  static_cast<void>(head(whole_rest));
  if (at_word("catch")) {
    advance();
    static_cast<void>(head(whole_rest));
  }
  --nesting_;
  return {};
}

syntax parser::conditional() {
  advance();
  syntax made_condition{.what = op::conditional};
  made_condition.parts.push_back(pipe());
  expect_word("then", "the condition");
  made_condition.parts.push_back(pipe());
  else_part(made_condition);
  return made(op::conditional, std::move(made_condition.parts));
}

void parser::else_part(syntax& into) {
  if (at_word("elif")) {
    enter();
    into.parts.push_back(conditional());  // its `end` is ours too
    --nesting_;
    return;
  }
  if (at_word("end")) unexpected_token("jq 1.6 wants an `else` here");
  expect_word("else", "what comes after `then`");
  into.parts.push_back(pipe());
  expect_word("end", "what comes after `else`");
}

syntax parser::fold(bool extracts) {
  const std::string name = extracts ? "foreach" : "reduce";
  advance();
  static_cast<void>(term());
  expect_word("as", "what `" + name + "` goes through");
  std::vector<std::string> names;
  patterns(names);
  expect_symbol("(", "the pattern");
  static_cast<void>(pipe());
  expect_symbol(";", "the first value");
  const scope_mark outside = mark();
  variables_.insert(variables_.end(), names.begin(), names.end());
  static_cast<void>(pipe());
  if (extracts && take_symbol(";")) static_cast<void>(pipe());
  restore(outside);
  expect_symbol(")", "the parts of `" + name + "`");
  return {};
}

syntax parser::definition() {
  const scope_mark outside = mark();
  while (at_word("def")) {
    advance();
    const std::string name(expect_name("the function's name"));
    std::vector<std::string> values, closures;
    if (take_symbol("(")) {
      do {
        const bool value = take_symbol("$");
        (value ? values : closures).emplace_back(expect_name("a parameter"));
      } while (take_symbol(";"));
      expect_symbol(")", "the parameters");
    }
    expect_symbol(":", "the function's name");
    const std::size_t count = values.size() + closures.size();
    functions_.push_back({name, count});
    const scope_mark body = mark();
    for (const std::string& closure : closures) functions_.push_back({closure, 0});
    for (const std::string& value : values) {
      functions_.push_back({value, 0});
      variables_.push_back(value);
    }
    static_cast<void>(pipe());
    restore(body);
    expect_symbol(";", "the function");
  }
  static_cast<void>(pipe());
  restore(outside);
  return {};
}

syntax parser::label() {
  advance();
  expect_symbol("$", "`label`");
  const scope_mark outside = mark();
  labels_.emplace_back(expect_name("the label's name"));
  expect_symbol("|", "the label");
  static_cast<void>(pipe());
  restore(outside);
  return {};
}

syntax parser::bind(const syntax&) {
  advance();
  std::vector<std::string> names;
  patterns(names);
  expect_symbol("|", "the pattern");
  const scope_mark outside = mark();
  variables_.insert(variables_.end(), names.begin(), names.end());
  static_cast<void>(pipe());
  restore(outside);
  return {};
}

void parser::patterns(std::vector<std::string>& names) {
  do {
    pattern(names);
  } while (take_symbol("?//"));
}

void parser::pattern(std::vector<std::string>& names) {
  enter();
  if (take_symbol("$")) {
    names.emplace_back(expect_name("a variable's name"));
  } else if (take_symbol("[")) {
    do {
      pattern(names);
    } while (take_symbol(","));
    expect_symbol("]", "the pattern");
  } else if (take_symbol("{")) {
    do {
      object_pattern(names);
    } while (take_symbol(","));
    expect_symbol("}", "the pattern");
  } else {
    unexpected_token("expected a pattern: `$name`, `[$a, $b]` or `{key: $name}`");
  }
  --nesting_;
}

void parser::object_pattern(std::vector<std::string>& names) {
  if (take_symbol("$")) {
    names.emplace_back(expect_name("a variable's name"));
    if (!at_symbol(":")) return;
  } else if (next_.what == token::kind::quote || next_.what == token::kind::format) {
    static_cast<void>(next_.what == token::kind::quote ? string(false) : format());
  } else if (take_symbol("(")) {
    static_cast<void>(pipe());
    expect_symbol(")", "the key");
  } else if (next_.what == token::kind::identifier) {
    advance();
  } else {
    unexpected_token("expected a key");
  }
  expect_symbol(":", "the key");
  pattern(names);
}

result<parsed, syntax_error> parse(std::string_view source) {
  if (source.size() > max_source_bytes) {
    return unexpected(syntax_error{0, "the expression has more than " + std::to_string(max_source_bytes) + " bytes", {}});
  }
  try {
    return parser(source).whole();
  } catch (const syntax_error& error) {
    return unexpected(error);
  }
}

}  // namespace evermill::dsl::jq
