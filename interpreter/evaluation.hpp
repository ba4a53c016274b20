// Expressions and schemas where they stand: what the standard's variables are there, and what becomes of errors.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "dsl/data_flow.hpp"
#include "dsl/duration.hpp"
#include "interpreter/instance.hpp"

namespace evermill::interpreter {

/// Evaluates what belongs to one frame. All throw fault (expression, 400) for errors of the expressions, and refuse the turn
/// where one takes too long: that is nothing that a workflow may know of.
class evaluation {
 public:
  /// Both must live as long as it does.
  evaluation(const context& ctx, instance& in, const frame& at) : ctx_(ctx), in_(in), at_(at) {}

  json operator()(const dsl::expression& what, const json& input) const;
  json operator()(const dsl::value_template& what, const json& input) const;
  bool holds(const dsl::expression& what, const json& input) const;
  std::chrono::microseconds operator()(const dsl::duration_value& what, const json& input) const;
  /// Text; other values as JSON.
  std::string text(const dsl::value_template& what, const json& input) const;
  std::string text(const std::optional<dsl::value_template>& what, const json& input) const;
  /// {} where there is none. Throws fault (expression) for anything but an object.
  json object(const std::optional<dsl::value_template>& what, const json& input, const char* name) const;
  /// The same with its members as texts.
  std::map<std::string, std::string> texts(const std::optional<dsl::value_template>& what, const json& input,
                                           const char* name) const;

  [[noreturn]] void fail(const dsl::expression_error& why) const;
  [[noreturn]] void fail(const std::string& why) const;

 private:
  const context& ctx_;
  instance& in_;
  const frame& at_;
};

/// Throws fault (validation, 400) where the value does not fit. `what`: "input", "output" …
void validate(const instance& in, const std::optional<dsl::schema>& schema, const json& of, const frame& at, const char* what);

/// Of a transformation's schema that lies elsewhere: what it is looked up by. Null where it does not.
const dsl::external_resource* schema_elsewhere(const dsl::transformation& of);

/// `$task` of a frame.
json describe_task(const frame& at);

/// As text that a process or a URI is given: a string as it is, null as "", anything else as JSON.
std::string as_text(const json& of);

}  // namespace evermill::interpreter
