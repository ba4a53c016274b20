// Where events are published to.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "evermill/result.hpp"
#include "publishing/cloud_event.hpp"

namespace evermill::publishing {

struct sink_error {
  std::string message;  ///< what, where, and what to do; holds no secret
};

/// Used by one thread at a time.
class sink {
 public:
  virtual ~sink() = default;

  /// For people: "kafka://localhost:9092, stream events".
  virtual std::string address() const = 0;

  /// Writes the events; those of one partition in their order. Returns when they are as durable there as the place can make
  /// them, or with an error: then some or all may be there, or still come, and the caller sends them again. Blocks; ends soon,
  /// with an error, once it is told to stop.
  virtual result<void, sink_error> send(std::vector<cloud_event>&& events, std::stop_token stop) = 0;
};

}  // namespace evermill::publishing
