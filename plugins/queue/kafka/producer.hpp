// Appends to topics: one idempotent producer, which is replaced when it fails for good.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "plugins/queue/kafka/client.hpp"

namespace evermill::queue::kafka {

/// Thread-safe.
class producer {
 public:
  static broker_result<std::unique_ptr<producer>> open(const settings& with, const log& to);
  ~producer() { close(); }
  producer(const producer&) = delete;
  producer& operator=(const producer&) = delete;

  /// As broker::append, for a topic.
  broker_result<void> append(const std::string& topic, std::uint32_t partition, std::vector<record> records,
                             broker::append_callback done);
  std::size_t max_record_bytes() const { return max_record_bytes_; }
  bool flush(std::chrono::milliseconds limit);
  void close();

  /// Looks at the topic anew: it was created, or created again.
  void refresh(const std::string& topic);

  /// How often the producer was replaced.
  std::size_t replacements() const;
  /// As if the server had said that the order can't be kept any more.
  void fail_for_good();

 private:
  struct life;  // of one handle

  /// What one `append` was given.
  struct batch {
    life* in = nullptr;
    broker::append_callback done;
    std::size_t left = 0;  // records that are not answered; guarded by the mutex
    std::size_t records = 0;
    std::size_t bytes = 0;
    position last = 0;
    rd_kafka_resp_err_t failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::string what;  // for messages
  };

  struct life {
    std::unique_ptr<client> handle;
    std::map<std::string, topic_handle> topics;
    std::set<std::string> to_refresh;
    std::unordered_set<batch*> open;
    bool failed = false;
    bool ending = false;
    std::thread thread;

    void wake() const;
  };

  producer(const settings& with, const log& to) : settings_(with), log_(to) {}

  broker_result<std::unique_ptr<life>> begin_life();
  void serve(life& of);
  void refresh_topics(life& of);
  void end(life& of);
  void replace(life& failed);
  rd_kafka_topic_t* topic(life& of, const std::string& name);
  rd_kafka_resp_err_t produce(life& in, rd_kafka_topic_t* to, std::uint32_t partition, const record& what, batch& of);
  void delivered(const rd_kafka_message_t& message);
  void finish(std::unique_ptr<batch> what);

  const settings settings_;
  const log log_;
  std::size_t max_record_bytes_ = 0;
  std::size_t max_waiting_bytes_ = 0;
  std::size_t max_waiting_records_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::unique_ptr<life> current_;
  std::vector<std::unique_ptr<life>> failed_;
  std::size_t waiting_records_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t unanswered_ = 0;  // batches whose callback has not returned
  bool closed_ = false;
};

}  // namespace evermill::queue::kafka
