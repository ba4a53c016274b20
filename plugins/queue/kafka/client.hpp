// One handle of librdkafka's: how it is made, what its errors mean, and who serves its callbacks.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/log.hpp"
#include "evermill/broker.hpp"
#include "plugins/queue/kafka/settings.hpp"

namespace evermill::queue::kafka {

template <auto Destroy>
struct destroyed_by {
  template <class T>
  void operator()(T* what) const { Destroy(what); }
};

using queue_handle = std::unique_ptr<rd_kafka_queue_t, destroyed_by<rd_kafka_queue_destroy>>;
using topic_handle = std::unique_ptr<rd_kafka_topic_t, destroyed_by<rd_kafka_topic_destroy>>;
using event_handle = std::unique_ptr<rd_kafka_event_t, destroyed_by<rd_kafka_event_destroy>>;
using error_handle = std::unique_ptr<rd_kafka_error_t, destroyed_by<rd_kafka_error_destroy>>;
using metadata_handle = std::unique_ptr<const rd_kafka_metadata_t, destroyed_by<rd_kafka_metadata_destroy>>;
using partitions_handle =
    std::unique_ptr<rd_kafka_topic_partition_list_t, destroyed_by<rd_kafka_topic_partition_list_destroy>>;
using options_handle = std::unique_ptr<rd_kafka_AdminOptions_t, destroyed_by<rd_kafka_AdminOptions_destroy>>;

/// What an error of librdkafka's or the server's is to who uses a broker.
broker_errc meaning_of(rd_kafka_resp_err_t code);

/// May the same request succeed soon?
bool is_transient(rd_kafka_resp_err_t code);

class client {
 public:
  struct hooks {
    std::function<void(const rd_kafka_message_t&)> delivered{};
    std::function<void(rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*)> rebalanced{};
    std::function<void()> failed{};  ///< for good: the handle is of no use any more
  };

  /// `defaults` give way to what the address says, `fixed` do not. invalid: librdkafka refuses a property.
  static broker_result<std::unique_ptr<client>> open(rd_kafka_type_t type, const settings& with, const properties& defaults,
                                                     const properties& fixed, hooks on, const log& to);
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  rd_kafka_t* handle() const { return handle_; }

  /// "kafka://host:9092: `what`: why", with what is to be done where that is known.
  broker_error error(rd_kafka_resp_err_t code, const std::string& what, const std::string& detail = {}) const;

  /// The value of a property.
  std::string property(const char* name) const;

 private:
  client(const settings& with, hooks on, const log& to) : settings_(with), on_(std::move(on)), log_(to) {}

  static void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text);
  static void on_error(rd_kafka_t* handle, int code, const char* reason, void* self);
  static void on_delivery(rd_kafka_t* handle, const rd_kafka_message_t* message, void* self);
  static void on_rebalance(rd_kafka_t* handle, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions,
                           void* self);

  const settings settings_;
  const hooks on_;
  const log log_;
  rd_kafka_t* handle_ = nullptr;
  mutable std::mutex mutex_;
  std::string last_problem_;  // why the server can't be reached, as far as it is known
  bool is_locked_out_ = false;
};

/// One thread that serves what librdkafka says has work. librdkafka calls `wake` with locks of its own.
class dispatcher {
 public:
  class source : public std::enable_shared_from_this<source> {
   public:
    virtual ~source() = default;

   private:
    friend class dispatcher;
    virtual void serve() = 0;
    std::atomic<bool> is_waiting_{false};
  };

  dispatcher() : thread_([this] { run(); }) {}
  ~dispatcher() { stop(); }

  /// `source::serve` is called soon, on the dispatcher's thread.
  void wake(std::shared_ptr<source> who);

  /// Nothing is served after return.
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<source>> waiting_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the others
};

/// Serves the callbacks of a handle that has no thread of its own for them.
class served_client final : public dispatcher::source {
 public:
  static std::shared_ptr<served_client> make(std::unique_ptr<client> what, dispatcher& by);
  ~served_client() override;

  const client& get() const { return *client_; }
  rd_kafka_t* handle() const { return client_->handle(); }

 private:
  served_client(std::unique_ptr<client> what, dispatcher& by);
  void serve() override { rd_kafka_poll(client_->handle(), 0); }

  const std::unique_ptr<client> client_;
  dispatcher& dispatcher_;
  const queue_handle main_;
};

}  // namespace evermill::queue::kafka
