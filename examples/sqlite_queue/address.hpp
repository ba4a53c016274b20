// What stands in `--queue sqlite://PATH[?option=value&…]`.
#pragma once

#include <evermill/broker.hpp>

#include <chrono>
#include <cstddef>
#include <string>

namespace sqlite_queue {

// A plugin may name its types as it likes: those of the interface are used here as if they were its own.
using namespace evermill::queue;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct file_address {
  std::string path;                                  ///< absolute
  milliseconds timeout{5'000};                       ///< timeout-ms: how long to wait while another process writes
  milliseconds poll{5};                              ///< poll-ms: how often to look for what other processes have written
  std::size_t max_pending_bytes = 64 * 1024 * 1024;  ///< max-pending-bytes: of appends that wait
};

/// The only error is `invalid`.
broker_result<file_address> parse_address(const std::string& text);

}  // namespace sqlite_queue
