#include "cli/workflow_file.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <istream>

#include "cli/errors.hpp"

namespace evermill::cli {
namespace {

/// A byte more than is read, so that a larger file is told as such, however large it is.
std::string bounded_text(std::istream& from, std::size_t most) {
  std::string text(most + 1, '\0');
  from.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(from.gcount()));
  return text;
}

}  // namespace

workflow_text read_workflow_text(const std::string& path, std::istream& in, dsl::reading_options options) {
  workflow_text made;
  if (path == "-") {
    made.text = bounded_text(in, options.limits.bytes);
    made.result = dsl::read_definition(made.text, options);
    return made;
  }
  if (path.ends_with(".json")) options.format = dsl::text_format::json;
  if (path.ends_with(".yaml") || path.ends_with(".yml")) options.format = dsl::text_format::yaml;
  errno = 0;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw command_error("\"" + path + "\" is a directory; name the files in it");
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) throw command_error("file \"" + path + "\" can't be read: " + std::strerror(errno));
  made.text = bounded_text(file, options.limits.bytes);
  if (file.bad()) throw command_error("file \"" + path + "\" can't be read: " + std::strerror(errno));
  made.result = dsl::read_definition(made.text, options);
  return made;
}

dsl::read_result read_workflow_file(const std::string& path, std::istream& in) {
  return read_workflow_text(path, in, {}).result;
}

std::string shown_name(const std::string& path) { return path == "-" ? "standard input" : path; }

}  // namespace evermill::cli
