// What `run` shows on standard error while it waits: a few lines drawn again and again on a terminal, a line now and
// then elsewhere.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "cli/environment.hpp"
#include "evermill/engine.hpp"

namespace evermill::cli {

/// The state of one execution as its events tell it.
class execution_tally {
 public:
  /// Events that were seen before are left out, so a history and a live stream may overlap.
  void apply(const history_event& event);

  std::size_t activities_done = 0;
  std::size_t activities_failed = 0;
  std::set<std::uint64_t> open_activities;
  std::set<std::uint64_t> open_timers;
  std::set<std::uint64_t> open_steps;
  std::set<std::uint64_t> open_children;
  std::deque<std::string> last_events;  // newest last
  std::uint64_t last_seq = 0;

  /// Nothing is under way that could go on by itself.
  bool waits_for_signal() const {
    return last_seq > 0 && open_activities.empty() && open_timers.empty() && open_steps.empty() && open_children.empty();
  }
};

class progress {
 public:
  enum class style { none, plain, terminal };
  using instant = std::chrono::steady_clock::time_point;

  /// `signal_command` is what to type to send a signal.
  progress(environment& env, style style, std::string title, std::string signal_command, instant now);
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  style kind() const noexcept { return style_; }
  void apply(const history_event& event) { tally_.apply(event); }
  void set_retrying(std::size_t count) { retrying_ = count; }
  /// Draws when it is time to.
  void tick(instant now);
  /// Takes the lines away, so that what is printed next stands alone.
  void clear();

 private:
  std::string counts() const;
  void draw(instant now);
  void print_plain(instant now);

  environment& env_;
  const style style_;
  const std::string title_;
  const std::string signal_command_;
  const instant started_;
  execution_tally tally_;
  std::size_t retrying_ = 0;
  std::size_t lines_drawn_ = 0;
  instant next_draw_;
  instant quiet_since_;
  std::uint64_t seen_seq_ = 0;
  std::uint64_t printed_seq_ = 0;
  bool hinted_ = false;
};

}  // namespace evermill::cli
