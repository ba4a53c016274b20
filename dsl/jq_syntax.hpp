// The syntax of jq 1.6, read here for what libjq can't give: errors with their place, the names an expression uses, what would
// come out differently in a replay, and a tree of the simple expressions that need no libjq (jq_native.hpp). libjq takes 18 ms
// to compile any expression, as it compiles its own library each time: files are validated without it.
//
// What is accepted here libjq accepts; tests/dsl/jq_equivalence_test.cpp compares the two. Source of the grammar: jq 1.6's own
// (src/lexer.l, src/parser.y), as its manual does not tell precedences.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/result.hpp"

namespace evermill::dsl::jq {

using json = nlohmann::json;

/// The longest expression that is read, and how deep it may nest.
inline constexpr std::size_t max_source_bytes = 64 * 1024;
inline constexpr std::size_t max_nesting = 150;

enum class op : std::uint8_t {
  other,     ///< what only libjq evaluates
  identity,  ///< .
  literal,   ///< `value`
  variable,  ///< $name; `number` is its place in parsed::variables
  index,     ///< of, key
  text,      ///< parts, to be joined as strings
  array,     ///< elements, each one value
  object,    ///< key, value, key, value …
  negate,
  pipe,
  add,
  subtract,
  multiply,
  divide,
  remainder,
  equal,
  different,
  less,
  less_or_equal,
  greater,
  greater_or_equal,
  both,         ///< and
  either,       ///< or
  alternative,  ///< //
  conditional,  ///< condition, then, else
  call,         ///< of a function of jq's own: `number` is its native_function
};

/// jq's functions that need no libjq where they are given what they are made for.
enum class native_function : std::uint8_t { none, not_, length, tostring, type, has, map, add, ascii_downcase, floor };

struct syntax {
  op what = op::other;
  bool native = false;  ///< no part of it is op::other
  std::uint32_t number = 0;
  json value;
  std::vector<syntax> parts;
};

struct parsed {
  struct use {
    std::string name;    ///< without the $
    std::size_t offset;  ///< of its first use
  };
  syntax root;
  std::vector<use> variables;  ///< those the expression does not bind itself
};

struct syntax_error {
  std::size_t offset = 0;  ///< in bytes
  std::string message;
  std::string hint;
};

/// Reads one expression, without `${` and `}`. Functions that would make a replay differ are refused: docs/yaml.md lists them.
result<parsed, syntax_error> parse(std::string_view source);

}  // namespace evermill::dsl::jq
