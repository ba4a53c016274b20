// The handles by which one Kafka server is used, and all of those that there are.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/task_loop.hpp"
#include "evermill/kafka.hpp"
#include "plugins/queue/kafka/admin.hpp"
#include "plugins/queue/kafka/producer.hpp"
#include "plugins/task/kafka/shared_reading.hpp"

namespace evermill::tasks {

/// Thread-safe.
class kafka_link {
 public:
  /// invalid: librdkafka refuses a property. The server need not be there.
  static queue::broker_result<std::shared_ptr<kafka_link>> open(const queue::kafka::settings& with,
                                                                queue::kafka::dispatcher& by, const log& to);
  ~kafka_link() { close(); }
  kafka_link(const kafka_link&) = delete;
  kafka_link& operator=(const kafka_link&) = delete;

  /// An error that is returned means that nothing was sent, and `done` is not called.
  queue::broker_result<void> send(const std::string& topic, queue::record what, queue::kafka::producer::placed_callback done);

  using on_bounds = std::function<void(queue::broker_result<std::map<std::uint32_t, queue::stream_bounds>>)>;
  /// Of all partitions of the topic.
  void ask_bounds(const std::string& topic, on_bounds done);

  /// Partitions of the topic that `what` does not name are added to it.
  void receive(const kafka_wait& what);
  /// It is not told anything any more, but for what it is told just now.
  void drop(const kafka_wait& what);

  /// Everything that waits ends with `closed`. Not on a thread of its own.
  void close();

 private:
  kafka_link(const queue::kafka::settings& with, const log& to) : settings_(with), log_(to) {}

  queue::broker_result<queue::kafka::producer*> sender();

  const queue::kafka::settings settings_;
  const log log_;
  std::unique_ptr<queue::kafka::admin> admin_;
  std::unique_ptr<queue::kafka::readers> readers_;
  std::mutex mutex_;
  std::unique_ptr<queue::kafka::producer> producer_;  // made by the first that sends
  bool closed_ = false;
  task_loop asks_;   // for what blocks
  task_loop turns_;  // for those that wait
  std::unique_ptr<shared_reading> reading_;
};

/// Links by server: kept for some minutes after their last use, and bounded in number. Thread-safe.
class kafka_links {
 public:
  kafka_links(evermill::clock& time, log to) : time_(time), log_(std::move(to)) {}
  ~kafka_links();
  kafka_links(const kafka_links&) = delete;
  kafka_links& operator=(const kafka_links&) = delete;

  /// Whoever has it uses it. overloaded: others are used, and more can't be.
  queue::broker_result<std::shared_ptr<kafka_link>> to(const queue::kafka::settings& server);

  /// For tests.
  std::size_t count();

 private:
  struct entry {
    std::shared_ptr<kafka_link> link;
    std::optional<timestamp> unused_since;
  };

  bool make_room();
  void look_at_unused();
  void set_alarm();
  void close_later(std::shared_ptr<kafka_link> what);

  evermill::clock& time_;
  const log log_;
  queue::kafka::dispatcher dispatcher_;
  std::mutex mutex_;
  std::map<std::string, entry> links_;
  std::optional<clock::alarm_id> alarm_;
  bool ended_ = false;
  task_loop closing_;
};

}  // namespace evermill::tasks
