// A backend whose attempts each keep a thread: what becomes of them is here, what they do is the caller's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

#include "base/clock.hpp"
#include "plugins/task/attempt_watch.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// Tells a running attempt that it is to end. Thread-safe.
class attempt_signal {
 public:
  enum class why : std::uint8_t {
    not_stopped,
    timed_out,  ///< it has run too long, or was not heard of
    canceled,   ///< whatever it ends with does not count
    asked,      ///< what it ends with counts
    abandoned,  ///< this process ends: the next one will count it as lost
  };

  /// Without a descriptor (-1), errno says why: the attempt can't be told to stop, and is not begun.
  explicit attempt_signal(const std::atomic<std::chrono::milliseconds>& grace);
  ~attempt_signal();
  attempt_signal(const attempt_signal&) = delete;
  attempt_signal& operator=(const attempt_signal&) = delete;

  /// An eventfd that is written by each signal.
  int descriptor() const noexcept { return descriptor_; }
  why reason() const noexcept { return reason_; }
  bool stopped() const noexcept { return reason_ != why::not_stopped; }
  /// How long work that was told to end may take before it is ended by force; it may become shorter, which is a signal.
  const std::atomic<std::chrono::milliseconds>& grace() const noexcept { return grace_; }
  /// `call` is called by each signal from now on, and at once where there was one; it must be short, and must not call the
  /// backend. Null: no more, when this returns.
  void listen(std::function<void()> call);

  /// Of the backend: the first reason counts.
  void send(why reason);
  /// Of the backend: what it was asked for has come too late.
  void give_up_waiting() { reason_ = why::timed_out; }

 private:
  const std::atomic<std::chrono::milliseconds>& grace_;
  const int descriptor_;
  std::atomic<why> reason_{why::not_stopped};
  std::mutex mutex_;
  std::function<void()> listener_;
};

struct attempt_threads_options {
  std::string_view activity_type;                  ///< static; the backend's name, too
  std::function<bool(std::string_view)> serves{};  ///< which types it runs, in place of that one; empty: that one
  std::vector<std::string> activity_types;          ///< with `serves`: all that it serves
  unsigned threads = 2;                            ///< how many attempts run at once; threads begin when they are needed
  evermill::clock* time = nullptr;                 ///< outlives the backend
  std::chrono::milliseconds kill_grace{2'000};     ///< attempt_signal::grace, until `stop` has a shorter one
  on_attempt_heartbeat on_heartbeat;               ///< may be empty
  on_attempt_start on_start;                       ///< may be empty
};

/// Runs an attempt on the calling thread, which has SIGPIPE blocked and lives as long as the backend, to its end. When it is
/// told to stop it returns within the grace, with anything where it is canceled, timed out or abandoned. Must not throw.
using attempt_work =
    std::function<outcome(const std::shared_ptr<const messages::ActivityTask>&, attempt_signal&, attempt_watch&)>;

/// A failure of the type "KilledBySignal" that ends an attempt which was asked to stop is reported as `canceled`. `work` is
/// called until `stop` has returned, or the destructor.
std::unique_ptr<task_backend> make_attempt_threads(const attempt_threads_options& options, attempt_work work,
                                                   on_attempt_end report);

/// What a process or a container fails with that a signal has ended.
inline constexpr const char* killed_by_signal = "KilledBySignal";

}  // namespace evermill::tasks
