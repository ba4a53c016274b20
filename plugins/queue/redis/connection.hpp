// One connection to one Redis server: commands are put down, sent together and answered in order. Used by one thread at a time.
#pragma once

#include <hiredis/hiredis.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "evermill/broker.hpp"
#include "plugins/queue/redis/address.hpp"
#include "plugins/queue/redis/scripts.hpp"

namespace evermill::queue {

/// Wakes a thread that waits in a connection, or in `wait`. Thread-safe. Stays on until it is cleared.
class wake_event {
 public:
  wake_event();
  ~wake_event();
  wake_event(const wake_event&) = delete;
  wake_event& operator=(const wake_event&) = delete;

  void set();
  void clear();
  bool is_set() const;
  int descriptor() const noexcept { return descriptor_; }

 private:
  const int descriptor_;
};

/// Waits until one of the two is on or the time is over; nothing: for as long as it takes.
void wait_for(const wake_event& one, const wake_event& other, std::optional<std::chrono::milliseconds> limit);

struct free_reply {
  void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
};
using redis_reply = std::unique_ptr<redisReply, free_reply>;

inline std::string_view text_of(const redisReply& reply) noexcept {
  return reply.str == nullptr ? std::string_view{} : std::string_view(reply.str, reply.len);
}
std::uint64_t number_of(const redisReply& reply) noexcept;
/// N of an id 0-N.
position position_of(std::string_view id) noexcept;

/// What an error reply says: `unavailable` where it passes, `refused` where somebody must do something. `where` is a server.
broker_error error_of(const redisReply& reply, const std::string& where);
inline bool is_error(const redisReply& reply) noexcept { return reply.type == REDIS_REPLY_ERROR; }
bool is_missing_script(const redisReply& reply) noexcept;

/// Says in the log when a server is lost and when it is back: once, whichever connection notices.
class server_watch {
 public:
  server_watch(const redis_address& address, evermill::log log) : address_(address), log_(std::move(log)) {}
  void lost(std::size_t server, const std::string& why);
  void answers(std::size_t server);

 private:
  const redis_address& address_;
  const evermill::log log_;
  std::mutex mutex_;
  std::map<std::size_t, bool> away_;
};

/// How long to wait before the next attempt: twice as long each time.
class back_off {
 public:
  std::chrono::milliseconds next() {
    const auto now = wait_;
    wait_ = std::min(wait_ * 2, std::chrono::milliseconds(2'000));
    return now;
  }
  void succeeded() { wait_ = first; }

 private:
  static constexpr std::chrono::milliseconds first{20};
  std::chrono::milliseconds wait_ = first;
};

class redis_connection {
 public:
  using words = std::vector<std::string_view>;

  /// Connects, logs in, and looks at the version. `stop`: ends all waiting with `closed`; may be null.
  static broker_result<std::unique_ptr<redis_connection>> open(const redis_address& address, std::size_t server,
                                                               std::chrono::milliseconds timeout, const wake_event* stop);
  /// Puts a command down, to be sent with the next wait.
  void add(const words& command);
  /// The same for a script that `load` has loaded.
  void add_script(const redis_script& script, const words& keys, const words& arguments);

  /// Sends what can be sent without waiting.
  void push();
  /// The next answer. An error means that the connection is of no use any more; an error reply is an answer.
  broker_result<redis_reply> next();
  /// The same, but nothing when `wake` came first or `limit` is over.
  broker_result<redis_reply> next(const wake_event* wake, std::chrono::milliseconds limit);

  /// One command and its answer. Here an error reply is an error.
  broker_result<redis_reply> run(const words& command);
  broker_result<redis_reply> run_script(const redis_script& script, const words& keys, const words& arguments);
  broker_result<void> load(const redis_script& script);

  std::size_t server() const noexcept { return server_; }
  const std::string& where() const noexcept { return where_; }
  /// Of the server's, for CLIENT UNBLOCK.
  const std::string& id() const noexcept { return id_; }
  bool usable() const noexcept { return usable_; }

 private:
  struct free_context {
    void operator()(redisContext* context) const noexcept { redisFree(context); }
  };

  redis_connection(const redis_address& address, std::size_t server, std::chrono::milliseconds timeout,
                   const wake_event* stop);

  std::optional<broker_error> connect();
  std::optional<broker_error> log_in();
  broker_result<redis_reply> say(const words& command);
  unexpected<broker_error> broken(std::string why);
  /// Sends and receives what it can. False: `wake` is on, or it was not possible until `end`.
  broker_result<bool> exchange(const wake_event* wake, std::chrono::steady_clock::time_point end);

  const redis_address& address_;
  const std::size_t server_;
  const std::chrono::milliseconds timeout_;
  const wake_event* const stop_;
  const std::string where_;
  std::unique_ptr<redisContext, free_context> context_;
  std::string outgoing_;
  std::size_t sent_ = 0;     // of `outgoing_`
  std::uint64_t moved_ = 0;  // bytes, both ways
  std::string id_;
  std::map<const redis_script*, std::string> loaded_;
  bool usable_ = true;
};

}  // namespace evermill::queue
