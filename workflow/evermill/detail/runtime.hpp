// What the coroutines of one run talk to. Internal: authors use context.hpp.
//
// Single-threaded: a run's coroutines, operations and runtime are used by one thread at a time.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../failure.hpp"
#include "../handles.hpp"
#include "../log_level.hpp"
#include "../payload.hpp"

namespace evermill::detail {

struct operation;

/// A suspended coroutine and how many of its operations it still waits for. Lives where the awaitable lives.
struct wait_group {
  std::coroutine_handle<> coroutine;
  std::size_t remaining = 0;
  bool wake_on_failure = false;
};

/// Something that was asked for and completes once: an activity, a timer, a child, a step, a signal.
/// Kept while a future or the runtime holds it, then used again.
struct operation {
  enum class kind : unsigned char { activity, timer, child, step, signal };
  enum class state : unsigned char { open, completed, failed, canceled, timed_out };

  kind what = kind::activity;
  state is = state::open;
  bool held_by_future = false;
  bool held_by_runtime = false;
  bool timed = false;              ///< a signal wait that has a limit
  std::uint64_t seq = 0;           ///< the event that asked for it; of a timed signal wait its timer's
  std::uint64_t completed_as = 0;  ///< how many operations had completed then: journal order
  std::string name;
  payload result;
  std::shared_ptr<const failure> cause;
  std::shared_ptr<const std::function<payload()>> step;  ///< while it may have to be run after replay
  wait_group* waiter = nullptr;
  wait_group alone;  ///< for the common case of one future awaited by itself

  bool done() const noexcept { return is != state::open; }
};

/// Ready coroutines in the order in which they became ready. Resuming from here, never from inside another coroutine,
/// keeps the stack flat: GCC turns symmetric transfer into a tail call only when optimising.
class ready_queue {
 public:
  void push(std::coroutine_handle<> h) { queue_.push_back(h); }
  std::coroutine_handle<> pop() {
    if (next_ == queue_.size()) {
      queue_.clear();
      next_ = 0;
      return {};
    }
    if (next_ >= compact_at) {
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(next_));
      next_ = 0;
    }
    return queue_[next_++];
  }
  void clear() noexcept {
    queue_.clear();
    next_ = 0;
  }

 private:
  static constexpr std::size_t compact_at = 1024;
  std::vector<std::coroutine_handle<>> queue_;
  std::size_t next_ = 0;
};

class runtime {
 public:
  virtual operation* call_activity(std::string_view name, const activity_options& options, payload&& input) = 0;
  virtual operation* start_timer(std::chrono::microseconds duration) = 0;
  virtual operation* start_child(std::string_view type, std::string_view id, payload&& input) = 0;
  virtual operation* run_step(std::string_view name, std::function<payload()> f) = 0;
  virtual operation* wait_signal(std::string_view name, std::optional<std::chrono::microseconds> limit) = 0;
  /// The run ends when the coroutine that asked has suspended.
  virtual void continue_as_new(payload&& input) = 0;

  /// Completes an open operation as canceled and asks for its end.
  virtual void cancel(operation& op) = 0;
  /// The future is gone.
  virtual void release(operation& op) noexcept = 0;

  virtual std::chrono::sys_time<std::chrono::microseconds> now() const noexcept = 0;
  virtual std::uint64_t random() = 0;
  virtual std::string uuid() = 0;
  virtual void log(log_level level, std::string_view text) = 0;
  virtual const std::string& workflow_id() const noexcept = 0;
  virtual const std::string& run_id() const noexcept = 0;
  virtual bool replaying() const noexcept = 0;
  virtual bool cancel_requested() const noexcept = 0;
  /// The registered name of a workflow function; throws std::invalid_argument.
  virtual const std::string& name_of(const void* function) const = 0;

  ready_queue ready;

 protected:
  ~runtime() = default;
};

/// Throws what awaiting a failed or canceled operation throws.
[[noreturn]] void throw_outcome(const operation& op);
[[noreturn]] void throw_moved_from();

}  // namespace evermill::detail
