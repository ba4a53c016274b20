// The writing end: whatever this process writes into the file goes through one thread, which takes all that waits into one
// transaction. A sync of the disk takes milliseconds; so a hundred appends cost no more of them than one.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>

#include "queue_file.hpp"

namespace sqlite_queue {

struct writing {
  /// Runs on the writer's thread, in a transaction; again if that fails. May throw sqlite_failure; where it returns an
  /// error, it has changed nothing.
  std::function<broker_result<std::uint64_t>(connection& by)> make;
  /// Told once what `make` returned and that it is on the disk, or why not.
  std::function<void(const broker_result<std::uint64_t>& outcome)> done;
  std::size_t bytes = 0;                         ///< of an append, which are held until it is answered
  steady_clock::time_point tried_again_until{};  ///< while nothing can be written; in the past: it is tried once
};

class writer {
 public:
  /// `on_commit` is called whenever something was written.
  writer(std::shared_ptr<queue_file> file, std::function<void()> on_commit);

  /// An error says that nothing will be done, and `done` is not called.
  broker_result<void> add(writing what);
  /// Waits for the answer. Never on this class's thread: callbacks may append only.
  broker_result<std::uint64_t> run(std::function<broker_result<std::uint64_t>(connection& by)> make);
  /// Waits for the answers of all appends.
  bool flush(milliseconds limit);
  /// What waits is told `closed`. `file->closed` is set.
  void close();

 private:
  using batch = std::deque<writing>;

  void run_thread();
  batch take_batch();
  void write_together(batch what);
  /// They are tried again, with what waits behind them, but for those whose time is over.
  void postpone(batch what, const broker_error& why);
  void answer(writing& what, const broker_result<std::uint64_t>& outcome);

  const std::shared_ptr<queue_file> file_;
  const std::function<void()> on_commit_;

  std::mutex mutex_;
  std::condition_variable changed_;
  batch waiting_;
  std::size_t pending_bytes_ = 0;
  std::size_t unanswered_appends_ = 0;
  bool failing_ = false;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace sqlite_queue
