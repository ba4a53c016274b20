#include <string>

#include "server/http/http_server.hpp"

namespace evermill::server::http {
namespace {
constexpr unsigned max_port = 65'535;
}

endpoint parse_endpoint(std::string_view text) {
  const auto refuse = [&](const std::string& why) -> endpoint {
    throw http_error("\"" + std::string(text.substr(0, 100)) + "\" is no HOST:PORT: " + why +
                     "; write for example 127.0.0.1:9464, [::1]:9464, or port 0 for one that is free");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse("it has no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return refuse("an IPv6 address stands in brackets");
  }
  unsigned number = 0;
  for (const char c : port) {
    if (c < '0' || c > '9' || number > max_port) return refuse("its port is no number up to 65535");
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  if (port.empty() || number > max_port) return refuse("its port is no number up to 65535");
  return {std::string(host), static_cast<std::uint16_t>(number)};
}

std::string to_string(const endpoint& where) {
  const bool brackets = where.host.find(':') != std::string::npos;
  return (brackets ? "[" + where.host + "]" : where.host) + ":" + std::to_string(where.port);
}

}  // namespace evermill::server::http
