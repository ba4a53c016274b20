// The parser behind jq::parse(): recursive descent with precedence climbing, one token of lookahead.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/jq_syntax.hpp"

namespace evermill::dsl::jq {

struct token {
  enum class kind : std::uint8_t { end, field, identifier, number, quote, format, symbol };
  kind what = kind::end;
  std::size_t begin = 0;
  std::string_view text;  ///< field: without the dot; format: without the @
};

/// Throws syntax_error where no token begins.
class lexer {
 public:
  explicit lexer(std::string_view source) : source_(source) {}
  /// From `at` on; leaves `at` behind the token. Of a string only the opening quote is taken.
  token next(std::size_t& at) const;
  std::string_view source() const { return source_; }

 private:
  token word(std::size_t& at, std::size_t begin, token::kind what) const;
  token number(std::size_t& at) const;
  std::string_view source_;
};

bool is_keyword(std::string_view identifier);

/// A node of parts; one that only libjq evaluates where a part is.
syntax made(op what, std::vector<syntax> parts);
template <class... Parts>
syntax made_of(op what, Parts... parts) {
  std::vector<syntax> all;
  (all.push_back(std::move(parts)), ...);
  return made(what, std::move(all));
}
syntax literal(json value);
/// Made of constants only.
bool is_closed(const syntax& of);

class parser {
 public:
  explicit parser(std::string_view source) : lexer_(source) { advance(); }
  /// Throws syntax_error.
  parsed whole();

 private:
  struct function {
    std::string name;
    std::size_t parameters;
  };
  struct scope_mark {
    std::size_t functions, variables, labels;
  };

  void enter();  // one level deeper; --nesting_ when it is left

  // Tokens.
  void advance();
  bool at_symbol(std::string_view symbol) const { return next_.what == token::kind::symbol && next_.text == symbol; }
  bool at_word(std::string_view word) const { return next_.what == token::kind::identifier && next_.text == word; }
  bool take_symbol(std::string_view symbol);
  void expect_symbol(std::string_view symbol, std::string_view after);
  void expect_word(std::string_view word, std::string_view after);
  std::string_view expect_name(std::string_view what);
  [[noreturn]] void unexpected_token(std::string_view instead = {}) const;
  [[noreturn]] static void refuse(std::size_t offset, std::string message, std::string hint = {});

  // Names.
  scope_mark mark() const { return {functions_.size(), variables_.size(), labels_.size()}; }
  void restore(scope_mark to);
  syntax variable(std::size_t offset, std::string_view name);
  syntax call(std::size_t offset, std::string_view name, std::vector<syntax> arguments);

  // Expressions, by precedence.
  static void check_constant_division(std::size_t at, const syntax& left, op what, const syntax& right);
  syntax pipe() { return binary(1); }
  syntax binary(int lowest);
  std::optional<std::pair<int, op>> operator_here() const;
  syntax prefix();
  syntax head(bool& whole_rest);
  syntax negation();
  syntax attempt();
  syntax conditional();
  void else_part(syntax& into);
  syntax fold(bool extracts);
  syntax definition();
  syntax label();
  syntax term();
  syntax term_head();
  syntax dot();
  bool suffix(syntax& of);
  syntax bracket_suffix(syntax of);
  syntax parenthesized();
  syntax array();
  syntax object();
  void object_member(syntax& into);
  syntax object_value();
  syntax dollar();
  syntax identifier();
  syntax format();
  syntax string(bool formatted);
  std::string escapes(std::size_t& at) const;

  // Patterns of `as`.
  syntax bind(const syntax& source);
  void patterns(std::vector<std::string>& names);
  void pattern(std::vector<std::string>& names);
  void object_pattern(std::vector<std::string>& names);

  lexer lexer_;
  std::size_t at_ = 0;
  token next_;
  std::size_t nesting_ = 0;
  std::vector<function> functions_;
  std::vector<std::string> variables_;
  std::vector<std::string> labels_;
  std::vector<parsed::use> free_;
};

}  // namespace evermill::dsl::jq
