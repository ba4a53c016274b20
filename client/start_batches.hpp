// Starts that are sent together: what comes while others are under way makes the next batch. So one alone is not held up, and many cost
// one call for hundreds.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "client/api_connection.hpp"
#include "evermill/engine.hpp"

namespace evermill::api {

/// Thread-safe.
class start_batches {
 public:
  using answer = std::function<void(std::optional<client_error>, started_execution)>;

  /// `over` outlives it.
  explicit start_batches(api_connection& over) : over_(over) {}
  ~start_batches() { close(); }
  start_batches(const start_batches&) = delete;
  start_batches& operator=(const start_batches&) = delete;

  /// Waits while there are too many. The request is one that may be repeated.
  void add(wire::StartWorkflowRequest&& request, api_connection::time_point until, answer told);
  /// Everybody is told `unavailable`; waits for answers that are being told. No call that is under way has an end after it.
  void close();

 private:
  struct start {
    wire::StartWorkflowRequest request;
    api_connection::time_point until;
    answer told;
    std::size_t bytes = 0;
    bool may_have_happened = false;
  };
  using batch = std::vector<start>;
  struct call;
  struct told_start {
    answer told;
    std::optional<client_error> error;
    started_execution started;
  };

  static constexpr std::size_t most_under_way = 10'000;  // starts
  static constexpr std::size_t most_in_batch = 500;
  static constexpr std::size_t most_bytes_in_batch = 1u << 20;
  static constexpr std::size_t most_batches = 4;

  std::optional<batch> next_batch();  // with the lock
  void send_out(std::unique_lock<std::mutex>& lock);
  void send(batch&& starts);
  void ended(call& what, const grpc::Status& status);
  void judge_each(call& what, std::vector<told_start>& over, batch& again, verdict& worst);
  /// Told, or tried again.
  void settle(start&& what, const grpc::Status& status, std::vector<told_start>& over, batch& again, verdict& worst);
  void pause(const verdict& why);  // with the lock

  api_connection& over_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<start> waiting_;
  std::size_t under_way_ = 0;  // starts that are not told
  std::size_t batches_ = 0;    // under way
  std::size_t sending_ = 0;    // threads that are about to send
  pauses between_;
  clock::alarm_id alarm_ = 0;  // 0: it is no pause
  bool closed_ = false;
};

}  // namespace evermill::api
