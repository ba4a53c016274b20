// What the address of a Kafka broker says.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evermill/broker.hpp"

namespace evermill::queue::kafka {

using properties = std::vector<std::pair<std::string, std::string>>;

struct settings {
  std::string servers;  ///< host:port,host:port…
  std::string prefix = "evermill";
  int replication = -1;  ///< -1: the server's default
  std::chrono::milliseconds operation_timeout{15'000};  ///< of what blocks
  bool insecure = false;  ///< what goes to other machines may go there unencrypted
  properties given;       ///< librdkafka's, as they were given; may hold secrets
  std::vector<std::string> secrets{};

  std::string address() const { return "kafka://" + servers; }
  std::string topic(std::string_view stream) const { return prefix + "." + std::string(stream); }

  /// The text, secrets masked.
  std::string masked(std::string text) const;
};

/// invalid: a server is another machine, and neither TLS nor `insecure` is on.
broker_result<void> check_encrypted(const settings& what);

/// Names and values of librdkafka's properties are not judged here.
broker_result<settings> parse_address(std::string_view address);

}  // namespace evermill::queue::kafka
