// A workflow as its file describes it (Serverless Workflow DSL 1.0.3), read, checked and ready to be run: expressions are
// compiled, references resolved, durations and URIs parsed. Immutable; any thread.
//
// The properties and their meaning are those of the standard: github.com/serverlessworkflow/specification, dsl-reference.md and
// schema/workflow.yaml of version 1.0.3.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsl/cron.hpp"
#include "dsl/document.hpp"
#include "dsl/tasks.hpp"

namespace evermill::dsl {

/// Tasks that are done before and after others, without those saying so.
struct extension {
  std::string name;
  std::string extend;  ///< a kind of task, "composite", or "all"
  std::optional<expression> when;
  task_list before;
  task_list after;
};

struct schedule {
  std::optional<duration_value> every;
  std::optional<dsl::cron> cron;
  std::optional<duration_value> after;
  std::optional<event_consumption> on;
};

struct definition {
  std::string dsl_version;
  std::string workflow_namespace;
  std::string name;
  std::string version;
  std::string title;
  std::string summary;
  nlohmann::json tags;      ///< null where there are none
  nlohmann::json metadata;  ///< null where there is none
  bool loose = false;       ///< evaluate.mode: every text is tried as an expression

  transformation input;
  transformation output;
  std::optional<duration_value> timeout;
  std::optional<dsl::schedule> schedule;
  task_list tasks;

  std::vector<std::string> secrets;
  std::vector<extension> extensions;
  std::vector<std::pair<std::string, catalog>> catalogs;
  std::vector<std::pair<std::string, std::unique_ptr<const task>>> functions;

  nlohmann::json source;  ///< the whole file: `$workflow.definition`
  expression_compiler expressions;

  /// `$task.definition`: the part of the source that a task was read from.
  const nlohmann::json& source_of(const task& of) const;
};

/// What a file is read with.
struct reading_options {
  text_format format = text_format::detect;
  document_limits limits;
  /// How long one evaluation of an expression may take.
  std::chrono::milliseconds expression_limit = expression_compiler::default_limit;
  /// Functions that `call` may name though the file does not define them: what the runtime brings.
  std::vector<std::string> functions;
  /// A name that nothing defines is one that the runtime brings: for whoever does not know what that is.
  bool any_function = false;
};

struct read_result {
  std::shared_ptr<const dsl::definition> definition;  ///< nullptr where there are errors
  dsl::problems problems;                             ///< all of them, by place; warnings only where there is a definition
};

/// Reads and checks a whole file. Expected faults are problems; throws std::bad_alloc only.
read_result read_definition(std::string_view text, const reading_options& options = {});

}  // namespace evermill::dsl
