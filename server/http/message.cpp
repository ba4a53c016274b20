#include "server/http/message.hpp"

#include <algorithm>

namespace evermill::server::http {
namespace {

char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_name(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](char a, char b) { return lower_case(a) == lower_case(b); });
}

}  // namespace

std::string_view request::header(std::string_view name) const noexcept {
  for (const auto& [each, value] : headers) {
    if (is_name(each, name)) return value;
  }
  return {};
}

std::size_t request::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(headers.begin(), headers.end(), [&](const auto& each) { return is_name(each.first, name); }));
}

response request_handler::refusal(unsigned status, const std::string& why) {
  return {status, "text/plain; charset=utf-8", why + "\n", {}};
}

}  // namespace evermill::server::http
