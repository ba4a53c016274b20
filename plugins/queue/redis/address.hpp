// Where Redis is and what to say to it, as one line:
//
//   redis://[user[:password]@]host[:port][,host[:port]…][/database][?option=value&…]
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "evermill/broker.hpp"

namespace evermill::queue {

struct redis_server_address {
  std::string host;
  std::uint16_t port = 6379;
};

struct redis_address {
  std::vector<redis_server_address> servers;  ///< the first holds the streams, all vote on who is alive and who decides
  unsigned database = 0;
  std::string prefix = "evermill";
  std::string user;
  std::string password;  ///< never shown
  std::chrono::milliseconds timeout{5'000};

  std::string show() const;                    ///< without secrets
  std::string show(std::size_t server) const;  ///< "localhost:6379"
};

/// Reads password-file and password-env. The only error is `invalid`; its message repeats nothing that could be a secret.
broker_result<redis_address> parse_redis_address(const std::string& text);

}  // namespace evermill::queue
