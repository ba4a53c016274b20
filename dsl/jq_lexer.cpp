#include <algorithm>
#include <array>

#include "dsl/jq_parser.hpp"

namespace evermill::dsl::jq {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool in_word(char c) { return starts_word(c) || is_digit(c); }

/// "e12": behind a dot, its pattern of a number wins over that of a name.
bool is_power(std::string_view name) {
  return name.size() > 1 && (name[0] == 'e' || name[0] == 'E') && std::all_of(name.begin() + 1, name.end(), is_digit);
}

// Longest first.
constexpr std::array symbols = std::to_array<std::string_view>(
    {"?//", "//=", "!=", "==", "//", "|=", "+=", "-=", "*=", "/=", "%=", "<=", ">=", "..", ".", "?", "=", ";",
     ",",   ":",   "|",  "+",  "-",  "*",  "/",  "%",  "$",  "<",  ">",  "[",  "]",  "{",  "}", "(", ")"});

constexpr std::array keywords =
    std::to_array<std::string_view>({"__loc__", "and", "as", "break", "catch", "def", "elif", "else", "end", "foreach", "if",
                                     "import", "include", "label", "module", "or", "reduce", "then", "try"});

}  // namespace

bool is_keyword(std::string_view identifier) { return std::binary_search(keywords.begin(), keywords.end(), identifier); }

token lexer::word(std::size_t& at, std::size_t begin, token::kind what) const {
  const std::size_t start = at;
  while (at < source_.size() && in_word(source_[at])) ++at;
  return {what, begin, source_.substr(start, at - start)};
}

token lexer::number(std::size_t& at) const {
  const std::size_t begin = at;
  at = std::min(source_.find_first_not_of("0123456789.", at), source_.size());
  std::size_t power = at;
  if (power < source_.size() && (source_[power] == 'e' || source_[power] == 'E')) {
    ++power;
    if (power < source_.size() && (source_[power] == '+' || source_[power] == '-')) ++power;
    const std::size_t digits = power;
    while (power < source_.size() && is_digit(source_[power])) ++power;
    if (power > digits) at = power;
  }
  return {token::kind::number, begin, source_.substr(begin, at - begin)};
}

token lexer::next(std::size_t& at) const {
  while (at < source_.size()) {
    const char c = source_[at];
    if (c == '#') {
      at = std::min(source_.find_first_of("\r\n", at), source_.size());
    } else if (c == ' ' || c == '\t' || c == '\n') {
      ++at;
    } else {
      break;
    }
  }
  if (at == source_.size()) return {token::kind::end, at, {}};
  const std::size_t begin = at;
  const char c = source_[at];
  const std::string_view rest = source_.substr(at);
  if (starts_word(c)) return word(at, begin, token::kind::identifier);
  if (c == '"') return {token::kind::quote, at++, rest.substr(0, 1)};
  if (c == '.' && rest.size() > 1 && starts_word(rest[1])) {
    const token field = word(++at, begin, token::kind::field);
    if (is_power(field.text))
      throw syntax_error{begin, "jq 1.6 takes `." + std::string(field.text) + "` for a number",
                         "write `.\"" + std::string(field.text) + "\"`"};
    return field;
  }
  if (c == '@' && rest.size() > 1 && in_word(rest[1])) return word(++at, begin, token::kind::format);
  const std::size_t figures = std::min(rest.find_first_not_of("0123456789."), rest.size());
  const bool dots = rest.substr(0, figures) == "." || rest.substr(0, figures) == "..";
  if (figures > 0 && !dots) return number(at);
  for (const std::string_view symbol : symbols) {
    if (!rest.starts_with(symbol)) continue;
    at += symbol.size();
    return {token::kind::symbol, begin, rest.substr(0, symbol.size())};
  }
  std::size_t length = 1;
  while (length < rest.size() && (static_cast<unsigned char>(rest[length]) & 0xc0) == 0x80) ++length;
  const std::string hint = c == '\''  ? "a string stands between double quotes"
                           : c == '&' ? "write `and`"
                           : c == '!' ? "write `| not`"
                                      : "";
  throw syntax_error{begin, "unexpected `" + std::string(rest.substr(0, length)) + "`", hint};
}

}  // namespace evermill::dsl::jq
