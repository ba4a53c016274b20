// Many transfers at once on one thread: one that waits costs a socket and some memory, no thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "plugins/task/transfer/transfer.hpp"

namespace evermill::tasks {

/// Thread-safe. Connections are used again. The thread begins with the first transfer.
class transfer_loop {
 public:
  using transfer_id = std::uint64_t;
  /// Called once for each transfer, on the loop's thread; may begin and cancel others. Must not throw, and must be short: it holds up
  /// all others. What a function of the request throws ends its transfer as `aborted`.
  using on_done = std::function<void(transfer_result&&)>;

  transfer_loop();
  /// Cancels what runs; every `done` has been called when it returns. Not on the loop's thread.
  ~transfer_loop();
  transfer_loop(const transfer_loop&) = delete;
  transfer_loop& operator=(const transfer_loop&) = delete;

  transfer_id start(transfer_request request, on_done done);
  /// Its `done` is called soon, with `canceled`, unless it was or is about to be. An unknown id is ignored.
  void cancel(transfer_id id);

 private:
  class impl;
  const std::unique_ptr<impl> impl_;
};

}  // namespace evermill::tasks
