#include "cli/input.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/errors.hpp"

namespace evermill::cli {
namespace {

struct source {
  std::string text;
  std::string name;  // for messages
};

source read_source(std::string_view argument, std::string_view option, std::istream& in) {
  if (argument == "-") return {{std::istreambuf_iterator<char>(in), {}}, "standard input"};
  if (!argument.starts_with('@')) return {std::string(argument), std::string(option)};
  const std::string path(argument.substr(1));
  std::ifstream file(path, std::ios::binary);
  source read{{std::istreambuf_iterator<char>(file), {}}, "file \"" + path + "\""};
  if (!file.is_open() || file.bad()) {
    throw command_error(std::string(option) + ": file \"" + path + "\" can't be read: " + std::strerror(errno));
  }
  return read;
}

/// What the parser says after its own account of the place.
std::string reason(const std::string& what) {
  const std::size_t at = what.find(": ");
  return at == std::string::npos ? what : what.substr(at + 2);
}

[[noreturn]] void refuse(const source& from, const nlohmann::json::parse_error& error) {
  if (from.text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw command_error(from.name + " is empty; JSON is expected, for example '{\"name\":\"Ada\"}', '\"text\"' or '42'");
  }
  const std::size_t at = std::min(error.byte == 0 ? 0 : error.byte - 1, from.text.size());
  const auto begin = from.text.begin();
  const auto line = 1 + std::count(begin, begin + static_cast<std::ptrdiff_t>(at), '\n');
  const std::size_t line_start = at == 0 ? std::string::npos : from.text.rfind('\n', at - 1);
  const std::size_t column = line_start == std::string::npos ? at + 1 : at - line_start;
  std::string hint;
  if (const char first = from.text.front(); std::isalpha(static_cast<unsigned char>(first))) {
    hint = "\nA string needs quotes inside the shell's, as in '\"" + from.text.substr(0, 40) + "\"'; @FILE reads a file.";
  }
  throw command_error(from.name + " is not JSON: line " + std::to_string(line) + ", column " + std::to_string(column) +
                      ": " + reason(error.what()) + hint);
}

}  // namespace

payload read_json(std::string_view argument, std::string_view option, std::istream& in) {
  const source from = read_source(argument, option, in);
  if (nests_too_deeply(from.text)) {
    throw command_error(from.name + " nests deeper than " + std::to_string(max_json_depth) + " arrays and objects");
  }
  try {
    return json_payload(nlohmann::json::parse(from.text).dump());
  } catch (const nlohmann::json::parse_error& error) {
    refuse(from, error);
  } catch (const nlohmann::json::exception& error) {
    throw command_error(from.name + " can't be used: " + reason(error.what()));
  }
}

std::string shell_word(std::string_view text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || std::strchr("_-./:@%+=,", c) != nullptr;
  });
  if (plain) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

}  // namespace evermill::cli
