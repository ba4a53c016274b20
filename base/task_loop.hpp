// A thread that runs what it is given, one after the other.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>

namespace evermill {

class task_loop {
 public:
  /// Has its argument run later; does nothing once the loop has ended. Copies may outlive the loop; called on any thread.
  using post_function = std::function<void(std::function<void()>)>;

  task_loop();
  /// Without a thread: what is posted waits until `run_one` is called, and `run` runs its argument at once. For simulations, on one
  /// thread.
  struct by_hand {};
  explicit task_loop(by_hand);
  /// As `end`.
  ~task_loop();
  task_loop(const task_loop&) = delete;
  task_loop& operator=(const task_loop&) = delete;

  void post(std::function<void()> what) const;
  post_function poster() const;
  /// Runs it and waits for it; at once where the caller is on the loop's thread. False: the loop has ended, and it did not run.
  bool run(const std::function<void()>& what) const;
  /// Asks on the loop's thread, every now and then, until it is so or the time is over. Returns whether it is. Not on that thread.
  bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds limit) const;
  /// Of a loop by hand: runs what was posted first. False: there is nothing.
  bool run_one() const;
  /// What is running ends, nothing else runs after return. Not on the loop's own thread.
  void end();

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace evermill
