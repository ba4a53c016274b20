// What is wrong with a workflow file, told so that its author can put it right: where, which rule, and what to write instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace evermill::dsl {

/// A place in a text. Lines and columns count from 1, columns in characters (Unicode code points); 0 where there is none.
struct position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  friend auto operator<=>(const position&, const position&) = default;
};

/// What kind of rule was broken. The names (`rule_name`) are stable: scripts may filter by them.
enum class rule : std::uint8_t {
  syntax,            ///< the text is no YAML or JSON, or uses what is refused in both (anchors that explode, tags)
  limit,             ///< larger, deeper or more entangled than is read
  duplicate,         ///< a key or name a second time
  unknown_property,  ///< a property that this place does not have
  missing_property,  ///< one that it must have
  conflict,          ///< properties that exclude each other
  type,              ///< a string where an object is expected, and the like
  value,             ///< the right type, but no value that is allowed
  duration,          ///< no ISO 8601 duration, nor an object of days to milliseconds
  cron,              ///< no cron expression
  uri,               ///< no URI, or no URI template
  expression,        ///< no jq, or jq that can't be run here
  reference,         ///< a name that nothing in the file defines
  schema,            ///< no JSON Schema
  flow,              ///< a `then` that leads nowhere, or tasks that nothing leads to
  style,             ///< allowed, but most likely not what was meant
};
std::string_view rule_name(rule which) noexcept;

enum class severity : std::uint8_t { error, warning };

struct problem {
  position at;
  dsl::rule rule = dsl::rule::syntax;
  dsl::severity severity = dsl::severity::error;
  std::string pointer;  ///< JSON Pointer (RFC 6901) of the value in question; "" is the whole document
  std::string message;  ///< one sentence without a full stop: what is wrong
  std::string hint;     ///< what to do about it, or ""

  friend bool operator==(const problem&, const problem&) = default;
};

using problems = std::vector<problem>;

/// Is there one that keeps the workflow from running?
bool has_errors(const problems& found) noexcept;

/// By place in the file, each once.
void sort(problems& found);

/// "file.yaml:12:7: error: unknown property "retrys"; did you mean "retry"? [unknown-property]". Control characters of the
/// file's own text are written as \xNN, as terminals act on them.
std::string describe(const problem& what, std::string_view file);

/// The text between quotes, shortened where it is long.
std::string in_quotes(std::string_view text);

/// A step of a JSON Pointer: `~` and `/` escaped.
std::string pointer_token(std::string_view name);

}  // namespace evermill::dsl
