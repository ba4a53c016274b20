// What is asked of the server rather than read or written: topics, bounds, trims, settings. Everything here blocks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugins/queue/kafka/client.hpp"

namespace evermill::queue::kafka {

/// Thread-safe.
class admin {
 public:
  using configs = std::map<std::string, std::string>;

  static broker_result<std::unique_ptr<admin>> open(const settings& with, dispatcher& by, const log& to);

  broker_result<std::uint32_t> ensure(const std::string& topic, std::uint32_t partitions, const configs& more = {});
  broker_result<std::uint32_t> find(const std::string& topic);
  broker_result<void> remove(const std::string& topic);
  broker_result<stream_bounds> bounds(const std::string& topic, std::uint32_t partition);
  /// As bounds, of a partition that is known to exist, within a limit; asks once.
  broker_result<stream_bounds> bounds_once(const std::string& topic, std::uint32_t partition, std::chrono::milliseconds limit);
  broker_result<void> trim(const std::string& topic, std::uint32_t partition, position through);
  broker_result<broker_durability> durability();

  /// What waits ends soon, with `closed`.
  void close();

 private:
  using clock = std::chrono::steady_clock;

  struct shape {
    std::uint32_t partitions = 0;
    std::size_t replicas = 0;  // of the partition that has the fewest
    bool is_led = false;       // has each partition a leader?
  };

  /// The outcome of one request; `again` asks for another try.
  template <class T>
  struct attempt {
    std::optional<broker_result<T>> outcome;
    rd_kafka_resp_err_t again = RD_KAFKA_RESP_ERR_NO_ERROR;
  };

  static attempt<void> succeeded() {
    attempt<void> made;
    made.outcome.emplace();
    return made;
  }

  admin(const settings& with, std::shared_ptr<served_client> by) : settings_(with), client_(std::move(by)) {}

  std::chrono::milliseconds request_limit() const;  // of one request in an operation
  template <class T, class Try>
  broker_result<T> repeat(const std::string& what, Try&& once);
  bool pause(std::chrono::milliseconds how_long);
  std::optional<broker_error> why_closed(const std::string& what) const;

  std::map<std::string, shape> shapes(const std::optional<std::string>& topic, rd_kafka_resp_err_t& code);
  /// Was it there just now? Then a server that knows nothing of it has not heard of it yet.
  bool was_there(const std::string& topic) const;
  attempt<std::uint32_t> look(const std::string& topic, const std::string& what);
  /// The event that answers a request, or null.
  event_handle answer(rd_kafka_admin_op_t kind, const std::function<void(rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& ask,
                      rd_kafka_resp_err_t& code);
  std::optional<configs> describe(rd_kafka_ResourceType_t type, const std::string& name, rd_kafka_resp_err_t& code);
  std::optional<configs> server_configs(rd_kafka_resp_err_t& code);
  rd_kafka_resp_err_t create(const std::string& topic, std::uint32_t partitions, const configs& more, std::string& detail);

  const settings settings_;
  const std::shared_ptr<served_client> client_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  std::map<std::string, clock::time_point> ensured_;  // topics that were seen here, and not deleted here
};

}  // namespace evermill::queue::kafka
