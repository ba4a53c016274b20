// Notices what was written into the file, by this process or another, and tells those who want to know. SQLite has no way to
// wait for that; but it costs little to ask whether anything has changed.
#pragma once

#include <condition_variable>
#include <thread>
#include <vector>

#include "queue_file.hpp"

namespace sqlite_queue {

class watched {
 public:
  virtual ~watched() = default;
  /// Called every few milliseconds. `changed`: perhaps there is something new in the file. May throw sqlite_failure: then it is
  /// called again as if something had changed.
  virtual void look(bool changed) = 0;
  /// The broker is closed, and will not call `look` again.
  virtual void end() = 0;
};

class watcher {
 public:
  explicit watcher(std::shared_ptr<queue_file> file);

  void add(std::shared_ptr<watched> who);
  void remove(const watched& who);
  /// Looks at once, as something has changed.
  void wake();
  /// Ends all that are watched. `file->closed` is set.
  void close();

 private:
  void run_thread();
  /// Waits until it is time to look, and says whether something has changed; nothing: it is over.
  std::optional<bool> wait();
  bool has_changed();

  const std::shared_ptr<queue_file> file_;
  std::mutex mutex_;
  std::condition_variable woken_up_;
  std::vector<std::shared_ptr<watched>> all_;
  bool woken_ = false;
  std::uint64_t seen_version_ = 0;  // of the thread
  std::thread thread_;              // last: it uses everything above
};

}  // namespace sqlite_queue
