// Calls of a client that are answered by callbacks, so that all can be ended before the channel goes.
#pragma once

#include <grpcpp/client_context.h>

#include <condition_variable>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace evermill::server {

struct open_call {
  virtual ~open_call() = default;
  grpc::ClientContext context;
};

template <class Request, class Response>
struct call_of final : open_call {
  Request request;
  Response response;
};

/// The calls that are under way. A call's context holds the channel, whose end waits for gRPC's callback threads: so calls are
/// destroyed here, on the callers' threads, and never by their own callback.
class client_calls {
 public:
  template <class Call>
  Call& add() {
    auto made = std::make_unique<Call>();
    Call& call = *made;
    std::vector<std::unique_ptr<open_call>> over;  // destroyed without the lock
    const std::lock_guard lock(mutex_);
    over.swap(done_);
    calls_.push_back(std::move(made));
    places_.emplace(&call, std::prev(calls_.end()));
    return call;
  }
  /// The last that a callback does.
  void end(open_call& call) {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(&call);
    done_.push_back(std::move(*place->second));
    calls_.erase(place->second);
    places_.erase(place);
    ended_.notify_all();  // under the lock: this object goes as soon as the last call has ended
  }
  void cancel_all() {
    std::unique_lock lock(mutex_);
    for (const auto& call : calls_) call->context.TryCancel();
    ended_.wait(lock, [this] { return calls_.empty(); });
    done_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::list<std::unique_ptr<open_call>> calls_;
  std::unordered_map<open_call*, std::list<std::unique_ptr<open_call>>::iterator> places_;
  std::vector<std::unique_ptr<open_call>> done_;
};

}  // namespace evermill::server
