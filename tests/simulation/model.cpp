#include "model.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <utility>

namespace evermill::simulation {
namespace {

using E = messages::Event;

struct still_open {};
struct terminated {};
struct timed_out {};
struct was_canceled {};
struct planned_failure {
  std::string id;
};
struct mismatched {
  std::string why;
};

struct cell {
  enum class kind : std::uint8_t { call, sleep, wait, child, step };
  kind what = kind::call;
  std::uint64_t seq = 0;  // of its command; 0: a wait without a limit
  std::string name;
  std::int64_t fire_at_us = 0;  // of a timer
  enum class state : std::uint8_t { pending, value, failure, canceled } is = state::pending;
  std::string text;  // the value, or the failure's type
  bool has_value = false;
  std::uint64_t order = 0;  // of settling
  bool held = true;
};
using cell_ptr = std::shared_ptr<cell>;

std::string event_name(const E& e) {
  return e.GetDescriptor()->FindFieldByNumber(static_cast<int>(e.event_case()))->name();
}

class walker {
 public:
  walker(std::string workflow_id, std::uint64_t run, const std::vector<messages::TurnRecord>& turns)
      : workflow_id_(std::move(workflow_id)), run_(run), turns_(turns) {}

  prediction go() {
    prediction p;
    try {
      begin(p);
    } catch (const still_open&) {
      for (const cell_ptr& c : waits_) {
        if (c->seq == 0 && c->held) p.awaited_signals.push_back(c->name);
      }
    } catch (const terminated&) {
      p.is = prediction::fate::terminated;
    } catch (const timed_out&) {
      p.is = prediction::fate::timed_out;
    } catch (const mismatched& m) {
      p.mismatch = "turn " + std::to_string(turn_ + 1) + " (event " + std::to_string(seq_) + "): " + m.why;
    }
    p.cancel_requested = cancel_requested_;
    return p;
  }

 private:
  // --- the journal

  const E& command(E::EventCase wanted) {
    const auto& events = turns_[turn_].events();
    if (event_ >= events.size()) throw mismatched{"a command is missing, number " + std::to_string(wanted)};
    const E& e = events[event_];
    if (e.event_case() != wanted) {
      throw mismatched{event_name(e) + " where command number " + std::to_string(wanted) + " was expected"};
    }
    ++event_;
    ++seq_;
    return e;
  }

  static void expect(bool right, const std::string& why) {
    if (!right) throw mismatched{why};
  }

  /// The program waits: the next turn must follow.
  void next_turn() {
    if (std::exchange(carried_cancel_, false)) return interrupt();
    const auto& events = turns_[turn_].events();
    if (event_ < events.size()) throw mismatched{event_name(events[event_]) + " is one command too many"};
    if (turn_ + 1 == turns_.size()) throw still_open{};
    expect(turns_[turn_ + 1].time_us() >= turns_[turn_].time_us(), "time went back");
    ++turn_;
    event_ = 1;
    ++seq_;
    decide(turns_[turn_].events(0));
  }

  // --- decision events

  cell_ptr take(cell::kind what, std::uint64_t seq) {
    const auto found = open_.find(seq);
    if (found != open_.end() && found->second->what == what) {
      cell_ptr c = found->second;
      open_.erase(found);
      return c;
    }
    if ((what == cell::kind::child || what == cell::kind::step) && ignored_.erase(seq) > 0) return nullptr;
    throw mismatched{"an end of event " + std::to_string(seq) + ", which is not open"};
  }

  void settle(const cell_ptr& c, cell::state how, std::string text, bool has_value = true) {
    if (!c) return;
    c->is = how;
    c->text = std::move(text);
    c->has_value = has_value;
    c->order = ++settled_;
  }

  static std::string plain(const messages::Payload& p) {
    const auto value = nlohmann::json::parse(p.data());
    return value.is_string() ? value.get<std::string>() : value.dump();
  }

  template <class Completed>
  void complete(cell::kind what, std::uint64_t seq, const Completed& c) {
    settle(take(what, seq), cell::state::value, plain(c.result()));
  }
  void fail(cell::kind what, std::uint64_t seq, const std::string& type) {
    settle(take(what, seq), cell::state::failure, type);
  }

  void decide(const E& e) {
    using k = cell::kind;
    switch (e.event_case()) {
      case E::kWorkflowExecutionSignaled: return on_signal(e.workflow_execution_signaled());
      case E::kWorkflowExecutionCancelRequested:
        if (!std::exchange(cancel_requested_, true)) interrupt();
        return;
      case E::kWorkflowExecutionTerminated: throw terminated{};
      case E::kWorkflowExecutionTimedOut: return time_out(e.workflow_execution_timed_out());
      case E::kActivityTaskCompleted:
        return complete(k::call, e.activity_task_completed().scheduled_seq(), e.activity_task_completed());
      case E::kActivityTaskFailed:
        return fail(k::call, e.activity_task_failed().scheduled_seq(), e.activity_task_failed().failure().type());
      case E::kActivityTaskTimedOut:
        return fail(k::call, e.activity_task_timed_out().scheduled_seq(),
                    e.activity_task_timed_out().failure().type());
      case E::kActivityTaskCanceled: return fail(k::call, e.activity_task_canceled().scheduled_seq(), "Canceled");
      case E::kTimerFired: return on_timer(e.timer_fired().started_seq());
      case E::kMarkerRecorded: {
        const auto& m = e.marker_recorded();
        if (m.has_failure()) return fail(k::step, m.scheduled_seq(), m.failure().type());
        return complete(k::step, m.scheduled_seq(), m);
      }
      default: return decide_child(e);
    }
  }

  /// No earlier than the run's deadline.
  void time_out(const messages::WorkflowExecutionTimedOut&) {
    const std::int64_t deadline = turns_[0].events(0).workflow_execution_started().run_deadline_us();
    expect(deadline > 0, "it had no deadline");
    expect(turns_[turn_].time_us() >= deadline, "its deadline has not come");
    throw timed_out{};
  }

  void decide_child(const E& e) {
    using k = cell::kind;
    switch (e.event_case()) {
      case E::kChildWorkflowExecutionCompleted:
        return complete(k::child, e.child_workflow_execution_completed().initiated_seq(),
                        e.child_workflow_execution_completed());
      case E::kChildWorkflowExecutionFailed:
        return fail(k::child, e.child_workflow_execution_failed().initiated_seq(),
                    e.child_workflow_execution_failed().failure().type());
      case E::kChildWorkflowExecutionCanceled:
        return fail(k::child, e.child_workflow_execution_canceled().initiated_seq(), "Canceled");
      case E::kChildWorkflowExecutionTerminated:
        return fail(k::child, e.child_workflow_execution_terminated().initiated_seq(), "Terminated");
      case E::kChildWorkflowExecutionTimedOut:
        return fail(k::child, e.child_workflow_execution_timed_out().initiated_seq(), "TimedOut");
      case E::kStartChildWorkflowExecutionFailed:
        return fail(k::child, e.start_child_workflow_execution_failed().initiated_seq(),
                    e.start_child_workflow_execution_failed().failure().type());
      default: throw mismatched{event_name(e) + " is no decision event"};
    }
  }

  void on_signal(const messages::WorkflowExecutionSignaled& signal) {
    while (true) {
      const auto wait = std::find_if(waits_.begin(), waits_.end(),
                                     [&](const cell_ptr& c) { return c->name == signal.signal_name(); });
      if (wait == waits_.end()) return unread_.push_back(signal);
      const cell_ptr c = *wait;
      waits_.erase(wait);
      if (c->seq != 0) cancel_timer(c->seq);
      if (c->held) return settle(c, cell::state::value, plain(signal.input()));
    }
  }

  void cancel_timer(std::uint64_t seq) {
    open_.erase(seq);
    expect(command(E::kTimerCanceled).timer_canceled().started_seq() == seq, "another timer is canceled");
  }

  void on_timer(std::uint64_t seq) {
    const auto found = open_.find(seq);
    expect(found != open_.end(), "timer " + std::to_string(seq) + " is not open");
    const cell_ptr c = found->second;
    expect(c->what == cell::kind::sleep || c->what == cell::kind::wait, "what ends is no timer");
    expect(turns_[turn_].time_us() >= c->fire_at_us, "the timer fires before its time");
    open_.erase(found);
    std::erase(waits_, c);
    settle(c, cell::state::value, "", false);
  }

  void interrupt() {
    std::vector<cell_ptr> pending;
    for (const auto& [seq, c] : open_) pending.push_back(c);
    for (const cell_ptr& c : waits_) {
      if (c->seq == 0) pending.push_back(c);
    }
    for (const cell_ptr& c : pending) cancel(c);
  }

  // --- what the program does

  void cancel(const cell_ptr& c) {
    if (c->is != cell::state::pending) return;
    cancel_command(c);
    open_.erase(c->seq);
    if (c->what == cell::kind::step || c->what == cell::kind::child) ignored_.emplace(c->seq, c->what);
    std::erase(waits_, c);
    settle(c, cell::state::canceled, "");
  }

  void cancel_command(const cell_ptr& c) {
    switch (c->what) {
      case cell::kind::call:
        return expect(command(E::kActivityTaskCancelRequested).activity_task_cancel_requested().scheduled_seq() == c->seq,
                      "another activity is canceled");
      case cell::kind::child:
        return expect(command(E::kRequestCancelChildWorkflowExecutionInitiated)
                              .request_cancel_child_workflow_execution_initiated()
                              .initiated_seq() == c->seq,
                      "another child is canceled");
      case cell::kind::sleep: return cancel_timer(c->seq);
      case cell::kind::wait:
        if (c->seq != 0) cancel_timer(c->seq);
        return;
      case cell::kind::step: return;
    }
  }

  cell_ptr open(cell::kind what, std::string name) {
    auto c = std::make_shared<cell>();
    c->what = what;
    c->seq = seq_;
    c->name = std::move(name);
    open_.emplace(c->seq, c);
    return c;
  }

  std::int64_t start_timer(std::int64_t micros) {
    const std::int64_t fire_at = command(E::kTimerStarted).timer_started().fire_at_us();
    expect(fire_at == turns_[turn_].time_us() + micros, "the timer is for another time");
    return fire_at;
  }

  cell_ptr start_wait(const node& n) {
    auto c = std::make_shared<cell>();
    c->what = cell::kind::wait;
    c->name = n.name;
    const auto first = std::find_if(unread_.begin(), unread_.end(),
                                    [&](const auto& signal) { return signal.signal_name() == n.name; });
    if (first != unread_.end()) {
      settle(c, cell::state::value, plain(first->input()));
      unread_.erase(first);
      return c;
    }
    if (n.micros > 0) {
      c->fire_at_us = start_timer(n.micros);
      c->seq = seq_;
      open_.emplace(c->seq, c);
    }
    waits_.push_back(c);
    return c;
  }

  cell_ptr start_leaf(const node& n) {
    if (n.op == "call") {
      const auto& scheduled = command(E::kActivityTaskScheduled).activity_task_scheduled();
      expect(scheduled.input().data() == std::to_string(n.id), "another activity is scheduled");
      expect(scheduled.options().start_to_close_us() == n.micros, "the activity has another limit");
      expect(scheduled.options().schedule_to_close_us() == schedule_to_close_us(n.id),
             "the activity has another schedule-to-close");
      expect(scheduled.options().retry().max_attempts() == n.attempts, "the activity has another retry policy");
      return open(cell::kind::call, {});
    }
    if (n.op == "step") {
      command(E::kStepScheduled);
      return open(cell::kind::step, {});
    }
    if (n.op == "sleep") {
      const std::int64_t fire_at = start_timer(n.micros);
      cell_ptr c = open(cell::kind::sleep, {});
      c->fire_at_us = fire_at;
      return c;
    }
    if (n.op == "wait") return start_wait(n);
    const auto& initiated =
        command(E::kStartChildWorkflowExecutionInitiated).start_child_workflow_execution_initiated();
    const std::string own = workflow_id_ + "/" + std::to_string(run_) + "." + std::to_string(seq_);
    expect(initiated.workflow_id() == (n.name.empty() ? own : n.name), "the child has another id");
    expect(initiated.parent_close_policy() == n.policy, "the child has another parent-close policy");
    expect(initiated.run_timeout_us() == n.micros, "the child has another run timeout");
    return open(cell::kind::child, {});
  }

  void await(const cell_ptr& c, const node& n) {
    while (c->is == cell::state::pending) next_turn();
    c->held = false;
    const char tag = n.op == "step" ? 'm' : n.op == "sleep" ? 't' : n.op.front();
    if (c->is == cell::state::canceled) throw was_canceled{};
    if (c->is == cell::state::failure) {
      out_ += seen_failure(tag, n.id, c->text);
    } else {
      const bool expired = c->what == cell::kind::wait && !c->has_value;
      out_ += seen(tag, n.id, c->what == cell::kind::child ? digest(c->text) : expired ? "-" : c->text);
    }
  }

  void run(const node& n) {
    if (n.op == "seq" || n.op == "repeat") {
      for (std::int64_t round = 0; round < (n.op == "repeat" ? n.micros : 1); ++round) {
        for (const node& part : n.parts) run(part);
        if (out_.size() > long_text) out_ = digest(out_) + ";";
      }
    } else if (n.op == "all" || n.op == "race") {
      std::vector<cell_ptr> cells;
      for (const node& part : n.parts) cells.push_back(start_leaf(part));
      try {
        n.op == "all" ? run_all(n, cells) : run_race(n, cells);
      } catch (const was_canceled&) {
        for (const cell_ptr& c : cells) c->held = false;
        throw;
      }
      for (const cell_ptr& c : cells) c->held = false;
    } else if (n.op == "fail") {
      throw planned_failure{std::to_string(n.id)};
    } else {
      await(start_leaf(n), n);
    }
  }

  void run_all(const node& n, const std::vector<cell_ptr>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) await(cells[i], n.parts[i]);
  }

  void run_race(const node& n, const std::vector<cell_ptr>& cells) {
    const auto first = [&] {
      std::size_t best = cells.size();
      for (std::size_t i = 0; i < cells.size(); ++i) {
        if (cells[i]->is == cell::state::pending) continue;
        if (best == cells.size() || cells[i]->order < cells[best]->order) best = i;
      }
      return best;
    };
    while (first() == cells.size()) next_turn();
    const std::size_t winner = first();
    out_ += seen('r', n.id, std::to_string(winner));
    for (std::size_t i = 0; n.flag && i < cells.size(); ++i) {
      if (i != winner) cancel(cells[i]);
    }
    await(cells[winner], n.parts[winner]);
  }

  // --- beginning and end

  void begin(prediction& p) {
    expect(!turns_.empty() && turns_[0].events(0).has_workflow_execution_started(), "it does not begin with its start");
    const auto& started = turns_[0].events(0).workflow_execution_started();
    seq_ = 1;
    event_ = 1;
    // Terminated before any code was there to start it.
    if (turns_.size() == 1 && turns_[0].events_size() == 2) {
      if (turns_[0].events(1).has_workflow_execution_terminated()) throw terminated{};
      if (turns_[0].events(1).has_workflow_execution_timed_out()) throw timed_out{};
    }
    for (const auto& signal : started.carried_signals()) unread_.push_back(signal);
    cancel_requested_ = carried_cancel_ = started.cancel_requested();
    const program what = nlohmann::json::parse(started.input().data()).get<program>();
    out_ = what.so_far;
    bool canceled = false;
    try {
      try {
        run(what.body);
      } catch (const was_canceled&) {
        canceled = true;
      }
      finish(p, what, canceled);
    } catch (const planned_failure& failure) {
      close_open_commands();
      const auto& end = command(E::kWorkflowExecutionFailed).workflow_execution_failed();
      expect(end.failure().type() == "Planned" && end.failure().message() == failure.id, "it failed for another reason");
      p.is = prediction::fate::failed;
    }
    expect(event_ == turns_[turn_].events_size() && turn_ + 1 == turns_.size(), "the journal goes on after the end");
  }

  void finish(prediction& p, const program& what, bool canceled) {
    if (canceled && what.on_cancel > 0) {
      node cleanup;
      cleanup.op = "call";
      cleanup.id = cleanup_id;
      run(cleanup);
    }
    if (canceled) out_ += "canceled;";
    close_open_commands();
    if (canceled && what.on_cancel < 2) {
      command(E::kWorkflowExecutionCanceled);
      p.is = prediction::fate::canceled;
    } else if (what.rounds > 0) {
      program next = what;
      --next.rounds;
      next.so_far = digest(out_) + ";";
      const auto& end = command(E::kWorkflowExecutionContinuedAsNew).workflow_execution_continued_as_new();
      expect(end.input().data() == nlohmann::json(next).dump(), "the next run has another input");
      p.unread.assign(unread_.begin(), unread_.end());
      p.is = prediction::fate::continued;
    } else {
      const auto& end = command(E::kWorkflowExecutionCompleted).workflow_execution_completed();
      expect(plain(end.result()) == out_, "the result is " + plain(end.result()) + ", not " + out_);
      p.is = prediction::fate::completed;
    }
  }

  void close_open_commands() {
    for (const auto& [seq, c] : std::map(open_)) {
      if (c->what != cell::kind::child && c->what != cell::kind::step) cancel_command(c);
    }
  }

  const std::string workflow_id_;
  const std::uint64_t run_;
  const std::vector<messages::TurnRecord>& turns_;
  std::size_t turn_ = 0;
  int event_ = 1;          // the next one of the turn
  std::uint64_t seq_ = 0;  // of the last event seen
  std::map<std::uint64_t, cell_ptr> open_;
  std::vector<cell_ptr> waits_;
  std::deque<messages::WorkflowExecutionSignaled> unread_;
  std::map<std::uint64_t, cell::kind> ignored_;
  bool cancel_requested_ = false;
  bool carried_cancel_ = false;
  std::uint64_t settled_ = 0;
  std::string out_;
};

}  // namespace

prediction predict(const std::string& workflow_id, std::uint64_t run, const std::vector<messages::TurnRecord>& turns) {
  return walker(workflow_id, run, turns).go();
}

}  // namespace evermill::simulation
