// Messages between processes, through the broker: soon, usually, and never more than that.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "base/task_loop.hpp"
#include "cluster/stream_records.hpp"
#include "evermill/broker.hpp"
#include "messages/cluster.pb.h"

namespace evermill::cluster {

class inbox {
 public:
  using on_message = std::function<void(messages::ProcessMessage&&)>;

  /// `member` is this process. Reads from now on; `deliver` is called on the loop. All outlive it; it is made and destroyed on the
  /// loop, or while nothing runs there. Blocks.
  inbox(std::string member, queue::broker& broker, task_loop::post_function post, on_message deliver, log lines);

  /// Whether it could be read when it was made.
  const queue::broker_result<void>& opened() const noexcept { return opened_; }
  /// Tries again where it could not be read. On the loop.
  void look();
  /// Thread-safe. `from` is filled in. A message that can't be sent is lost.
  void send(messages::ProcessMessage&& message);

 private:
  queue::broker_result<void> open();
  void poll(std::uint64_t reader);

  const std::string member_;
  queue::broker& broker_;
  const task_loop::post_function post_;
  const on_message deliver_;
  const log log_;
  record_gatherer gatherer_;
  std::unique_ptr<queue::stream_reader> reader_;
  std::uint64_t reader_number_ = 0;
  std::vector<queue::stored_record> polled_;
  std::atomic<std::uint64_t> last_number_{0};
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< posts may come later than this
  queue::broker_result<void> opened_;
};

}  // namespace evermill::cluster
