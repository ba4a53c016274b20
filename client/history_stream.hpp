// A history that is followed, from one connection to the next.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "client/api_connection.hpp"
#include "evermill/client.hpp"

namespace evermill {

class history_stream::impl {
 public:
  /// `over` outlives it.
  impl(const api::api_connection& over, const std::string& workflow_id, std::uint64_t from_seq, std::uint64_t run_number);
  ~impl();
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  std::optional<followed_event> next();
  void stop();

 private:
  using reader = grpc::ClientReader<api::wire::FollowHistoryResponse>;

  /// False: it was stopped.
  bool open();
  grpc::Status close();
  bool wait(api::milliseconds pause);

  const api::api_connection& over_;
  api::wire::FollowHistoryRequest place_;  // of the next event
  api::pauses between_;
  std::unique_ptr<reader> reader_;  // null: not connected
  std::mutex mutex_;                // of what follows
  std::condition_variable stopping_;
  std::unique_ptr<grpc::ClientContext> context_;
  bool stopped_ = false;
};

}  // namespace evermill
