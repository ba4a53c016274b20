// Where a server may listen without being asked twice.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/result.hpp"

namespace evermill::server::security {

/// What allows what is refused otherwise.
inline constexpr std::string_view insecure_listen_option = "--insecure-listen";

struct listener {
  std::string option;  ///< that asks for it: "--listen"; for texts
  std::string host;    ///< a name or an address without brackets; "", "*": all interfaces; "unix:PATH": a socket of this machine
  bool has_tls = false;
  bool has_authentication = false;
};

/// Addresses of a name as text, or none where it has none.
using resolver = std::function<std::vector<std::string>(const std::string& host)>;
/// The system's.
std::vector<std::string> resolve_host(const std::string& host);

/// Can only this machine reach it? Every address of a name must be of the kind; a name without addresses is not.
bool is_loopback(const std::string& host, const resolver& resolve = resolve_host);

/// Of a listener that is fine: nothing, or a warning. Refused: beyond this machine without authentication, as everybody would own
/// the server; and with it but without TLS, as tokens would be in the clear. `forced` makes a warning of a refusal. What there is
/// to do is said.
result<std::optional<std::string>, std::string> check_listener(const listener& what, bool forced,
                                                               const resolver& resolve = resolve_host);

}  // namespace evermill::server::security
