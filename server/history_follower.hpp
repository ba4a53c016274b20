// The history of an execution as it grows, for one reader who takes it at its own pace.
//
// Nothing of the history is kept for the reader: a follower is a place in a journal, and reads on from there when it is asked for
// more. So a slow reader costs no memory and misses nothing, and an idle one costs no thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/blocking_threads.hpp"
#include "server/control.hpp"

namespace evermill::server {

/// Where a reader is.
struct history_place {
  std::uint64_t run_number = 0;  ///< 0: the current run
  std::uint64_t next_seq = 1;
};

struct history_chunk {
  std::uint64_t run_number = 0;
  std::string run_id;
  std::vector<history_event> events;  ///< at least one, unless `ended`
  bool ended = false;                 ///< the execution has ended, and no events follow; `events` is empty
};

/// Thread-safe.
class history_follower : public std::enable_shared_from_this<history_follower> {
 public:
  using callback = std::function<void(std::optional<control_error>, history_chunk)>;

  /// `engine` and `threads` outlive it. Nothing is read yet.
  static std::shared_ptr<history_follower> make(engine& engine, blocking_threads& threads, std::string workflow_id,
                                                history_place from);
  /// Calls `answer` once, on one of the threads: as soon as there are events, the execution has ended, or with an error (`stopped`:
  /// the follower or the engine was). After a run that was continued as new, the next one's come. One call at a time.
  void next(callback answer);
  /// Whoever waits gets `stopped`, on this thread. Must be called before the engine goes, and not from inside an answer; waits for
  /// what the engine tells it just now.
  void stop();

  history_follower(const history_follower&) = delete;
  history_follower& operator=(const history_follower&) = delete;
  ~history_follower();

 private:
  history_follower(engine& engine, blocking_threads& threads, std::string workflow_id, history_place from);
  struct state;

  const std::shared_ptr<state> state_;
  std::shared_ptr<void> told_;  ///< of changes
};

}  // namespace evermill::server
