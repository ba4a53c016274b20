// Who is alive: a row for each member, which counts until a time that the member moves on as long as it lives.
//
// These times are of the steady clock, which all processes of a machine share and nobody sets. What a member believes of
// itself is what the others read: it is alive until the very moment that stands in its row, and one that wakes up after that
// knows it by its own clock. The oldest row decides for all.
#pragma once

#include "evermill/guarded_call.hpp"
#include "watcher.hpp"

namespace sqlite_queue {

/// A file beside the queue's. What it says need not survive the machine, so it is never synced, and nobody who moves on
/// waits for those who write into the queue. The clock begins anew when the machine is booted: each boot has a file of its
/// own.
class member_file {
 public:
  /// Throws sqlite_failure.
  explicit member_file(std::shared_ptr<queue_file> of);

  template <class Work>
  auto use(const Work& work) -> decltype(work(std::declval<connection&>())) {
    const std::lock_guard lock(mutex_);
    return work(connection_);
  }

 private:
  const std::shared_ptr<queue_file> of_;
  std::mutex mutex_;
  connection connection_;
};

/// What a membership and the watcher share.
class member_row final : public watched {
 public:
  member_row(std::shared_ptr<member_file> file, membership_options options, std::function<void()> on_change);
  membership_view view();
  void describe(std::string description);
  void look(bool changed) override;
  /// Leaves the group. No callback runs after return.
  void end() override;

 private:
  using time_point = steady_clock::time_point;

  // All with the lock.
  void move_on(connection& by, time_point now);
  membership_view read_view(connection& by, time_point now);
  /// What it was promised may be over.
  bool lapse(time_point now);
  void tell(std::unique_lock<std::mutex>& lock);

  const std::shared_ptr<member_file> file_;
  const membership_options options_;
  evermill::queue::guarded_call told_;

  std::mutex mutex_;
  std::string description_;
  membership_view view_;
  bool looked_at_ = true;
  bool left_ = false;
  std::uint64_t seen_version_ = 0;
  time_point next_move_{};
  time_point counts_until_{};  // this member
  time_point changes_at_{};    // a member that is seen runs out
};

std::unique_ptr<membership> make_membership(std::shared_ptr<watcher> by, std::shared_ptr<member_row> row);

}  // namespace sqlite_queue
