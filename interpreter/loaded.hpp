// Definitions by their text, read once in a process.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/definition.hpp"

namespace evermill::interpreter {

/// A definition, and what of it is the interpreter's.
struct loaded {
  std::shared_ptr<const dsl::definition> definition;
  /// `$secrets`: what its expressions name of it, as texts that task backends replace by the secrets' values.
  nlohmann::json secrets = nlohmann::json::object();
  std::set<std::string> undeclared_secrets;  ///< that expressions use without `use.secrets` naming them
  std::string qualified_name;                ///< "order.shop"
};
using loaded_pointer = std::shared_ptr<const loaded>;

/// Reads it, or finds it. Throws application_error (InvalidDefinition), which tells all problems. Any thread.
loaded_pointer load(const std::string& text);
/// Those that this process has in memory: some hundred that were used last. Any thread.
std::vector<loaded_pointer> loaded_now();
/// How many were read and not found, for tests.
std::size_t loads_so_far();

/// What stands for a secret's value: "\uE000secret:NAME.member\uE001".
std::string secret_text(std::string_view path);
/// The value, in which nothing stands for a secret: it comes from outside. U+FFFD takes U+E000's place.
nlohmann::json without_secret_texts(nlohmann::json value);

}  // namespace evermill::interpreter
