// Lines and columns of a text's bytes.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "dsl/problem.hpp"

namespace evermill::dsl {

/// Keeps a view of the text.
class text_lines {
 public:
  explicit text_lines(std::string_view text);
  /// Of the byte at `offset`; the end of the text for what lies behind it.
  position at(std::size_t offset) const;
  /// One line without its end; `line` counts from 1. Empty where there is no such line.
  std::string_view line(std::size_t line) const;

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;
};

}  // namespace evermill::dsl
