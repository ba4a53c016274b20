#include "address.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace sqlite_queue {
namespace {

constexpr std::string_view scheme = "sqlite://";

bool read_number(std::string_view text, std::int64_t most, std::int64_t& into) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), into);
  return failed == std::errc{} && end == text.data() + text.size() && into > 0 && into <= most;
}

bool set_option(file_address& of, std::string_view name, std::string_view value) {
  std::int64_t number = 0;
  if (!read_number(value, std::int64_t{1} << 40, number)) return false;
  if (name == "timeout-ms" && number <= 600'000) {
    of.timeout = milliseconds(number);
  } else if (name == "poll-ms" && number <= 1'000) {
    of.poll = milliseconds(number);
  } else if (name == "max-pending-bytes") {
    of.max_pending_bytes = static_cast<std::size_t>(number);
  } else {
    return false;
  }
  return true;
}

}  // namespace

broker_result<file_address> parse_address(const std::string& text) {
  std::string_view rest = text;
  rest.remove_prefix(std::min(rest.size(), scheme.size()));
  const std::string_view path = rest.substr(0, rest.find('?'));
  rest.remove_prefix(std::min(rest.size(), path.size() + 1));
  file_address made;
  bool valid = text.starts_with(scheme) && !path.empty();
  while (valid && !rest.empty()) {
    const std::string_view option = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), option.size() + 1));
    const std::size_t mark = std::min(option.find('='), option.size());
    valid = set_option(made, option.substr(0, mark), option.substr(std::min(mark + 1, option.size())));
  }
  if (!valid) {
    return evermill::unexpected(broker_error{
        broker_errc::invalid, "\"" + text + "\" is not sqlite://PATH[?option=value&…] with options of these: timeout-ms (up to " +
                                  "600000), poll-ms (up to 1000), max-pending-bytes"});
  }
  std::error_code failed;
  made.path = std::filesystem::absolute(path, failed).lexically_normal().string();
  return made;
}

}  // namespace sqlite_queue
