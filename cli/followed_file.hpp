// A workflow file that is being run, as it was last seen: its tasks as a tree, and what has become of each. Knows no terminal
// and no clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "dsl/chart.hpp"
#include "evermill/engine.hpp"

namespace evermill::cli {

enum class task_state : std::uint8_t { pending, running, waiting, retrying, completed, skipped, faulted, cancelled };

/// Is it being done?
constexpr bool is_open(task_state is) {
  return is == task_state::running || is == task_state::waiting || is == task_state::retrying;
}
/// Has it ended as it should?
constexpr bool is_done(task_state is) { return is == task_state::completed || is == task_state::skipped; }

struct followed_task {
  using time_point = std::chrono::sys_time<std::chrono::microseconds>;
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  std::string pointer;
  std::string name;
  std::string kind;
  std::string detail;         ///< as in drawings
  std::size_t parent = none;  ///< its place among all
  std::size_t end = 0;        ///< the place behind the last one within it
  std::size_t depth = 0;
  bool catches = false;       ///< done only where a `try` has failed

  task_state last = task_state::pending;  ///< when it was done last, which may have been in an earlier round
  std::uint64_t begun = 0;
  std::uint64_t part = 0;
  std::int64_t times = 0;
  std::int64_t attempt = 1;
  std::int64_t round = 0;
  std::int64_t rounds = 0;
  time_point since{};
  time_point until{};
  std::string error;

  std::vector<std::string> output;  ///< the last lines of its process
  std::uint32_t process = 1;        ///< an attempt that was lost is made again
};

class followed_file {
 public:
  using time_point = followed_task::time_point;

  /// `follows_schedule`: the execution starts others, and does none of the tasks itself.
  followed_file(std::string title, const dsl::definition& of, bool follows_schedule);

  /// What `query ID progress` has answered. A run that follows another one begins anew.
  void apply(const nlohmann::json& look);
  /// The last lines of processes, by the pointers of their tasks.
  void show_outputs(const std::map<std::string, running_output>& by_task);
  /// Of the execution: what is still open has ended with it.
  void end(execution_status how, time_point at);

  /// In the order of the file, parents before what is within them.
  const std::vector<followed_task>& tasks() const noexcept { return tasks_; }
  /// Now: what was done in an earlier round or attempt is still to be done in this one.
  task_state state_of(std::size_t place) const;

  std::uint64_t upto() const noexcept { return upto_; }  ///< what the next look asks for
  const std::string& title() const noexcept { return title_; }
  const std::string& phase() const noexcept { return phase_; }
  /// Of an execution that follows a schedule: "every 15 min"; "" for others.
  const std::string& schedule() const noexcept { return schedule_; }
  std::int64_t scheduled() const noexcept { return scheduled_; }  ///< executions that it has started
  time_point started() const noexcept { return started_; }
  time_point ended() const noexcept { return ended_; }  ///< epoch: it has not

 private:
  void add(const std::vector<dsl::chart_block>& blocks, std::size_t parent, bool catches);

  const std::string title_;
  std::vector<followed_task> tasks_;
  std::map<std::string, std::size_t> places_;  // by pointer
  std::uint64_t upto_ = 0;
  std::string phase_ = "pending";
  std::string schedule_;
  std::int64_t scheduled_ = 0;
  time_point started_{};
  time_point ended_{};
};

}  // namespace evermill::cli
