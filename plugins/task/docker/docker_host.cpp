#include "plugins/task/docker/docker_host.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace evermill::tasks {
namespace {

constexpr std::string_view default_address = "unix:///var/run/docker.sock";

bool take_scheme(std::string& text, std::string_view scheme) {
  if (!text.starts_with(scheme)) return false;
  text.erase(0, scheme.size());
  return true;
}

[[noreturn]] void refuse_host(const std::string& address) {
  throw std::invalid_argument(
      "\"" + address + "\" is no address of a Docker engine; those are unix://PATH, tcp://HOST:PORT and https://HOST:PORT");
}

}  // namespace

docker_host docker_host_of(const std::string& address, const std::function<std::string(const char*)>& environment) {
  docker_host host;
  host.address = address.empty() ? environment("DOCKER_HOST") : address;
  if (host.address.empty()) host.address = default_address;
  std::string rest = host.address;
  if (take_scheme(rest, "unix://")) {
    if (!rest.starts_with('/')) refuse_host(host.address);
    host.unix_socket = rest;
    host.base_url = "http://docker";
    return host;
  }
  bool tls = !environment("DOCKER_TLS_VERIFY").empty();
  if (take_scheme(rest, "https://")) {
    tls = true;
  } else if (!take_scheme(rest, "tcp://") && !take_scheme(rest, "http://")) {
    refuse_host(host.address);
  }
  while (rest.ends_with('/')) rest.pop_back();
  if (rest.empty() || rest.find_first_of("/?# ") != std::string::npos) refuse_host(host.address);
  const bool has_port = rest.find(':', rest.starts_with('[') ? rest.find(']') : 0) != std::string::npos;
  host.base_url = (tls ? "https://" : "http://") + rest + (has_port ? "" : tls ? ":2376" : ":2375");
  if (!tls) return host;
  std::string directory = environment("DOCKER_CERT_PATH");
  if (directory.empty()) return host;
  host.ca_file = directory + "/ca.pem";
  host.certificate_file = directory + "/cert.pem";
  host.key_file = directory + "/key.pem";
  return host;
}

docker_host docker_host_of(const std::string& address) {
  return docker_host_of(address, [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  });
}

}  // namespace evermill::tasks
