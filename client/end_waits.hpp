// Waiting for ends of executions without a thread: each wait is a call, again and again.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "client/api_connection.hpp"
#include "evermill/execution_info.hpp"

namespace evermill::api {

/// Thread-safe.
class end_waits {
 public:
  using answer = std::function<void(std::optional<client_error>, execution_end)>;

  /// `over` outlives it.
  explicit end_waits(api_connection& over) : over_(over) {}
  end_waits(const end_waits&) = delete;
  end_waits& operator=(const end_waits&) = delete;

  /// client::on_end.
  std::shared_ptr<void> begin(const std::string& workflow_id, answer told);
  /// Everybody is told `unavailable`.
  void close();

 private:
  class one;

  api_connection& over_;
  std::mutex mutex_;
  std::set<std::shared_ptr<one>> open_;
  bool closed_ = false;
};

}  // namespace evermill::api
