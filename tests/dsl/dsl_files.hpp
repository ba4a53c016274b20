// The example files of tests/dsl/files.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "dsl/definition.hpp"

namespace evermill::dsl {

inline std::filesystem::path files_folder() { return EVERMILL_DSL_FILES; }

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << file;
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The workflows of one folder, sorted.
inline std::set<std::filesystem::path> workflow_files(const std::string& folder) {
  std::set<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(files_folder() / folder)) {
    if (entry.path().extension() == ".yaml" || entry.path().extension() == ".json") found.insert(entry.path());
  }
  return found;
}

inline read_result read_file(const std::filesystem::path& file) {
  reading_options options;
  options.format = file.extension() == ".json" ? text_format::json : text_format::yaml;
  return read_definition(text_of(file), options);
}

inline std::string described(const problems& found, const std::string& name) {
  std::string lines;
  for (const problem& one : found) lines.append(describe(one, name)).append("\n");
  return lines;
}

inline std::shared_ptr<const definition> good(const std::string& name) {
  read_result read = read_file(files_folder() / "good" / name);
  EXPECT_EQ(described(read.problems, name), "");
  return read.definition;
}

/// The start of every workflow that a test writes itself.
inline const std::string workflow_head = "document: { dsl: '1.0.3', namespace: tests, name: written, version: 1.0.0 }\n";

}  // namespace evermill::dsl
