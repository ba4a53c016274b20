// Reading a stream where somebody waits for what it has.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "evermill/broker.hpp"

namespace evermill::cluster {

/// For a thread that may block. One caller at a time.
class waiting_reader {
 public:
  /// Errors: as of broker::read.
  static queue::broker_result<waiting_reader> open(queue::broker& broker, const queue::stream_partition& from, queue::position after);

  /// Appends up to `limit` of the records that follow, at least one. unavailable: there was none in time.
  queue::broker_result<std::size_t> poll(std::vector<queue::stored_record>& out, std::size_t limit, std::chrono::milliseconds wait);

 private:
  struct signal_light;

  waiting_reader(std::string name, std::shared_ptr<signal_light> light, std::unique_ptr<queue::stream_reader> reader);

  std::string name_;  ///< of the stream, and where it is
  std::shared_ptr<signal_light> light_;
  std::unique_ptr<queue::stream_reader> reader_;
};

}  // namespace evermill::cluster
