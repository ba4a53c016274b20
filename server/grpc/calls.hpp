// How calls are answered: at once on a thread of gRPC's pool, or later from a callback that holds no thread.
#pragma once

#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "server/gate.hpp"
#include "server/grpc/conversions.hpp"
#include "server/grpc/status.hpp"

namespace evermill::server {

/// The calls that end when the process stops, or when their callers may not have them any more, and not before: they are told to.
/// Thread-safe.
class open_calls {
 public:
  /// Ends the call with this status.
  using stop_function = std::function<void(const grpc::Status& why)>;

  /// `stop` is called on a thread that stops the server or looks after it, not after `left`, and may be called more than once. `by`
  /// says whether its caller may still have it; null: nobody asks.
  std::uint64_t entered(stop_function stop, std::shared_ptr<admitted_call> by = nullptr);
  void left(std::uint64_t ticket);
  std::size_t count() const;
  void stop_all();
  /// Ends those whose callers' tokens have expired or were revoked.
  void stop_invalid();

 private:
  struct open_call {
    stop_function stop;
    std::shared_ptr<admitted_call> by;
  };
  mutable std::mutex mutex_;
  std::uint64_t last_ticket_ = 0;
  std::map<std::uint64_t, open_call> calls_;
};

grpc::Status stopping();
/// Of a call that went on for longer than what its caller has shown counts.
grpc::Status not_valid_any_more();

/// What an exception means to the caller.
template <class F>
grpc::Status answered(F&& call) {
  try {
    call();
    return grpc::Status::OK;
  } catch (const control_error& error) {
    return to_status(error);
  } catch (const std::exception& error) {
    return to_status({control_errc::internal, error.what()});
  }
}

/// A call that is answered when what it asked for is durable: soon, whatever the caller does.
class soon_call final : public grpc::ServerUnaryReactor {
 public:
  /// Deletes itself when it is over. Answer it once, by `Finish`.
  void OnDone() override { delete this; }
};

/// A call that waits for something to end, for its own cancellation and for the end of the process: the first answers.
template <class Reply>
class waiting_call final : public grpc::ServerUnaryReactor {
 public:
  /// `ask(answer)` asks for it; `answer(error, end)` is called once, on any thread; `to_wire(end, reply)` then makes the reply. Where
  /// `ask` gives an object, that is the waiting, and goes as soon as the call is answered, by whatever.
  template <class Ask>
  static grpc::ServerUnaryReactor* begin(open_calls& open, Reply* reply, std::shared_ptr<admitted_call> by, Ask&& ask) {
    auto* call = new waiting_call(open, reply, std::move(by));  // deletes itself in OnDone
    const auto state = call->state_;
    const auto told = [state](std::optional<control_error> error, const auto& end) {
      answer(*state, [&](Reply& to) {
        if (error) return to_status(*error);
        to_wire(end, to);
        return grpc::Status::OK;
      });
    };
    if constexpr (std::is_void_v<std::invoke_result_t<Ask&, decltype(told)>>) {
      ask(told);
    } else {
      keep(*state, ask(told));
    }
    return call;
  }

  void OnCancel() override {
    const auto state = state_;
    answer(*state, [](Reply&) { return grpc::Status(grpc::StatusCode::CANCELLED, "nobody waits any more"); });
  }
  void OnDone() override {
    open_.left(ticket_);
    delete this;
  }

 private:
  struct shared {
    std::mutex mutex;
    waiting_call* call = nullptr;  // null: answered
    Reply* reply = nullptr;
    std::shared_ptr<void> waiting;
  };

  static void keep(shared& state, std::shared_ptr<void> waiting) {
    const std::lock_guard lock(state.mutex);
    if (state.call != nullptr) state.waiting.swap(waiting);  // otherwise it goes without the lock
  }

  waiting_call(open_calls& open, Reply* reply, std::shared_ptr<admitted_call> by) : open_(open) {
    state_->call = this;
    state_->reply = reply;
    ticket_ = open_.entered([state = state_](const grpc::Status& why) { answer(*state, [&why](Reply&) { return why; }); }, std::move(by));
  }

  template <class Fill>
  static void answer(shared& state, Fill&& fill) {
    waiting_call* call = nullptr;
    std::shared_ptr<void> waiting;
    {
      std::lock_guard lock(state.mutex);
      call = std::exchange(state.call, nullptr);
      waiting.swap(state.waiting);
    }
    waiting.reset();
    if (call != nullptr) call->Finish(fill(*state.reply));
  }

  open_calls& open_;
  std::uint64_t ticket_ = 0;
  const std::shared_ptr<shared> state_ = std::make_shared<shared>();
};

}  // namespace evermill::server
