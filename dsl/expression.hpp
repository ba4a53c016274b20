// Runtime expressions (jq), compiled when a file is read and evaluated any number of times.
//
// What they may use, and what their numbers are, stands in docs/yaml.md.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/jq_program.hpp"
#include "dsl/jq_syntax.hpp"
#include "dsl/problem.hpp"
#include "evermill/result.hpp"

namespace evermill::dsl {

using json = nlohmann::json;

/// What `$name` means where an expression is evaluated. It is asked once for each name that the expression uses, each time it
/// is evaluated: what is costly to make (`$workflow`) can be made when it is asked for.
class variables {
 public:
  virtual ~variables() = default;
  /// nullptr where there is none: null. The value must stay as it is until the evaluation has ended.
  virtual const json* find(std::string_view name) const = 0;
};

/// None at all.
class no_variables final : public variables {
 public:
  const json* find(std::string_view) const override { return nullptr; }
};

struct expression_error {
  jq::evaluation_error::kind what = jq::evaluation_error::kind::failed;
  position at;          ///< of the expression in its file
  std::string source;   ///< the expression
  std::string message;  ///< in jq's words, where it is jq that failed

  /// An evaluation that was stopped for taking too long may end in time when it is repeated. In a workflow it must not become
  /// an error that the workflow can catch: a replay could decide otherwise.
  bool repeatable() const noexcept { return what != jq::evaluation_error::kind::stopped; }
};

/// "jq: Cannot index number with "a", in `.a.b`, line 12": for people.
std::string describe(const expression_error& error);

/// One compiled expression. Copies share all; immutable; any thread may evaluate it at any time.
class expression {
 public:
  /// Its one result, or null where it has none (`empty`). Takes as long as it does, up to the limit it was compiled with.
  result<json, expression_error> evaluate(const json& input, const variables& with) const;
  /// As a condition: all but false and null is true.
  result<bool, expression_error> holds(const json& input, const variables& with) const;

  const std::string& source() const noexcept { return shared_->source; }
  position at() const noexcept { return shared_->at; }
  bool uses(std::string_view variable) const noexcept;
  /// The variables it uses, and where in the source the first use stands.
  const std::vector<jq::parsed::use>& variables_used() const noexcept { return shared_->syntax.variables; }
  /// Simple enough to need no libjq as long as nothing fails.
  bool is_native() const noexcept { return shared_->syntax.root.native; }

 private:
  friend class expression_compiler;
  struct shared {
    std::string source;
    position at;
    jq::parsed syntax;
    std::shared_ptr<const jq::program> program;
    std::size_t number;
  };
  explicit expression(std::shared_ptr<const shared> s) : shared_(std::move(s)) {}
  std::shared_ptr<const shared> shared_;
};

/// Compiles expressions that belong together, as those of one file: libjq sees them as one program. One thread; nothing may be
/// evaluated before the last one was compiled.
class expression_compiler {
 public:
  static constexpr std::chrono::milliseconds default_limit{500};

  /// `limit`: how long one evaluation may take.
  explicit expression_compiler(std::chrono::milliseconds limit = default_limit);
  /// `source` without `${` and `}`; `at` is its place, for errors.
  result<expression, jq::syntax_error> compile(std::string_view source, position at = {});
  /// Has libjq compile them all, which otherwise happens when the first one needs it. Nothing, or what libjq says.
  std::string prepare() const { return program_->prepare(); }

 private:
  std::shared_ptr<jq::program> program_;
};

/// What stands in `${ … }` where that is all of the text but blanks; else nothing.
std::optional<std::string_view> enclosed_expression(std::string_view text);

/// All but false and null.
bool is_true(const json& value) noexcept;

}  // namespace evermill::dsl
