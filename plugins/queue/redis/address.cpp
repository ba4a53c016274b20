#include "plugins/queue/redis/address.hpp"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "base/encodings.hpp"
#include "plugins/queue/broker_limits.hpp"

namespace evermill::queue {
namespace {

unexpected<broker_error> invalid(std::string message) {
  return unexpected(broker_error{broker_errc::invalid, "redis address: " + std::move(message)});
}

template <class Number>
std::optional<Number> to_number(std::string_view text) {
  Number number{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The text before `mark`, which is taken away with it; all of it where there is none.
std::string_view take_until(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  const std::string_view taken = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return taken;
}

std::optional<redis_server_address> to_server(std::string_view text) {
  redis_server_address server;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {  // IPv6
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    server.host = text.substr(1, end - 1);
    text = text.substr(end + 1);
    if (!text.empty() && text.front() != ':') return std::nullopt;
    port = text;
  } else {
    const std::size_t colon = text.find(':');
    server.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (server.host.empty()) return std::nullopt;
  if (port.empty()) return server;
  const auto number = to_number<std::uint16_t>(port.substr(1));
  if (!number || *number == 0) return std::nullopt;
  server.port = *number;
  return server;
}

struct reading {
  redis_address address;
  bool insecure = false;
  std::string problem;

  bool fails(std::string what) {
    problem = std::move(what);
    return false;
  }

  bool servers(std::string_view list) {
    while (!list.empty()) {
      const auto server = to_server(take_until(list, ','));
      const std::string number = std::to_string(address.servers.size() + 1);
      if (!server) return fails("server " + number + " is no HOST or HOST:PORT (an IPv6 address stands in brackets)");
      address.servers.push_back(*server);
    }
    const std::size_t count = address.servers.size();
    if (count == 1 || count == 3 || count == 5) return true;
    return fails("it names " + std::to_string(count) + " servers; name 1, 3 or 5, so that a majority can decide");
  }

  bool credentials(std::string_view text) {
    const auto user = percent_decoded(take_until(text, ':'));
    const auto password = percent_decoded(text);
    if (!user || !password) return fails("a % in user or password is not followed by two hexadecimal digits");
    address.user = *user;
    address.password = *password;
    return true;
  }

  bool option(const std::string& name, const std::string& value) {
    if (name == "prefix") {
      address.prefix = value;
      return is_stream_name(value) || fails("prefix has other characters than a-z, A-Z, 0-9, '.', '_' and '-'");
    }
    if (name == "user") {
      address.user = value;
      return true;
    }
    if (name == "password-file") {
      std::ifstream file(value, std::ios::binary);
      if (!file) return fails("password-file '" + value + "' can't be read");
      address.password.assign(std::istreambuf_iterator<char>(file), {});
      while (!address.password.empty() && (address.password.back() == '\n' || address.password.back() == '\r')) {
        address.password.pop_back();
      }
      return !address.password.empty() || fails("password-file '" + value + "' is empty");
    }
    if (name == "password-env") {
      const char* const found = std::getenv(value.c_str());
      if (found == nullptr) return fails("password-env names a variable that is not set: '" + value + "'");
      address.password = found;
      return true;
    }
    if (name == "insecure") {
      insecure = value == "yes";
      return insecure || value == "no" || fails("insecure is yes or no");
    }
    if (name == "timeout-ms") {
      const auto milliseconds = to_number<std::uint32_t>(value);
      if (!milliseconds || *milliseconds < 10 || *milliseconds > 600'000) {
        return fails("timeout-ms is a number from 10 to 600000");
      }
      address.timeout = std::chrono::milliseconds(*milliseconds);
      return true;
    }
    return fails("there is no such option; there are: prefix, user, password-file, password-env, insecure, timeout-ms");
  }

  bool options(std::string_view text) {
    while (!text.empty()) {
      std::string_view pair = take_until(text, '&');
      const std::string name(take_until(pair, '='));
      const auto value = percent_decoded(pair);
      if (!value) return fails("option " + name + ": a % is not followed by two hexadecimal digits");
      if (!option(name, *value)) return false;
    }
    return true;
  }

  bool all(std::string_view text) {
    constexpr std::string_view scheme = "redis://";
    if (text.starts_with("rediss://")) return fails("rediss:// is Redis by TLS, which is not supported: use a tunnel");
    if (!text.starts_with(scheme)) return fails("it does not begin with redis://");
    text.remove_prefix(scheme.size());
    std::string_view query = text;
    std::string_view database = take_until(query, '?');
    std::string_view authority = take_until(database, '/');
    if (database.find('@') != std::string_view::npos || query.find('@') != std::string_view::npos) {
      return fails("an @ stands behind the servers; in a user or password write / ? # @ : and % as %2F %3F %23 %40 %3A %25");
    }
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
      if (!credentials(authority.substr(0, at))) return false;
      authority = authority.substr(at + 1);
    }
    if (!servers(authority)) return false;
    if (!database.empty()) {
      const auto number = to_number<unsigned>(database);
      if (!number) return fails("what follows the servers is not the number of a database");
      address.database = *number;
    }
    if (!options(query)) return false;
    if (!address.user.empty() && address.password.empty()) {
      return fails("it names a user without a password: add password-file=PATH or password-env=NAME");
    }
    return insecure || all_loopback();
  }

  bool all_loopback() {
    for (const redis_server_address& each : address.servers) {
      if (is_this_machine(each.host)) continue;
      return fails("host '" + each.host + "' is not this machine, and nothing is encrypted on the way to it; use a " +
                   "tunnel, or add insecure=yes where the network can be trusted");
    }
    return true;
  }
};

}  // namespace

std::string redis_address::show(std::size_t server) const {
  const redis_server_address& at = servers[server];
  const std::string port = ":" + std::to_string(at.port);
  return at.host.find(':') == std::string::npos ? at.host + port : "[" + at.host + "]" + port;
}

std::string redis_address::show() const {
  std::string text = "redis://";
  for (std::size_t i = 0; i < servers.size(); ++i) {
    if (i != 0) text.push_back(',');
    text.append(show(i));
  }
  return text + "/" + std::to_string(database) + "?prefix=" + prefix;
}

broker_result<redis_address> parse_redis_address(const std::string& text) {
  reading reading;
  if (!reading.all(text)) return invalid(std::move(reading.problem));
  return std::move(reading.address);
}

}  // namespace evermill::queue
