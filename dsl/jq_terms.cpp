// Terms: what stands between operators.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "dsl/jq_functions.hpp"
#include "dsl/jq_native.hpp"
#include "dsl/jq_parser.hpp"
#include "dsl/jq_value.hpp"

namespace evermill::dsl::jq {
namespace {

bool is_exact(std::string_view digits, double value) {
  if (std::fabs(value) < largest_exact || digits.find_first_not_of("0123456789") != std::string_view::npos) return true;
  char written[512];
  const int size = std::snprintf(written, sizeof written, "%.0f", value);
  return std::string_view(written, static_cast<std::size_t>(size)) ==
         digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

}  // namespace

syntax parser::term() {
  syntax found = term_head();
  while (suffix(found)) {
  }
  return found;
}

syntax parser::term_head() {
  switch (next_.what) {
    case token::kind::field: {
      syntax found = made_of(op::index, made(op::identity, {}), literal(std::string(next_.text)));
      advance();
      if (at_symbol("?")) advance();
      return found;
    }
    case token::kind::number: {
      const std::string digits(next_.text);
      char* end = nullptr;
      const double value = std::strtod(digits.c_str(), &end);
      if (end != digits.c_str() + digits.size() || !std::isfinite(value)) refuse(next_.begin, "`" + digits + "` is no number");
      if (!is_exact(digits, value))
        refuse(next_.begin, "`" + digits + "` is too large for a number of jq", "write it as a string");
      advance();
      return literal(number_value(value));
    }
    case token::kind::quote:
      return string(false);
    case token::kind::format:
      return format();
    case token::kind::identifier:
      return identifier();
    case token::kind::end:
    case token::kind::symbol:
      break;
  }
  if (at_symbol(".")) return dot();
  if (take_symbol("..")) return {};
  if (at_symbol("(")) return parenthesized();
  if (at_symbol("[")) return array();
  if (at_symbol("{")) return object();
  if (at_symbol("$")) return dollar();
  unexpected_token();
}

syntax parser::dot() {
  advance();
  syntax here = made(op::identity, {});
  if (next_.what != token::kind::quote && next_.what != token::kind::format) {
    if (next_.what == token::kind::identifier && !is_keyword(next_.text)) unexpected_token("write the name next to the dot");
    return here;
  }
  syntax key = next_.what == token::kind::quote ? string(false) : format();
  if (at_symbol("?")) advance();
  return made_of(op::index, std::move(here), std::move(key));
}

bool parser::suffix(syntax& of) {
  if (next_.what == token::kind::field) {
    of = made_of(op::index, std::move(of), literal(std::string(next_.text)));
    advance();
  } else if (at_symbol(".")) {
    advance();
    if (next_.what != token::kind::quote && next_.what != token::kind::format)
      unexpected_token("expected a name after the dot");
    syntax key = next_.what == token::kind::quote ? string(false) : format();
    of = made_of(op::index, std::move(of), std::move(key));
  } else if (at_symbol("[")) {
    of = bracket_suffix(std::move(of));
  } else {
    return false;
  }
  if (at_symbol("?")) advance();
  return true;
}

syntax parser::bracket_suffix(syntax of) {
  advance();
  if (take_symbol("]")) return {};
  if (take_symbol(":")) {
    static_cast<void>(pipe());
    expect_symbol("]", "the end of the slice");
    return {};
  }
  syntax key = pipe();
  if (take_symbol(":")) {
    if (take_symbol("]")) return {};
    static_cast<void>(pipe());
    expect_symbol("]", "the end of the slice");
    return {};
  }
  expect_symbol("]", "the index");
  return made_of(op::index, std::move(of), std::move(key));
}

syntax parser::parenthesized() {
  advance();
  syntax inner = pipe();
  expect_symbol(")", "what stands in parentheses");
  return inner;
}

syntax parser::array() {
  advance();
  if (take_symbol("]")) return made(op::array, {});
  syntax inner = pipe();
  expect_symbol("]", "the elements");
  const bool listed = inner.what == op::other && !inner.parts.empty();
  return listed ? made(op::array, std::move(inner.parts)) : made_of(op::array, std::move(inner));
}

syntax parser::object() {
  advance();
  syntax made_object{.what = op::object};
  while (!take_symbol("}")) {
    object_member(made_object);
    if (!at_symbol("}")) expect_symbol(",", "a member");
  }
  return made(op::object, std::move(made_object.parts));
}

void parser::object_member(syntax& into) {
  syntax key;
  const std::size_t begin = next_.begin;
  if (take_symbol("$")) {
    const std::string name(expect_name("a variable's name"));
    into.parts.push_back(literal(name));
    into.parts.push_back(variable(begin, name));
    if (at_symbol(":")) unexpected_token("write `(" + ("$" + name) + "):` for a key that a variable holds");
    return;
  }
  if (next_.what == token::kind::quote || next_.what == token::kind::format) {
    const bool plain = next_.what == token::kind::quote;
    key = plain ? string(false) : string(true);
    if (!at_symbol(":")) {
      into.parts.push_back(key);
      into.parts.push_back(made_of(op::index, made(op::identity, {}), key));
      return;
    }
  } else if (next_.what == token::kind::identifier) {
    const std::string name(next_.text);
    advance();
    key = literal(name);
    if (!at_symbol(":")) {
      if (is_keyword(name)) unexpected_token("`" + name + "` is a word of jq: write `" + name + ": ." + name + "`");
      into.parts.push_back(key);
      into.parts.push_back(made_of(op::index, made(op::identity, {}), key));
      return;
    }
  } else if (at_symbol("(")) {
    key = parenthesized();
  } else {
    unexpected_token("expected a key");
  }
  expect_symbol(":", "the key");
  if (is_closed(key)) {
    const auto name = evaluate_native(key, nullptr, {});
    if (name && !name->is_string()) refuse(begin, "the key of an object must be a string");
  }
  into.parts.push_back(std::move(key));
  into.parts.push_back(object_value());
  if (!at_symbol(",") && !at_symbol("}")) unexpected_token("put parentheses around the value of a key");
}

syntax parser::object_value() {
  enter();
  syntax value;
  if (take_symbol("-")) {
    // It binds closer than the pipe does.
    bool again = at_symbol("-");
    value = made_of(op::negate, again ? object_value() : term());
  } else {
    value = term();
  }
  if (take_symbol("|")) value = made_of(op::pipe, std::move(value), object_value());
  --nesting_;
  return value;
}

syntax parser::dollar() {
  const std::size_t begin = next_.begin;
  advance();
  if (at_word("__loc__")) refuse(begin, "$__loc__ can't be used", "an expression has no file of its own");
  return variable(begin, expect_name("a variable's name after `$`"));
}

syntax parser::identifier() {
  const std::size_t begin = next_.begin;
  const std::string name(next_.text);
  if (name == "break") {
    advance();
    expect_symbol("$", "`break`");
    const std::string_view label = expect_name("a label's name");
    if (std::find(labels_.begin(), labels_.end(), label) == labels_.end()) {
      refuse(begin, "no `label $" + std::string(label) + "` stands around this `break`");
    }
    return {};
  }
  if (name == "import" || name == "include" || name == "module")
    refuse(begin, "modules can't be used", "an expression stands alone");
  if (is_keyword(name)) unexpected_token();
  advance();
  std::vector<syntax> arguments;
  if (take_symbol("(")) {
    do {
      arguments.push_back(pipe());
    } while (take_symbol(";"));
    if (at_symbol(",")) unexpected_token("parameters are separated by `;`");
    expect_symbol(")", "the parameters of `" + name + "`");
  }
  return call(begin, name, std::move(arguments));
}

syntax parser::format() {
  const std::size_t begin = next_.begin;
  const std::string name(next_.text);
  if (!is_format(name)) refuse(begin, "jq has no format @" + name);
  // Whether a string follows decides what it is; the string's text is no token.
  std::size_t behind = at_;
  const token following = lexer_.next(behind);
  if (following.what == token::kind::quote) return string(true);
  advance();
  return {};
}

syntax parser::string(bool formatted) {
  enter();
  if (formatted) advance();
  if (next_.what != token::kind::quote) unexpected_token("expected a string");
  const std::size_t begin = next_.begin;
  syntax joined{.what = op::text};
  std::string text;
  const std::string_view source = lexer_.source();
  while (true) {
    if (at_ >= source.size()) refuse(begin, "the string that begins here has no end");
    const char c = source[at_];
    if (c == '"') break;
    if (c != '\\') {
      text += c;
      ++at_;
      continue;
    }
    if (at_ + 1 < source.size() && source[at_ + 1] == '(') {
      at_ += 2;
      joined.parts.push_back(literal(std::exchange(text, {})));
      advance();
      joined.parts.push_back(pipe());
      if (!at_symbol(")")) unexpected_token("expected `)` after what is put into the string");
      at_ = next_.begin + 1;
      continue;
    }
    text += escapes(at_);
  }
  ++at_;
  advance();
  --nesting_;
  if (joined.parts.empty() && !formatted) return literal(text);
  joined.parts.push_back(literal(text));
  if (joined.parts.size() == 1) return literal(text);
  return formatted ? syntax{} : made(op::text, std::move(joined.parts));
}

std::string parser::escapes(std::size_t& at) const {
  const std::string_view source = lexer_.source();
  const std::size_t begin = at;
  while (at + 1 < source.size() && source[at] == '\\' && source[at + 1] != '(') {
    at += 2;
    if (source[at - 1] == 'u') at = std::min(at + 4, source.size());
  }
  if (at == begin) refuse(begin, "the string ends within an escape");
  const std::string run(source.substr(begin, at - begin));
  try {
    return json::parse("\"" + run + "\"").get<std::string>();
  } catch (const json::parse_error&) {
    refuse(begin, "`" + run.substr(0, 12) + "` is no escape of JSON", "write `\\\\` for a backslash");
  }
}

}  // namespace evermill::dsl::jq
