// What `run` shows on standard error while it waits: a few lines drawn again and again on a terminal, a line now and
// then elsewhere.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cli/environment.hpp"
#include "evermill/engine.hpp"

namespace evermill::cli {

/// The state of one execution and its children, theirs and so on, as their events tell it.
class family_tally {
 public:
  explicit family_tally(std::string root);

  /// Events that were seen before, and those of strangers, are left out: a history and a live stream may overlap.
  void apply(const std::string& workflow_id, const history_event& event);

  /// Who belongs to it, the root first, parents before their children.
  const std::vector<std::string>& members() const noexcept { return members_; }
  std::size_t activities_done() const noexcept { return activities_done_; }
  std::size_t activities_failed() const noexcept { return activities_failed_; }
  std::size_t open_activities() const;
  std::size_t open_timers() const;
  std::size_t open_children() const;
  const std::deque<std::string>& last_events() const noexcept { return last_events_; }  ///< newest last
  std::uint64_t events() const noexcept { return events_; }

  /// Nothing is being worked on: only a signal, or a timer, makes it go on.
  bool waits() const;

 private:
  struct execution {
    std::string run_id;
    std::uint64_t last_seq = 0;
    std::map<std::uint64_t, std::string> activities;  // open ones and their types, by the event that opened them
    std::set<std::uint64_t> timers;
    std::set<std::uint64_t> steps;
    std::set<std::uint64_t> children;
  };
  void add_member(const std::string& workflow_id);

  const std::string root_;
  std::vector<std::string> members_;
  std::map<std::string, execution> executions_;
  std::size_t activities_done_ = 0;
  std::size_t activities_failed_ = 0;
  std::deque<std::string> last_events_;
  std::uint64_t events_ = 0;
};

class progress {
 public:
  enum class style { none, plain, terminal };
  using instant = std::chrono::steady_clock::time_point;

  /// `signal_command` is what to type to send a signal.
  progress(environment& env, style style, const std::string& workflow_type, const std::string& workflow_id,
           std::string signal_command, instant now);
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  style kind() const noexcept { return style_; }
  void apply(const std::string& workflow_id, const history_event& event) { tally_.apply(workflow_id, event); }
  const std::vector<std::string>& members() const noexcept { return tally_.members(); }
  void set_retrying(std::size_t count) { retrying_ = count; }
  /// Draws when it is time to.
  void tick(instant now);
  /// Takes the lines away, so that what is printed next stands alone.
  void clear();

 private:
  std::string counts() const;
  std::string hint() const;
  void draw(instant now);
  void print_plain(instant now);

  environment& env_;
  const style style_;
  const std::string title_;
  const std::string signal_command_;
  const instant started_;
  family_tally tally_;
  std::size_t retrying_ = 0;
  std::size_t lines_drawn_ = 0;
  instant next_draw_;
  instant quiet_since_;
  std::uint64_t seen_events_ = 0;
  std::uint64_t printed_events_ = 0;
  bool hinted_ = false;
};

}  // namespace evermill::cli
