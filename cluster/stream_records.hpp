// Messages as records of a stream, in as many parts as the broker's limit asks for, and back again.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evermill/broker.hpp"
#include "evermill/result.hpp"
#include "messages/cluster.pb.h"

namespace evermill::cluster {

/// Names what one process writes, so that parts of different writers are told apart. Thread-safe where `number` is.
struct part_name {
  std::string writer;
  std::uint64_t number = 0;
};

/// To be appended together. `stream` is part of the checksum.
std::vector<queue::record> to_records(const std::string& stream, const messages::StreamRecord& what, std::size_t max_record_bytes,
                                      const part_name& name);

/// Puts together what comes in parts, and keeps the order: a message lies where its first part does, and what follows that waits
/// until the last part has come, or will not come any more. So whoever goes on behind a message that was given has missed nothing.
class record_gatherer {
 public:
  struct gathered {
    queue::position at{};
    messages::StreamRecord what;
  };
  struct rejected {
    queue::position at{};
    queue::record what;
    std::string reason;
  };

  explicit record_gatherer(std::string stream) : stream_(std::move(stream)) {}

  /// In the order of the stream. What can't be read comes back.
  std::optional<rejected> add(queue::stored_record&& record);
  /// The next one that is whole and has nothing before it.
  std::optional<gathered> next();

 private:
  struct slot {
    gathered message;
    bool whole = false;
    std::string writer;  // of parts
    std::uint64_t number = 0;
    std::uint32_t parts = 0;
    timestamp written{};  ///< of the first part
    std::string bytes;
  };
  std::optional<std::string> add_part(queue::position at, timestamp written, messages::StreamRecord::Part&& part);
  void give_up_before(timestamp written);

  std::string stream_;
  std::deque<slot> slots_;
};

}  // namespace evermill::cluster
