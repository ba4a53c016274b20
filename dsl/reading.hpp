// What the readers of all parts of a file share: where problems go, which names exist, and how values are read.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/definition.hpp"
#include "dsl/document.hpp"
#include "dsl/problem.hpp"

namespace evermill::dsl {

/// The standard's variables (`$context` …) that an expression has at one place (dsl.md, "Runtime expression arguments").
using variable_set = std::uint16_t;
namespace variable {
inline constexpr variable_set context = 1, input = 2, output = 4, secrets = 8, task = 16, workflow = 32, runtime = 64,
                              authorization = 128;
}
namespace scope {
inline constexpr variable_set workflow_input = variable::secrets | variable::workflow | variable::runtime;
inline constexpr variable_set workflow_output = workflow_input | variable::context;
inline constexpr variable_set task_input = workflow_output | variable::task;                  // `if` and `input.from`
inline constexpr variable_set task = task_input | variable::input | variable::authorization;  // its definition and `output.as`
inline constexpr variable_set task_export = task | variable::output;
}  // namespace scope

/// What `use` defines, by name.
struct reusable {
  std::map<std::string, authentication_pointer, std::less<>> authentications;
  std::map<std::string, error_pointer, std::less<>> errors;
  std::map<std::string, retry_pointer, std::less<>> retries;
  std::map<std::string, duration_value, std::less<>> timeouts;
  std::map<std::string, const task*, std::less<>> functions;
  std::map<std::string, const catalog*, std::less<>> catalogs;
  std::vector<std::string> secrets;
};

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& entry : map) names.push_back(entry.first);
  return names;
}

/// One reading of one file.
class reading {
 public:
  reading(const reading_options& options, problems& found, expression_compiler& expressions)
      : options(options), found_(found), expressions_(expressions) {}

  const reading_options& options;
  bool loose = false;
  reusable use;
  /// Variables that loops, catches and the like define around the place that is read.
  std::vector<std::string> locals;

  void report(position at, rule which, const std::string& pointer, std::string message, std::string hint = {});
  void warn(position at, rule which, const std::string& pointer, std::string message, std::string hint = {});
  /// "did you mean …?", or "" where nothing is near.
  static std::string did_you_mean(std::string_view name, const std::vector<std::string>& known);

  /// Reports a value of another kind. `name` is the property's.
  bool expect(const node& value, node::kind what, std::string_view name, const std::string& pointer);

  /// Text that is an expression by its place; `${` and `}` around it may be left out.
  std::optional<expression> condition(const node& value, std::string_view name, const std::string& pointer,
                                      variable_set available);
  /// Any value, with expressions in `${ }` where there are some.
  value_template any_value(const node& value, const std::string& pointer, variable_set available);
  std::optional<duration_value> duration_of(const node& value, const std::string& pointer, variable_set available);
  /// What every name of a variable of the author's own must be.
  std::string variable_name(const node& value, std::string_view name, const std::string& pointer);

 private:
  std::optional<expression> compile(const node& value, std::string_view source, const std::string& pointer,
                                    variable_set available);
  bool check_variables(const expression& compiled, const node& value, std::size_t offset, const std::string& pointer,
                       variable_set available);
  value_template text_value(const node& value, const std::string& pointer, variable_set available);

  problems& found_;
  expression_compiler& expressions_;
};

/// Adds variables for as long as it lives.
class with_locals {
 public:
  with_locals(reading& in, std::initializer_list<std::string> names) : in_(in), before_(in.locals.size()) {
    in_.locals.insert(in_.locals.end(), names.begin(), names.end());
  }
  ~with_locals() { in_.locals.resize(before_); }
  with_locals(const with_locals&) = delete;
  with_locals& operator=(const with_locals&) = delete;

 private:
  reading& in_;
  std::size_t before_;
};

inline constexpr std::string_view no_merge_keys = "merge keys are not part of YAML 1.2; use an alias for the whole value";

/// Properties that an object does not have.
enum class others : std::uint8_t {
  refused,
  suspect,  ///< the standard allows them, but nothing reads them: a warning
  free,     ///< they are the author's
};

/// The properties of one object. Asking for one reports what is wrong with it; what is missing then is a default or nothing.
class fields {
 public:
  /// `what` names the object in messages: "a task", "`catch`".
  fields(reading& in, const node& of, std::string pointer, std::string_view what, std::vector<std::string_view> known,
         others unknown = others::refused);

  /// Is it an object at all?
  explicit operator bool() const noexcept { return of_.is(node::kind::mapping); }
  reading& in() const noexcept { return in_; }
  const node& object() const noexcept { return of_; }
  const std::string& pointer() const noexcept { return pointer_; }
  std::string pointer(std::string_view key) const;

  const node* find(std::string_view key) const noexcept { return of_.find(key); }
  bool has(std::string_view key) const noexcept { return find(key) != nullptr; }
  /// Reports it where it is missing.
  const node* need(std::string_view key) const;
  /// Exactly one of them: reports none and several. Nothing unless it is one.
  std::optional<std::string_view> need_one(std::initializer_list<std::string_view> keys) const;

  std::optional<std::string> text(std::string_view key) const;
  std::string need_text(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t low, std::int64_t high) const;
  /// One of `allowed`; nothing where it is missing or another one.
  std::optional<std::string> choice(std::string_view key, std::initializer_list<std::string_view> allowed) const;
  std::vector<std::string> texts(std::string_view key) const;

  std::optional<value_template> value(std::string_view key, variable_set available) const;
  /// A string, or an expression.
  std::optional<value_template> text_value(std::string_view key, variable_set available) const;
  value_template need_text_value(std::string_view key, variable_set available) const;
  std::vector<value_template> text_values(std::string_view key, variable_set available) const;
  /// An object, or an expression that gives one where that is allowed.
  std::optional<value_template> object_value(std::string_view key, variable_set available, bool or_expression = false) const;
  std::optional<expression> condition(std::string_view key, variable_set available) const;
  std::optional<duration_value> duration_of(std::string_view key, variable_set available) const;
  /// An object that is the author's own; null where it is missing.
  json free_object(std::string_view key) const;

 private:
  void check_known(std::vector<std::string_view> known, others unknown) const;

  reading& in_;
  const node& of_;
  std::string pointer_;
  std::string what_;
};

}  // namespace evermill::dsl
