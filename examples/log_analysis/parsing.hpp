// Parsers of what Debian's package manager and packages leave on a machine.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tally.hpp"

namespace log_analysis {

/// Reads one file line by line.
class parser {
 public:
  virtual ~parser() = default;
  virtual void line(std::string_view text) = 0;
  virtual void finish() {}

  tally result;
};

/// Null where no parser has that name. `path` names the file in anomalies.
std::unique_ptr<parser> make_parser(std::string_view name, const std::string& path);

/// The file's whole text through the parser.
tally parse_text(parser& with, std::string_view text);

}  // namespace log_analysis
