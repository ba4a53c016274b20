// Reading what users type: JSON arguments and names.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "base/spelling.hpp"
#include "evermill/payload.hpp"

namespace evermill::cli {

/// A JSON argument: the text itself, "@FILE", or "-" for standard input. Written back without blanks and with sorted keys,
/// so that the same value given twice is the same input. Throws command_error that names line and column.
payload read_json(std::string_view argument, std::string_view option, std::istream& in);

/// `text` as one word of a POSIX shell's command line.
std::string shell_word(std::string_view text);

using evermill::nearest;

}  // namespace evermill::cli
