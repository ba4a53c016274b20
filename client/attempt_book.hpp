// What a worker has of a server: attempts that run, and ends that are not acknowledged. Plain code.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "evermill/v1/workers.pb.h"
#include "messages/task.pb.h"
#include "plugins/task/task_backend.hpp"

namespace evermill::api {

class attempt_book {
 public:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;

  explicit attempt_book(std::size_t concurrency) : concurrency_(concurrency) {}

  /// The first message of a new connection says what is had already; `hello` has the rest. It grants all room that there is.
  v1::WorkRequest begin(v1::WorkerHello hello);
  /// New attempts; null for what is known already or is none.
  task_ptr add(const v1::AttemptTask& task);
  /// Does it run here, as far as is known?
  bool runs(const tasks::dispatch_id& id) const;
  /// The attempt has ended; what is to be told. False: it is unknown.
  bool end(tasks::attempt_end&& end);
  void heartbeat(const messages::ActivityTask& task, std::optional<messages::Payload> details);
  void acknowledged(const std::string& token);
  /// What runs is abandoned: it has no end.
  void forget_running();
  /// Nothing new is wanted any more.
  void leave();

  /// What has come together since the last call; nothing: there is nothing to say.
  std::optional<v1::WorkRequest> take_message();

  std::size_t running() const noexcept { return running_; }
  bool idle() const noexcept { return attempts_.empty(); }

 private:
  struct attempt {
    std::optional<v1::AttemptEnd> end;  // once it has ended
  };
  std::uint32_t free_room();

  const std::size_t concurrency_;
  std::map<std::string, attempt> attempts_;  // by token
  std::size_t running_ = 0;
  std::size_t granted_ = 0;  // room that was granted and not used yet
  bool leaving_ = false;
  bool leaving_told_ = false;
  std::set<std::string> untold_;  // tokens whose ends are to be told
  std::map<std::string, v1::AttemptHeartbeat> beats_;
};

}  // namespace evermill::api
