// The writing end of a Redis broker: what is appended while a batch is on its way goes into the next one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "plugins/queue/redis/common.hpp"

namespace evermill::queue {

struct redis_writer_options {
  std::size_t max_pending_bytes = 0;
  std::chrono::milliseconds append_timeout{};
};

class redis_writer {
 public:
  /// `id` is of this object: no other ever has it.
  redis_writer(std::shared_ptr<redis_common> common, std::string id, const redis_writer_options& options);
  ~redis_writer() { close(); }

  broker_result<void> append(const stream_partition& to, std::vector<record> records, std::size_t bytes,
                             broker::append_callback done, std::uint64_t fence);
  bool flush(std::chrono::milliseconds limit);
  /// `common->stop` is on.
  void close();

 private:
  using steady_time = std::chrono::steady_clock::time_point;

  struct pending {
    std::vector<record> records;
    broker::append_callback done;
    std::uint64_t fence = 0;
    std::size_t bytes = 0;
    timestamp written;
    steady_time deadline;
    position answered_at = 0;
    bool answered = false;
  };
  /// Written at one go. Keeps its number and all its records until the outcome is known, so that it can be sent again.
  struct batch {
    stream_partition to;
    std::uint64_t number = 0;
    std::uint64_t fence = 0;
    std::vector<pending> parts;
  };

  void run();
  /// With the lock. One batch for each partition that has none on its way: so they can't overtake each other.
  void form_batches();
  void send(redis_connection& to, const batch& what);
  /// Whether all of them are over; otherwise they are to be sent again, later.
  bool exchange_batches();
  void settle(batch& what, const redisReply& reply);
  void answer(pending& part, const broker_result<position>& outcome);
  void answer_late();
  bool connect();
  /// Always false.
  bool lost(const broker_error& why);
  /// Returns false once the broker is closed.
  bool pause(std::chrono::milliseconds limit);

  const std::shared_ptr<redis_common> common_;
  const std::string id_;
  const redis_writer_options options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<stream_partition, std::deque<pending>> waiting_;
  std::size_t pending_bytes_ = 0;
  std::size_t unanswered_ = 0;
  bool closed_ = false;

  // Of the thread.
  std::map<stream_partition, batch> on_their_way_;
  std::uint64_t last_number_ = 0;
  std::unique_ptr<redis_connection> connection_;
  back_off back_off_;
  broker_error last_failure_;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace evermill::queue
