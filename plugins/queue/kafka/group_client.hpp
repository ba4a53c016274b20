// One member of a consumer group, as librdkafka has it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "plugins/queue/kafka/client.hpp"

namespace evermill::queue::kafka {

/// What the server says of a group.
struct group_state {
  bool is_known = false;   ///< did it answer?
  bool is_stable = false;  ///< has every member what it was given?
  std::set<std::string> members{};
  std::string coordinator{};  ///< the member that has the partition
};

/// Used by one thread; `on_work` is called by librdkafka's, and must only wake that one.
class group_client {
 public:
  static broker_result<std::unique_ptr<group_client>> open(const settings& with, const membership_options& options,
                                                           const std::string& topic, std::function<void()> on_work,
                                                           const log& to);
  ~group_client();
  group_client(const group_client&) = delete;
  group_client& operator=(const group_client&) = delete;

  broker_result<void> subscribe();
  void serve();

  /// Who is there. Blocks, for half a second at most.
  group_state look();

  /// Has what this member has changed since the last call?
  bool take_rearranged() { return std::exchange(is_rearranged_, false); }

  /// The server gives each life of a member a name of its own: this is the one.
  void keep_life() { life_ = life(); }
  bool is_other_life() const { return life() != life_; }

  /// Within a bounded time. Asking goes on.
  void leave();

 private:
  group_client(std::string group, std::string member, std::string topic, std::function<void()> on_work, const log& to)
      : group_(std::move(group)),
        member_(std::move(member)),
        topic_(std::move(topic)),
        on_work_(std::move(on_work)),
        log_(to) {}

  std::string life() const;
  void rebalance(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions);

  const std::string group_;
  const std::string member_;
  const std::string topic_;
  const std::function<void()> on_work_;
  const log log_;
  std::unique_ptr<client> client_;
  queue_handle events_;
  std::string life_;
  bool is_rearranged_ = false;
  bool has_left_ = false;
};

}  // namespace evermill::queue::kafka
