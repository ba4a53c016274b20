// Callers that wait: for the answer to one request, for the end of an execution, for each turn of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/partition_ports.hpp"
#include "evermill/engine.hpp"

namespace evermill {

/// Thread-safe. Callbacks run without a lock held.
class waiters {
 public:
  using answer_callback = std::function<void(std::optional<engine_error>, actors::answer&&)>;
  using end_callback = std::function<void(std::optional<engine_error>, execution_end)>;
  using update_callback = std::function<void(std::optional<engine_error>, const actors::code_result&)>;
  using turn_callback = std::function<void(const actors::durable_turn&)>;

  /// The token under which the answer of the partition will come.
  std::uint64_t expect_answer(partition_id from, answer_callback callback);
  /// Gives up waiting for an answer, for example because the request could not be queued.
  void forget_answer(std::uint64_t token);

  std::uint64_t expect_end(const std::string& workflow_id, end_callback callback);
  /// Takes the callback back; nothing when it has been or is being called.
  end_callback withdraw_end(const std::string& workflow_id, std::uint64_t ticket);

  std::uint64_t expect_update(const std::string& workflow_id, const std::string& update_id, update_callback callback);
  update_callback withdraw_update(std::uint64_t ticket);

  std::shared_ptr<void> follow(std::string workflow_id, turn_callback callback);

  /// Of requests and of updates.
  void fail_answers(const engine_error& error);
  /// The same, only of one partition. `partition_of` an update's workflow id.
  void fail_answers(partition_id from, const std::function<partition_id(const std::string&)>& partition_of,
                    const engine_error& error);
  void fail_ends(const engine_error& error);
  /// The executions whose end somebody waits for.
  std::vector<std::string> awaited() const;
  /// Every waiting caller gets `error`, and each later one at once.
  void stop(const engine_error& error);

  void on_answer(std::uint64_t token, actors::answer&& what);
  void on_ended(actors::ended_execution&& what);
  void on_update_ended(actors::ended_update&& what);
  void on_turn(actors::durable_turn&& what);
  bool has_followers() const { return follower_count_.load(std::memory_order_relaxed) > 0; }

 private:
  struct answer_waiter {
    partition_id from;
    answer_callback callback;
  };
  struct end_waiter {
    std::uint64_t ticket;
    end_callback callback;
  };
  struct update_waiter {
    std::string workflow_id;
    std::string update_id;
    update_callback callback;
  };
  std::vector<update_callback> take_updates(const std::function<bool(const update_waiter&)>& wanted);

  struct follower {
    std::uint64_t ticket;
    turn_callback callback;
  };

  mutable std::mutex mutex_;
  std::uint64_t last_token_ = 0;
  std::unordered_map<std::uint64_t, answer_waiter> answers_;
  std::unordered_multimap<std::string, end_waiter> ends_;
  std::map<std::uint64_t, update_waiter> updates_;
  std::optional<engine_error> stopped_;

  std::mutex followers_mutex_;  // held while a follower is called: after it has left it is not called any more
  std::unordered_multimap<std::string, follower> followers_;  ///< by workflow id; "": of all
  std::atomic<std::size_t> follower_count_{0};
};

/// How an execution ended, from its last event.
execution_end to_execution_end(const messages::Event& end);

}  // namespace evermill
