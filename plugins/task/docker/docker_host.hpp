// Where a Docker engine is.
#pragma once

#include <functional>
#include <string>

namespace evermill::tasks {

struct docker_host {
  std::string address;      ///< as it was given; for messages
  std::string unix_socket;  ///< its path; "": over TCP
  std::string base_url;     ///< "http://docker", or "http(s)://HOST:PORT"
  bool verify_peer = true;
  std::string ca_file;  ///< "": the system's
  std::string certificate_file;
  std::string key_file;
  std::string problem;  ///< why there is no address; "": there is
};

/// `address` is unix://PATH, tcp://HOST[:PORT], http://HOST[:PORT] or https://HOST[:PORT]; "": what DOCKER_HOST says, or
/// /var/run/docker.sock. DOCKER_TLS_VERIFY and DOCKER_CERT_PATH count as for the docker command. `environment` gives a
/// variable's value, or "". Throws std::invalid_argument for another address.
docker_host docker_host_of(const std::string& address, const std::function<std::string(const char*)>& environment);
/// With this process's environment.
docker_host docker_host_of(const std::string& address);

}  // namespace evermill::tasks
