// A worker's connection to a server: made anew whenever it breaks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/task_loop.hpp"
#include "evermill/server_address.hpp"
#include "evermill/v1/workers.pb.h"

namespace evermill::api {

/// What happens on it; all on the loop.
struct worker_stream_events {
  /// The first message of a connection.
  std::function<v1::WorkRequest()> first;
  /// What there is to say now; nothing: wait for `say`.
  std::function<std::optional<v1::WorkRequest>()> next;
  std::function<void(v1::WorkResponse&&)> received;
};

class worker_stream {
 public:
  /// Connects at once, without waiting. `time` and `loop` outlive it. Throws std::runtime_error where a file can't be read.
  worker_stream(server_address server, clock& time, task_loop& loop, worker_stream_events events, log lines);
  /// As `close`.
  ~worker_stream();
  worker_stream(const worker_stream&) = delete;
  worker_stream& operator=(const worker_stream&) = delete;

  /// There may be something to say. On the loop.
  void say();
  /// Is it welcome on a connection now? Thread-safe.
  bool connected() const noexcept;
  /// Why it is not, for people; "": it has not tried yet. Thread-safe.
  std::string why_not() const;
  /// Nothing happens any more after return. Not on the loop.
  void close();

 private:
  class state;
  const std::shared_ptr<state> state_;
};

}  // namespace evermill::api
