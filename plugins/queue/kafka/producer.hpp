// Appends to topics: one idempotent producer, which is replaced when it fails for good.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
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

  /// Told the position of the record and its partition, or why nobody knows whether it is there.
  using placed_callback = std::function<void(broker_result<position>, std::uint32_t partition)>;
  /// The same of one record, whose partition librdkafka chooses: by the key, where there is one.
  broker_result<void> append_anywhere(const std::string& topic, record what, placed_callback done);

  std::size_t max_record_bytes() const { return max_record_bytes_; }
  bool flush(std::chrono::milliseconds limit);
  void close();

  /// Looks at the topic anew, which was created, or created again: waits, at most so long, until what is appended to it is taken.
  void refresh(const std::string& topic, std::chrono::milliseconds limit);

  /// How often the producer was replaced.
  std::size_t replacements() const;
  /// As if the server had said that the order can't be kept any more.
  void fail_for_good();

 private:
  struct life;  // of one handle

  /// What one `append` was given.
  struct batch {
    life* in = nullptr;
    placed_callback done;
    std::uint32_t partition = 0;
    std::size_t left = 0;  // records that are not answered; guarded by the mutex
    std::size_t records = 0;
    std::size_t bytes = 0;
    position last = 0;
    bool is_unplaced = false;  // a record is there, and the server does not know any more where
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

  static constexpr std::uint32_t any_partition = 0xffff'ffff;  // RD_KAFKA_PARTITION_UA

  broker_result<void> add(const std::string& topic, std::uint32_t partition, std::vector<record> records,
                          placed_callback done);
  broker_result<std::unique_ptr<life>> begin_life();
  void serve(life& of);
  bool refresh_topics(life& of);
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
  std::condition_variable refreshed_;
  std::map<std::string, std::size_t> awaited_;  // topics somebody waits for to be known, and how many do
  std::unique_ptr<life> current_;
  std::vector<std::unique_ptr<life>> failed_;
  std::size_t waiting_records_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t unanswered_ = 0;  // batches whose callback has not returned
  bool closed_ = false;
};

}  // namespace evermill::queue::kafka
