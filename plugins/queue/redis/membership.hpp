// Who is alive and who decides, by the votes of all servers of a Redis address: what a majority of them says is so.
//
// A member's entry on a server runs out unless it is renewed; so does the coordinator's lease, which the first one takes that
// finds it free. A process counts as alive, or decides, for no longer than the time for which a majority has promised it,
// by its own steady clock and with a margin for clocks of servers that run faster.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "plugins/queue/redis/common.hpp"

namespace evermill::queue {

class redis_member {
 public:
  redis_member(std::shared_ptr<redis_common> common, membership_options options, std::function<void()> on_change);
  ~redis_member() { leave(); }

  membership_view view();
  void describe(std::string description);
  /// Leaves the group where a server can be reached. No callback runs after return.
  void leave();

 private:
  using steady_time = std::chrono::steady_clock::time_point;

  struct description {
    std::uint64_t version = 0;
    std::string text;
  };
  /// One server's vote.
  struct voter {
    std::size_t server = 0;
    std::unique_ptr<redis_connection> connection;
    back_off pauses;
    steady_time next_attempt{};
    steady_time connected_since{};
    std::uint64_t described = 0;  // the version that it has
    std::string changes;          // as it counted them when `members` were told
    std::map<std::string, description> members;
    std::string coordinator;
    bool answered = false;  // in this round
  };

  void run();
  /// Asks all servers. `renews`: for time.
  void round(bool renews);
  void connect(voter& at);
  void ask(voter& at, bool renews, bool takes);
  void hear(voter& from, bool again);
  void forget(voter& which, const std::string& why);
  void give_back_lease();
  void publish();
  membership_view count_votes(steady_time now);
  /// With the lock. Has the time passed for which this process counts?
  bool lapse(steady_time now);
  bool has_majority(std::size_t votes) const { return 2 * votes > voters_.size(); }
  std::chrono::milliseconds until_next_round(steady_time now);

  const std::shared_ptr<redis_common> common_;
  const membership_options options_;
  const std::function<void()> on_change_;
  const std::vector<std::string> keys_;
  const std::chrono::milliseconds timeout_;  // of a server's answer
  const std::unique_ptr<random_source> random_ = make_system_random();
  wake_event wake_;
  std::mutex leave_mutex_;

  std::mutex mutex_;
  membership_view view_;
  bool looked_at_ = true;
  bool leaving_ = false;
  description said_;
  steady_time alive_until_{};
  steady_time decides_until_{};

  // Of the thread.
  std::vector<voter> voters_;
  std::vector<member> known_;  // as a majority last had them
  steady_time next_renewal_{};
  steady_time next_take_{};
  bool has_asked_ = false;  // a majority, in the last round
  back_off no_coordinator_;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace evermill::queue
