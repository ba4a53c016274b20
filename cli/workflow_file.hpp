// Workflow files (YAML or JSON) that commands are given.
#pragma once

#include <iosfwd>
#include <string>

#include "dsl/definition.hpp"

namespace evermill::cli {

/// Reads and checks a file, or standard input where `path` is "-". A name that ends with .json makes it JSON. Throws
/// command_error where it can't be read.
dsl::read_result read_workflow_file(const std::string& path, std::istream& in);

/// A file with its text.
struct workflow_text {
  std::string text;
  dsl::read_result result;
};
/// The same, by other options than the usual ones; their format is set by the name.
workflow_text read_workflow_text(const std::string& path, std::istream& in, dsl::reading_options options);

/// How messages name it.
std::string shown_name(const std::string& path);

}  // namespace evermill::cli
