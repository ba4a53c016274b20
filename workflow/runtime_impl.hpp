// The state behind one context: open commands, buffered signals, coroutines that can go on.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/fifo.hpp"
#include "base/ids.hpp"
#include "evermill/registry.hpp"
#include "evermill/runtime.hpp"
#include "messages/journal.pb.h"
#include "workflow/decider.hpp"

namespace evermill::detail {

class runtime {
 public:
  runtime(const workflow_definition& definition, run_number run) : definition_(definition), run_(run) {}

  // What the context asks for.
  cell_ref schedule_activity(std::string_view name, const activity_options& options, payload&& input);
  cell_ref start_child(std::string_view type, const child_options& options, payload&& input);
  cell_ref start_timer(std::chrono::microseconds delay);
  cell_ref wait_signal(std::string_view name);
  cell_ref wait_signal(std::string_view name, std::chrono::microseconds timeout);
  cell_ref schedule_step(std::string_view name, std::function<payload()> run);
  cell_ref wait_until(std::function<bool()> holds);
  cell_ref create_human_task(const human_task_spec& spec, payload&& question);
  cell_ref request_lock(std::string_view name, std::uint32_t permits);
  void release_lock(std::uint64_t requested);
  void drop_lock(cell& c);
  /// What the keeper of a lock (lock_keeper.hpp) asks for.
  void assign_lock(const std::string& workflow_id, std::uint64_t run, std::uint64_t requested);
  void send_signal(std::string_view workflow_id, std::string_view name, payload&& input, std::string_view start_type,
                   payload&& start_input);
  void continue_as_new(payload&& input);
  void cancel(cell& c);
  bool patched(std::string_view id);

  cell_ref spawn(task<void> part);
  void end_part(cell& c, std::exception_ptr error);

  std::uint32_t new_scope(std::uint32_t parent, bool shielded);
  void cancel_scope(std::uint32_t scope, std::string_view reason);
  bool scope_canceled(std::uint32_t scope) const noexcept;

  std::uint64_t add_query_handler(std::string_view name, std::function<payload(const payload&)> answer);
  std::uint64_t add_update_handler(std::string_view name, update_functions functions);
  void remove_handler(std::uint64_t id) noexcept;

  void make_ready(std::coroutine_handle<> coroutine) { ready_.push_back(coroutine); }
  std::uint64_t random();

  // What the decider does.
  /// Does the event concern anything that is open?
  bool concerns(const messages::Event& decision) const;
  /// Handles the event and appends the commands it leads to. `record` holds the decision event already.
  /// `decision` may be the record's first event.
  void handle(const messages::Event& decision, messages::TurnRecord& record, timestamp time);

  /// Throws what is wrong with the question, and what its handler throws.
  payload query(std::string_view name, const payload& input);
  /// Throws why the update is refused.
  void validate(const messages::WorkflowExecutionUpdateAccepted& update);

  const workflow_definition& definition_;
  const run_number run_;
  std::uint32_t scope_ = 0;  // that was entered last
  std::uint32_t label_ = 0;  // the same; 0: none
  std::string refused_;      // why this turn can't be decided; "": it can
  std::uint32_t label_of(std::string_view text);
  const messages::TurnRecord* journaled_ = nullptr;  // the turn that is replayed
  std::string workflow_id_;
  std::string run_id_;
  timestamp now_{};
  event_seq last_;
  std::uint64_t random_state_ = 0;
  bool replaying_ = false;
  bool cancel_requested_ = false;
  bool closed_ = false;
  std::map<std::uint64_t, std::function<payload()>> steps_;       // asked for, without a marker
  std::vector<std::uint64_t> new_steps_;                          // asked for in this turn
  std::map<std::string, std::deque<payload>, std::less<>> unread_;  // signals, by name
  std::vector<workflow::log_line> log_lines_;                      // written in this turn
  std::vector<messages::WorkflowExecutionSignaled> unread_in_order() const;
  std::vector<messages::WorkflowExecutionUpdateAccepted> unfinished_updates_;  // when the run continues as new

 private:
  using cell_map = std::unordered_map<std::uint64_t, cell_ref>;

  /// What a decision event closes: the command of that event number.
  struct closing {
    cell::kind what;
    std::uint64_t seq;
  };
  static std::optional<closing> closed_by(const messages::Event& decision);

  messages::Event& add_command();
  template <class Command>
  void set_label(Command& command) const {
    if (label_ != 0) command.set_label(labels_[label_]);
  }
  void check_may_ask() const;
  bool interrupted_by(std::uint32_t scope, std::uint32_t canceled) const noexcept;
  std::vector<cell_ref> pending() const;
  bool settle_conditions();
  void on_update(const messages::WorkflowExecutionUpdateAccepted& accepted);
  void begin_update(const messages::WorkflowExecutionUpdateAccepted& accepted);
  void complete_updates();
  void end_updates();
  void end_update(const std::string& id, root& done);
  cell_ref open(cell::kind what, std::uint64_t seq, std::string_view name);
  void settle(cell& c);
  void settle_value(cell& c, std::optional<payload> value);
  template <class Error>
  void settle_error(cell& c, const Error& error);
  template <class Completed>
  void complete(std::uint64_t seq, const Completed& event);
  void fail_activity(std::uint64_t seq, const messages::Failure& why);
  void fail_child(std::uint64_t seq, failure why);
  cell_ref take(std::uint64_t seq);
  cell_ref take_wait(const std::string& signal);
  void on_started(const messages::WorkflowExecutionStarted& started);
  void on_signal(const messages::WorkflowExecutionSignaled& signaled);
  void on_timer(std::uint64_t seq);
  void on_marker(const messages::MarkerRecorded& marker);
  void on_answer(const messages::HumanTaskCompleted& completed);
  void on_lock(std::uint64_t requested);
  void on_cancel(const std::string& reason);
  void interrupt();
  void apply(const messages::Event& decision);
  void run_ready();
  void finish();
  void close_open_commands();
  void cancel_command(cell& c);
  void cancel_activity(cell& c);

  messages::TurnRecord* record_ = nullptr;
  std::string cancel_reason_;
  cell_map open_;
  std::vector<cell_ref> signal_waits_;
  std::map<std::uint64_t, cell_ref> timed_waits_;  // by their timer
  std::vector<std::pair<cell_ref, std::function<bool()>>> conditions_;
  fifo<std::pair<std::string, std::uint64_t>> signal_order_;
  /// Canceled children and steps whose end is still to come: journaled then, and otherwise ignored.
  std::unordered_map<std::uint64_t, cell::kind> ignored_ends_;
  std::map<std::uint64_t, std::string> locks_;  // held or waited for: ids, by request
  messages::Event ignored_;
  bool carried_cancel_ = false;  // from the run before; not delivered yet
  bool continued_ = false;
  std::uint64_t signals_seen_ = 0;
  std::uint64_t settled_ = 0;
  fifo<std::coroutine_handle<>> ready_;
  std::map<std::string, bool, std::less<>> patches_;
  struct scope {
    std::uint32_t parent = 0;
    bool shielded = false;
    bool canceled = false;
  };
  std::vector<scope> scopes_{scope{}};  // the first is the execution
  std::vector<std::string> labels_{{}};  // by number
  std::map<std::string, std::uint32_t, std::less<>> label_numbers_;
  template <class Function>
  struct named_handler {
    std::uint64_t id = 0;
    Function function;
  };
  std::map<std::string, named_handler<std::function<payload(const payload&)>>, std::less<>> query_handlers_;
  std::map<std::string, named_handler<update_functions>, std::less<>> update_handlers_;
  std::uint64_t last_handler_ = 0;
  bool only_looking_ = false;  // a query or a validation runs
  std::vector<messages::WorkflowExecutionUpdateAccepted> carried_updates_;  // from the run before; not begun yet
  std::unique_ptr<root> root_;  // its frames hold cells
  struct open_update {
    messages::WorkflowExecutionUpdateAccepted accepted;
    std::unique_ptr<root> doing;
  };
  std::vector<open_update> open_updates_;  // they may use what the workflow has
  std::vector<std::unique_ptr<root>> parts_;  // the same
};

}  // namespace evermill::detail
