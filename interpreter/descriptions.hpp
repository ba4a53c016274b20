// Documents that describe calls, OpenAPI's and AsyncAPI's: what both are read with.
#pragma once

#include <memory>
#include <string>

#include "interpreter/instance.hpp"
#include "interpreter/resources.hpp"

namespace evermill::interpreter {

/// A document, and for whom what is wrong with it is said.
struct description {
  json document;
  std::string url;
  std::string pointer;

  /// Throws fault (configuration).
  [[noreturn]] void fail(const std::string& why) const;
  /// What `$ref` leads to, where there is one. Throws as `fail`.
  const json& resolved(const json& of) const;
};
using description_pointer = std::shared_ptr<const description>;

task<description_pointer> fetch_description(context ctx, instance_pointer in, frame_pointer at, endpoint_reference what);

/// null where there is none.
const json& member_of(const json& of, const char* name);
std::string text_or(const json& of, const char* name, const char* otherwise);
/// Puts the text in place of "{name}".
void fill(std::string& url, const std::string& name, const std::string& text);

}  // namespace evermill::interpreter
