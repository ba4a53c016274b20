#include "cli/input.hpp"

#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"

namespace evermill::cli {

payload read_input(const std::string& argument) {
  if (argument.empty()) return {};
  std::string text = argument;
  if (argument == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else if (argument.front() == '@') {
    std::ifstream file(argument.substr(1), std::ios::binary);
    if (!file) throw usage_error("the input file \"" + argument.substr(1) + "\" can't be read");
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  try {
    return json_payload(nlohmann::json::parse(text).dump());
  } catch (const nlohmann::json::exception& error) {
    const std::string what = error.what();
    throw usage_error("the input is not JSON: " + what.substr(what.find("] ") + 2));
  }
}

}  // namespace evermill::cli
