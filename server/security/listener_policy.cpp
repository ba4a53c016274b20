#include "server/security/listener_policy.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>

namespace evermill::server::security {
namespace {

/// Nothing: the text is no address.
std::optional<bool> address_is_loopback(const std::string& text) {
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &v6) != 1) return std::nullopt;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
}

std::string place_of(const listener& what) {
  return what.option + " " + (what.host.empty() || what.host == "*" ? std::string("on all interfaces") : "\"" + what.host + "\"");
}

}  // namespace

std::vector<std::string> resolve_host(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  std::vector<std::string> all;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0)
      all.emplace_back(text.data());
  }
  return all;
}

bool is_loopback(const std::string& host, const resolver& resolve) {
  if (host.starts_with("unix:")) return true;
  if (host.empty() || host == "*") return false;
  if (const auto known = address_is_loopback(host)) return *known;
  const std::vector<std::string> addresses = resolve(host);
  return !addresses.empty() && std::all_of(addresses.begin(), addresses.end(),
                                           [](const std::string& each) { return address_is_loopback(each).value_or(false); });
}

result<std::optional<std::string>, std::string> check_listener(const listener& what, bool forced, const resolver& resolve) {
  if ((what.has_authentication && what.has_tls) || is_loopback(what.host, resolve)) return std::nullopt;
  const bool open = !what.has_authentication;
  const std::string danger =
      place_of(what) +
      (open ? ": others than this machine could reach it, and nobody is asked who they are: everybody could do everything"
            : ": others than this machine can reach it, and without TLS their tokens could be read on the way");
  const std::string option(insecure_listen_option);
  if (forced) return std::optional<std::string>(danger + " (" + option + ")");
  return unexpected(danger + ". " +
                    (open ? "Configure authentication (security: tokens, jwt or client_certificates) and TLS"
                          : "Configure TLS (security: tls)") +
                    ", or listen on 127.0.0.1, or, where the network itself is trusted, add " + option);
}

}  // namespace evermill::server::security
