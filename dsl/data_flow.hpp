// How values go into and out of workflows and tasks. The order of the steps is the standard's (dsl.md, "Data Flow").
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "dsl/json_schema.hpp"
#include "dsl/resources.hpp"
#include "dsl/value_template.hpp"

namespace evermill::dsl {

/// A schema: compiled where it stands in the file, else a resource that is still to be fetched.
struct schema {
  std::string format = "json";  ///< "json", or another one with a version, as "avro:1.11"; only json can be checked
  std::variant<json_schema, external_resource> content;

  /// Where it can be checked without fetching anything.
  const json_schema* compiled() const noexcept { return std::get_if<json_schema>(&content); }
};

/// What is done to a value at one of the steps: nothing where both are missing.
struct transformation {
  std::optional<dsl::schema> schema;
  std::optional<value_template> as;  ///< `from` of an input, `as` of an output or export
};

}  // namespace evermill::dsl
