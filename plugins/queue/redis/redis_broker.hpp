// A broker on Redis 7 or newer. The first server of its address keeps the streams; all of them vote on who is alive.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "evermill/broker.hpp"

namespace evermill::queue {

struct redis_broker_options {
  evermill::log log{};
  std::size_t max_record_bytes = 1024 * 1024 + 64 * 1024;
  std::size_t max_pending_bytes = 64 * 1024 * 1024;  ///< a single append is taken all the same
  /// An append that could not be made for so long is told `unavailable`: up to 30 minutes.
  std::chrono::milliseconds append_timeout{60'000};
};

/// `address`: redis://[user[:password]@]host[:port][,host[:port]…][/database][?option=value&…], with the options
///
///   prefix         of all keys ("evermill")
///   user           and password-file=PATH or password-env=NAME: how to log in
///   insecure=yes   also hosts that are not this machine, to which all goes unencrypted
///   timeout-ms     for a connection and for an answer (5000)
///
/// It connects when it is used. The only error is `invalid`.
broker_result<std::unique_ptr<broker>> make_redis_broker(const std::string& address, const redis_broker_options& options = {});

}  // namespace evermill::queue
