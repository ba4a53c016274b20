// What `run FILE` shows while it waits: looks at the execution a few times a second, on a thread of its own, and tells what it
// has seen. The execution is not slowed down by it: nothing is told of its events, it is asked.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "cli/environment.hpp"
#include "cli/file_lines.hpp"
#include "cli/followed_file.hpp"
#include "cli/progress.hpp"
#include "server/control.hpp"

namespace evermill::cli {

/// Asks for what is new of one execution of a file.
class file_looks {
 public:
  struct look {
    std::shared_ptr<const dsl::definition> definition;  ///< with the first one only
    bool follows_schedule = false;
    std::optional<nlohmann::json> answer;  ///< of `query progress`; nothing: not asked, or nothing came
    std::map<std::string, running_output> outputs;
  };

  /// `shared`: the execution is in a cluster, where each look costs more.
  file_looks(server::control& control, std::string workflow_id, bool shared);
  ~file_looks();
  file_looks(const file_looks&) = delete;
  file_looks& operator=(const file_looks&) = delete;

  /// What was seen since, in order.
  std::deque<look> take();
  /// Looks no more; then, on the caller's thread and where `once_more` says so, once more.
  void stop(bool once_more);

 private:
  using steady = std::chrono::steady_clock;

  void work();
  std::optional<look> look_now(bool ask);
  bool find_definition(look& into);
  void find_outputs(look& into);
  std::string label_of(std::uint64_t scheduled_seq);

  server::control& control_;
  const std::string workflow_id_;
  const std::chrono::milliseconds least_pause_;
  const std::chrono::milliseconds longest_pause_;

  // Of the thread, and of the caller once that has ended:
  bool has_definition_ = false;
  std::uint64_t upto_ = 0;
  std::map<std::uint64_t, std::string> labels_;  // of activities with output, by their events; "" until it is known
  steady::time_point next_label_{};

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stops_ = false;
  std::deque<look> seen_;
  std::thread thread_;
};

class file_view {
 public:
  /// `style`: not none.
  file_view(environment& env, server::control& control, std::string title, std::string workflow_id, progress::style style);

  /// Shows what is new. Draws ten times a second at most. True: something had changed.
  bool tick(std::chrono::steady_clock::time_point now);
  /// Takes what is drawn away, so that something else can be printed.
  void clear();
  /// The execution has ended: shows its last state and leaves it there. `is_short`: its journal may be read once more for that.
  void end(execution_status how, bool is_short);
  /// Nobody waits any more: what was seen last stays.
  void leave();

 private:
  void take_looks();
  void show();

  environment& env_;
  const std::string title_;
  const progress::style style_;
  file_looks looks_;
  std::optional<followed_file> file_;
  screen screen_;
  change_lines changes_;
  std::chrono::steady_clock::time_point next_draw_{};
};

}  // namespace evermill::cli
