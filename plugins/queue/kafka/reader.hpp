// Reads partitions: no consumer group, no commits; whoever reads says where. The readers of a broker share handles of
// librdkafka's, each partition with a queue of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/queue/kafka/admin.hpp"
#include "plugins/queue/kafka/client.hpp"

namespace evermill::queue::kafka {

class partition_reader;

/// Thread-safe.
class readers {
 public:
  /// Are records of transactions read that are open, or were given up?
  enum class isolation : std::uint8_t { read_uncommitted, read_committed };

  readers(const settings& with, admin& asks, dispatcher& by, const log& to, isolation how = isolation::read_uncommitted)
      : settings_(with), admin_(asks), dispatcher_(by), log_(to), isolation_(how) {}
  ~readers() { close(); }

  broker_result<std::unique_ptr<stream_reader>> read(const std::string& topic, std::uint32_t partition,
                                                     const reader_options& options, std::function<void()> on_readable);
  /// Every reader ends.
  void close();

 private:
  friend class partition_reader;
  using place = std::pair<std::string, std::uint32_t>;

  /// librdkafka reads a partition once per handle, and bounds what is read ahead for all partitions of a handle alike.
  struct shared_handle {
    std::size_t prefetch_kbytes = 0;
    std::shared_ptr<served_client> client;
    std::set<place> reading;
  };

  broker_result<std::shared_ptr<shared_handle>> take(const place& what, std::size_t prefetch_bytes);
  void give_back(const std::shared_ptr<shared_handle>& handle, const place& what);

  const settings settings_;
  admin& admin_;
  dispatcher& dispatcher_;
  const log log_;
  const isolation isolation_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<shared_handle>> handles_;
  std::list<std::weak_ptr<partition_reader>> open_;
  bool closed_ = false;
};

}  // namespace evermill::queue::kafka
