// A client's connection to a server: its stubs, and requests that are made again until they are answered.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "evermill/client_errors.hpp"
#include "evermill/server_address.hpp"
#include "evermill/v1/activities.grpc.pb.h"
#include "evermill/v1/human_tasks.grpc.pb.h"
#include "evermill/v1/operations.grpc.pb.h"
#include "evermill/v1/workflows.grpc.pb.h"
#include "server/grpc/client_calls.hpp"

namespace evermill::api {

namespace wire = evermill::v1;
using std::chrono::milliseconds;

/// What follows from a try that was not answered well.
struct verdict {
  bool again = false;                ///< waiting may help
  bool unknown = false;              ///< what was asked for may have happened
  std::optional<milliseconds> after; ///< the server says when
};
verdict judge(const grpc::Status& status);

/// Pauses between tries: they double, up to 2 s, less a random part of up to a half.
class pauses {
 public:
  milliseconds next(random_source& random);
  void reset() { next_ = first; }

 private:
  static constexpr milliseconds first{50};
  static constexpr milliseconds longest{2'000};
  milliseconds next_ = first;
};

/// Thread-safe.
class api_connection {
 public:
  using time_point = std::chrono::system_clock::time_point;

  /// Throws client_error (invalid_argument).
  explicit api_connection(server_address server);
  api_connection(const api_connection&) = delete;
  api_connection& operator=(const api_connection&) = delete;

  /// Throws client_error (unavailable) where nothing answers in time.
  void wait_until_connected(milliseconds limit);

  /// When what begins now has to be over. 0: never.
  static time_point until(milliseconds limit);

  /// Makes a request by `once`, which returns how that went, until it is answered, or it is too late. One try takes `longest_try` at most.
  /// Throws client_error.
  void ask(time_point until, const std::function<grpc::Status(grpc::ClientContext&)>& once, milliseconds longest_try = no_limit) const;

  /// Prepares a try.
  void prepare(grpc::ClientContext& context, time_point until) const;
  client_error error_of(const grpc::Status& status, bool may_have_happened) const;
  std::string new_id() const { return make_uuid(*random_); }
  clock& time() const { return *clock_; }
  random_source& random() const { return *random_; }
  const std::string& name_space() const { return server_.name_space; }

  static constexpr milliseconds no_limit{0};
  /// Of one try of what waits for an end: a server that vanished without a word is asked anew.
  static constexpr milliseconds longest_wait{60'000};

 private:
  const server_address server_;
  const std::string who_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<random_source> random_;

 public:
  const std::unique_ptr<wire::Workflows::Stub> workflows;
  const std::unique_ptr<wire::HumanTasks::Stub> human_tasks;
  const std::unique_ptr<wire::Activities::Stub> activities;
  const std::unique_ptr<wire::Operations::Stub> operations;
  server::client_calls calls;  ///< answered by callbacks; ended before the rest goes

 private:
  const std::unique_ptr<clock> clock_;  // its thread ends first: it makes calls
};

}  // namespace evermill::api
