// What must hold in every journal, whatever workflow it is of: it starts, has no gap, goes forward in time, each end names
// something that is open, and nothing follows the execution's own end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "actors/run.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "messages/journal.pb.h"

namespace evermill {

/// One run's journal, turn by turn. Holds what is open, not what was read.
class journal_check {
 public:
  using finding = std::function<void(event_seq at, const std::string& what)>;

  /// `found` is called for each thing that is wrong. `through`: keep what is open after that event, see `open_at`.
  explicit journal_check(finding found, event_seq through = {}) : found_(std::move(found)), through_(through) {}

  void add(event_seq first, const messages::TurnRecord& turn);

  event_seq last() const noexcept { return last_; }
  timestamp time() const noexcept { return time_; }
  /// Nothing where the first event is missing or another one.
  const std::optional<messages::WorkflowExecutionStarted>& started() const noexcept { return started_; }
  /// The event that ended the run; nothing while it is open.
  const std::optional<messages::Event>& end() const noexcept { return end_; }
  event_seq closing_turn() const noexcept { return closing_turn_; }
  const actors::open_commands& open() const noexcept { return open_; }
  /// What was open after `through`; nothing where no turn ends there.
  const std::optional<actors::open_commands>& open_at() const noexcept { return open_at_; }
  /// Did nothing miss? Only then `open` is what the run really waits for.
  bool whole() const noexcept { return whole_; }
  /// The highest boot number in a dispatch id.
  std::uint64_t highest_boot() const noexcept { return highest_boot_; }

 private:
  void check_place(const messages::Event& event, event_seq seq, int index, int count);
  void check_reference(const messages::Event& event, event_seq seq);

  finding found_;
  const event_seq through_;
  event_seq last_;
  timestamp time_{};
  bool whole_ = true;
  std::uint64_t highest_boot_ = 0;
  std::optional<messages::WorkflowExecutionStarted> started_;
  std::optional<messages::Event> end_;
  event_seq closing_turn_;
  actors::open_commands open_;
  std::optional<actors::open_commands> open_at_;
};

/// What a command or an end refers to.
struct event_reference {
  enum class kind { activity, timer, child, step, human_task, lock };
  kind what;
  std::uint64_t seq;
};
/// Nothing where the event refers to none.
std::optional<event_reference> reference_of(const messages::Event& event);

}  // namespace evermill
