// The reading end of a Redis broker: one thread and one connection that read ahead for all readers, and wait for all of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "evermill/guarded_call.hpp"
#include "plugins/queue/redis/common.hpp"

namespace evermill::queue {

/// A reader, as the thread and its user see it.
struct redis_reading {
  redis_reading(stream_partition what, partition_keys keys, std::string incarnation, const reader_options& options,
                std::function<void()> on_readable)
      : from(std::move(what)),
        keys(std::move(keys)),
        incarnation(std::move(incarnation)),
        prefetch_bytes(options.prefetch_bytes),
        told(std::move(on_readable)),
        after(options.after) {}

  const stream_partition from;
  const partition_keys keys;
  const std::string incarnation;
  const std::size_t prefetch_bytes;
  guarded_call told;

  // Of the thread.
  position after;            // the last one read ahead
  std::string last_written;  // when that was written; "": not known
  bool verify = false;       // is it still what it was?
  bool look = true;          // there may be more

  std::mutex mutex;  // of the following
  std::deque<stored_record> ahead;
  std::size_t bytes = 0;
  bool full = false;  // until half of it was polled
  bool wants_call = true;
  bool closed = false;
  std::optional<broker_error> ended;
};

class redis_reader_thread {
 public:
  explicit redis_reader_thread(std::shared_ptr<redis_common> common);
  ~redis_reader_thread() { close(); }

  void add(std::shared_ptr<redis_reading> reading);
  void remove(const std::shared_ptr<redis_reading>& reading);
  /// There is room again.
  void wake() { wake_.set(); }
  /// `common->stop` is on. All readers end.
  void close();

 private:
  using readings = std::vector<std::shared_ptr<redis_reading>>;

  void run();
  /// Those that can take more.
  readings hungry();
  bool connect();
  bool fetch(const readings& from);
  void take(redis_reading& into, const redisReply& reply);
  /// Until there is something for one of them, somebody calls, or it is time to look after all.
  bool wait_for_more(const readings& from);
  bool interrupt_wait();
  void end(redis_reading& of, broker_error why);
  bool lost(const broker_error& why);

  const std::shared_ptr<redis_common> common_;
  wake_event wake_;
  std::mutex mutex_;
  readings all_;
  bool closed_ = false;

  // Of the thread.
  std::unique_ptr<redis_connection> connection_;
  std::unique_ptr<redis_connection> interrupter_;
  bool cannot_interrupt_ = false;
  back_off back_off_;
  std::thread thread_;  // last: it uses everything above
};

/// What the broker gives out. The thread may be gone before it.
std::unique_ptr<stream_reader> make_redis_reader(std::shared_ptr<redis_reader_thread> thread,
                                                 std::shared_ptr<redis_reading> reading);

/// What a reader that a Redis broker gave out holds unread. For tests.
std::size_t buffered_bytes(const stream_reader& of);

}  // namespace evermill::queue
