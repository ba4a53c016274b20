#include "plugins/queue/kafka/settings.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>

#include "base/encodings.hpp"
#include "plugins/queue/broker_limits.hpp"

namespace evermill::queue::kafka {
namespace {

constexpr std::string_view scheme = "kafka://";
constexpr std::size_t max_prefix_bytes = 40;  // a topic's name has up to 249, of which a stream's takes 200

unexpected<broker_error> wrong(std::string what) {
  return unexpected(broker_error{broker_errc::invalid, "Kafka address: " + std::move(what)});
}

/// What an option may not change, as the promises of a broker rest on it.
bool is_reserved(std::string_view name) {
  static const std::set<std::string_view> names{
      "bootstrap.servers", "metadata.broker.list", "enable.idempotence", "acks", "request.required.acks", "transactional.id",
      "group.id", "group.instance.id", "enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store",
      "auto.offset.reset", "isolation.level", "allow.auto.create.topics", "partition.assignment.strategy",
      "session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms", "enable.partition.eof", "log.queue",
      "plugin.library.paths", "builtin.features", "opaque", "delivery.report.only.error", "enable.random.seed"};
  return names.contains(name);
}

bool holds_secret(std::string_view name) {
  for (const std::string_view part : {"password", "secret", ".pem", "oauthbearer.config", "sasl.jaas"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<int> number(std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) return std::nullopt;
  return value;
}

/// "host:port" of one server, the port added where it is missing.
broker_result<std::string> server(std::string_view text) {
  const std::size_t after_address = text.starts_with('[') ? text.find(']') : 0;
  if (after_address == std::string_view::npos) return wrong("'" + std::string(text) + "' has no closing ']'");
  const std::size_t colon = text.find(':', after_address);
  const std::string_view host = text.substr(0, colon);
  if (host.empty()) return wrong("a server has no host; write kafka://host:port,host:port");
  const bool is_plain = std::all_of(host.begin(), host.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_' ||
           (after_address > 0 && (c == ':' || c == '[' || c == ']' || c == '%'));
  });
  if (!is_plain) return wrong("'" + std::string(host) + "' is no host");
  if (colon == std::string_view::npos) return std::string(host) + ":9092";
  const std::string_view port = text.substr(colon + 1);
  if (!number(port, 1, 65535)) return wrong("'" + std::string(port) + "' is no port, of '" + std::string(host) + "'");
  return std::string(text);
}

broker_result<std::string> password_from_file(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) return wrong("password-file: can't read a line from '" + path + "'");
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

broker_result<void> take_password(settings& into, broker_result<std::string> password, std::string_view option) {
  if (!password) return unexpected(std::move(password.error()));
  if (password->empty()) return wrong(std::string(option) + ": the password is empty");
  into.secrets.push_back(*password);
  into.given.emplace_back("sasl.password", std::move(*password));
  return {};
}

broker_result<void> take_option(settings& into, const std::string& name, std::string value) {
  if (name == "prefix") {
    if (!is_stream_name(value) || value.size() > max_prefix_bytes) {
      return wrong("prefix is 1 to 40 of a-z, A-Z, 0-9, '.', '_' and '-', not '" + value + "'");
    }
    into.prefix = std::move(value);
    return {};
  }
  if (name == "replication") {
    const std::optional<int> factor = number(value, 1, 32767);
    if (!factor) return wrong("replication is a number from 1 on, not '" + value + "'");
    into.replication = *factor;
    return {};
  }
  if (name == "insecure") {
    if (value != "yes" && value != "no") return wrong("insecure is yes or no, not '" + value + "'");
    into.insecure = value == "yes";
    return {};
  }
  if (name == "operation-timeout-ms") {
    const std::optional<int> limit = number(value, 1, 3'600'000);
    if (!limit) return wrong("operation-timeout-ms is a number of milliseconds, up to an hour, not '" + value + "'");
    into.operation_timeout = std::chrono::milliseconds(*limit);
    return {};
  }
  if (name == "password-file") return take_password(into, password_from_file(value), name);
  if (name == "password-env") {
    const char* const found = std::getenv(value.c_str());
    if (found == nullptr) return wrong("password-env: there is no environment variable '" + value + "'");
    return take_password(into, std::string(found), name);
  }
  if (name == "sasl.password") {
    return wrong("a password does not belong into an address, which people see; give password-file or password-env");
  }
  if (is_reserved(name)) return wrong("'" + name + "' is set by evermill, as its promises rest on it; leave it out");
  if (holds_secret(name) && !value.empty()) into.secrets.push_back(value);
  into.given.emplace_back(name, std::move(value));
  return {};
}

}  // namespace

std::string settings::masked(std::string text) const {
  for (const std::string& secret : secrets) {
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
      text.replace(at, secret.size(), "***");
    }
  }
  return text;
}

broker_result<void> check_encrypted(const settings& what) {
  if (what.insecure) return {};
  std::string protocol = "plaintext";
  for (const auto& [name, value] : what.given) {
    if (name == "security.protocol") protocol = value;
  }
  std::transform(protocol.begin(), protocol.end(), protocol.begin(), [](unsigned char c) { return std::tolower(c); });
  if (!protocol.ends_with("plaintext")) return {};  // librdkafka refuses what is none
  for (const std::string_view server : split(what.servers, ',')) {
    std::string_view host = server.substr(0, server.rfind(':'));
    if (host.starts_with('[')) host = host.substr(1, host.find(']') - 1);
    if (is_this_machine(host)) continue;
    return wrong("host '" + std::string(host) + "' is not this machine, and nothing is encrypted on the way to it; add " +
                 "security.protocol=ssl or sasl_ssl, or insecure=yes where the network can be trusted");
  }
  return {};
}

broker_result<settings> parse_address(std::string_view address) {
  if (!address.starts_with(scheme)) return wrong("it begins with kafka://, as in kafka://localhost:9092?prefix=orders");
  address.remove_prefix(scheme.size());
  const std::size_t question = address.find('?');
  std::string_view servers = address.substr(0, question);
  if (servers.find('@') != std::string_view::npos) {
    return wrong("no user or password stands before the host; give sasl.username, and password-file or password-env");
  }
  if (servers.ends_with('/')) servers.remove_suffix(1);
  settings parsed;
  for (const std::string_view each : split(servers, ',')) {
    const broker_result<std::string> one = server(each);
    if (!one) return unexpected(one.error());
    parsed.servers += (parsed.servers.empty() ? "" : ",") + *one;
  }
  if (question == std::string_view::npos) return parsed;
  std::set<std::string> seen;
  for (const std::string_view each : split(address.substr(question + 1), '&')) {
    if (each.empty()) continue;
    const std::size_t equals = each.find('=');
    const std::optional<std::string> name = percent_decoded(each.substr(0, equals));
    if (!name || name->empty()) return wrong("an option has no name, or a '%' in it is not followed by two hex digits");
    if (equals == std::string_view::npos) return wrong("option '" + *name + "' has no '=' and value");
    std::optional<std::string> value = percent_decoded(each.substr(equals + 1));
    if (!value) return wrong("option '" + *name + "': a '%' is not followed by two hex digits; write it as %25");
    if (!seen.insert(*name).second) return wrong("option '" + *name + "' is there twice");
    if (const auto taken = take_option(parsed, *name, std::move(*value)); !taken) return unexpected(taken.error());
  }
  if (seen.contains("password-file") && seen.contains("password-env")) {
    return wrong("there are both password-file and password-env; leave one out");
  }
  return parsed;
}

}  // namespace evermill::queue::kafka
