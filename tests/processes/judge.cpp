#include "judge.hpp"

#include <algorithm>
#include <stdexcept>

#include "actors/node.hpp"
#include "tests/simulation/model.hpp"

namespace evermill::processes {
namespace {

using simulation::prediction;

std::string token(request::kind what, const std::string& workflow_id, const std::string& text) {
  return std::to_string(static_cast<int>(what)) + ' ' + workflow_id + ' ' + text;
}

std::string key_of(const run_id& id, std::uint64_t scheduled) {
  return std::to_string(id.partition) + '.' + std::to_string(id.run) + '.' + std::to_string(scheduled);
}

std::string dispatch_of(const std::string& key, const messages::Attempt& attempt) {
  return key + '.' + std::to_string(attempt.number()) + '.' + std::to_string(attempt.dispatch_boot());
}

/// The numbers of "2.17.4.1.9": partition, run, scheduled event, attempt, boot.
std::vector<std::uint64_t> numbers_of(const std::string& dispatch_id) {
  std::vector<std::uint64_t> numbers;
  for (std::size_t at = 0; at < dispatch_id.size(); ++at) {
    std::size_t used = 0;
    numbers.push_back(std::stoull(dispatch_id.substr(at), &used));
    at += used;
  }
  if (numbers.size() != 5) throw std::runtime_error("\"" + dispatch_id + "\" is no dispatch id");
  return numbers;
}

bool same_turn(const messages::TurnRecord& a, const messages::TurnRecord& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

bool is_program(const journal& of) { return of.start().workflow_type() == simulation::workflow_type; }

/// The command line cancels once more where it can't know whether that has arrived: it does no harm.
bool may_come_twice(const request& what) { return what.by_command && what.what == request::kind::cancel; }

prediction predict(const run_id& id, const journal& of) {
  return simulation::predict(of.start().workflow_id(), id.run, of.turns);
}

}  // namespace

void judge::look(bool dead, const std::vector<request>& acknowledged) {
  ++looks_;
  std::set<run_id> moved;
  // The journals first: whatever they say that an activity did must be in the effects by then.
  journals_.read([&](const run_id& id, const journal& of) {
    moved.insert(id);
    on_turn(id, of);
  });
  for (const run_id& id : moved) {
    last_turn_at_[id] = looks_;
    const journal& of = *journals_.find(id);
    if (const auto parent = parent_of(of)) last_turn_at_[*parent] = looks_;  // which has something to wait for until now
    if (!is_program(of)) continue;
    const prediction p = predict(id, of);
    if (!p.mismatch.empty()) finding(name_of(id, of) + " is not what its program does: " + p.mismatch + text_of(of));
  }
  for (const effect& what : read_effects(file_, offset_)) on_effect(what);
  for (const auto& [dispatch_id, value] : ended_attempts_) {
    if (!dispatched_.contains(dispatch_id)) {
      finding("the journal has an end of attempt " + dispatch_id + ", which had no effect");
    }
    if (value != value_of(dispatch_id)) finding("the journal has another result than attempt " + dispatch_id + " gave");
  }
  ended_attempts_.clear();
  for (const std::int64_t value : recorded_steps_) {
    if (step_values_[value] != 1) {
      finding("a step's journaled result " + std::to_string(value) + " is of no run of its function");
    }
  }
  recorded_steps_.clear();
  for (const std::string& key : touched_) check_activity(activities_[key]);
  touched_.clear();
  if (dead) {
    for (auto& [key, each] : activities_) {
      if (each.completed && each.completed_before == 0) each.completed_before = looks_;
    }
  }
  check_acknowledged(acknowledged);
}

void judge::on_turn(const run_id& id, const journal& of) {
  const messages::TurnRecord& turn = of.turns.back();
  events_ += static_cast<std::uint64_t>(turn.events_size());
  const messages::Event& decision = turn.events(0);
  count_request(decision, of);
  if (turn.events_size() > 1 && turn.events(1).has_workflow_execution_terminated()) count_request(turn.events(1), of);
  if (decision.has_marker_recorded()) on_marker(id, decision.marker_recorded());
  on_activity_end(id, decision);
}

void judge::count_request(const messages::Event& decision, const journal& of) {
  const std::string& id = of.start().workflow_id();
  if (decision.has_workflow_execution_started()) {
    const auto& started = decision.workflow_execution_started();
    if (started.continued_from_run_number() == 0) ++requests_[token(request::kind::start, id, started.input().data())];
  } else if (decision.has_workflow_execution_signaled()) {
    ++requests_[token(request::kind::signal, id, decision.workflow_execution_signaled().input().data())];
  } else if (decision.has_workflow_execution_cancel_requested()) {
    ++requests_[token(request::kind::cancel, id, decision.workflow_execution_cancel_requested().reason())];
  } else if (decision.has_workflow_execution_terminated()) {
    ++requests_[token(request::kind::terminate, id, decision.workflow_execution_terminated().reason())];
  }
}

void judge::on_activity_end(const run_id& id, const messages::Event& decision) {
  if (decision.has_activity_task_completed()) {
    const auto& completed = decision.activity_task_completed();
    const std::string key = key_of(id, completed.scheduled_seq());
    activity& its = activities_[key];
    if (its.completed) finding("activity " + key + " has two results");
    its.completed = true;
    its.attempt = completed.attempt().number();
    its.boot = completed.attempt().dispatch_boot();
    touched_.insert(key);
    ended_attempts_.emplace_back(dispatch_of(key, completed.attempt()), std::stoll(completed.result().data()));
  } else if (decision.has_activity_task_failed() && decision.activity_task_failed().failure().type() == "Refused") {
    const auto& failed = decision.activity_task_failed();
    const std::string id_of_attempt = dispatch_of(key_of(id, failed.scheduled_seq()), failed.attempt());
    if (failed.failure().message() != id_of_attempt) {
      finding("the failure of attempt " + id_of_attempt + " is another's");
    }
    ended_attempts_.emplace_back(id_of_attempt, value_of(id_of_attempt));
  }
}

void judge::on_marker(const run_id&, const messages::MarkerRecorded& marker) {
  recorded_steps_.push_back(std::stoll(marker.has_failure() ? marker.failure().message() : marker.result().data()));
}

void judge::on_effect(const effect& what) {
  if (what.kind == "step") {
    ++step_values_[what.value];
    return;
  }
  if (!dispatched_.insert(what.id).second) finding("attempt " + what.id + " had its effect twice");
  const std::vector<std::uint64_t> numbers = numbers_of(what.id);
  const run_id run{static_cast<std::uint16_t>(numbers[0]), numbers[1]};
  const std::string key = key_of(run, numbers[2]);
  activity& its = activities_[key];
  its.run = run;
  its.scheduled = numbers[2];
  if (its.completed_before != 0) {
    finding("activity " + key + " ran again (attempt " + what.id + ") though its result was durable");
  }
  its.effects.push_back(what);
  touched_.insert(key);
}

/// No attempt is later than the one that completed the activity.
void judge::check_activity(const activity& of) {
  for (const effect& each : of.effects) {
    const std::vector<std::uint64_t> numbers = numbers_of(each.id);
    if (of.completed && (numbers[3] > of.attempt || numbers[4] > of.boot)) {
      finding("attempt " + each.id + " is later than the one that completed its activity");
    }
  }
}

void judge::check_acknowledged(const std::vector<request>& requests) {
  for (const request& each : requests) {
    if (each.what == request::kind::taint) continue;
    ++acknowledged_;
    const std::uint64_t times = requests_[token(each.what, each.workflow_id, each.text)];
    if (times == 0 || (times > 1 && !may_come_twice(each))) {
      finding("an acknowledged request (kind " + std::to_string(static_cast<int>(each.what)) + ", " + each.workflow_id +
              ", " + each.name + " " + each.text.substr(0, 80) + ") is " + std::to_string(times) +
                  " times in the journals");
    }
  }
}

void judge::conclude(const std::vector<request>& sent) {
  for (const request& each : sent) {
    const std::uint64_t times = requests_[token(each.what, each.workflow_id, each.text)];
    if (times <= 1 || may_come_twice(each)) continue;
    finding("a request to " + each.workflow_id + ", " + each.text.substr(0, 80) + ", was handled twice");
  }
  for (const auto& [key, its] : activities_) {
    if (its.effects.empty()) continue;
    const journal* const of = journals_.find(its.run);
    const messages::Event* const asked = of != nullptr ? of->event(its.scheduled) : nullptr;
    if (asked == nullptr || !asked->has_activity_task_scheduled()) {
      finding("activity " + key + " had an effect and was never asked for");
    }
  }
  std::map<std::string, std::uint64_t> roots;
  for (const auto& [id, of] : journals_.all()) {
    if (!is_program(of)) continue;
    if (of.start().continued_from_run_number() == 0 && ++roots[of.start().workflow_id()] > 1) {
      finding("there is a second " + of.start().workflow_id());
    }
    if (!of.ended || predict(id, of).is == prediction::fate::open) {
      finding(name_of(id, of) + " has not ended" + text_of(of));
    }
    check_parent(id, of);
    check_continuation(id, of);
  }
  check_that_nothing_changed();
}

/// What was read between the kills is still there, to the letter.
void judge::check_that_nothing_changed() {
  journals again(journals_.directory());
  again.read([](const run_id&, const journal&) {});
  for (const auto& [id, of] : journals_.all()) {
    const journal* const now = again.find(id);
    const bool same = now != nullptr && now->turns.size() == of.turns.size() &&
                      std::equal(of.turns.begin(), of.turns.end(), now->turns.begin(), same_turn);
    if (!same) finding(name_of(id, of) + " has changed after it was durable");
  }
}

/// Each child belongs to the event of its parent that asked for it, and its parent was told the end that it had.
void judge::check_parent(const run_id& id, const journal& of) {
  if (!of.start().has_parent()) return;
  const auto& named = of.start().parent();
  const run_id parent_id{actors::partition_of(named.workflow_id(), journals_.partitions()).value, named.run_number()};
  const journal* const parent = journals_.find(parent_id);
  const messages::Event* const asked = parent != nullptr ? parent->event(named.initiated_seq()) : nullptr;
  if (asked == nullptr || !asked->has_start_child_workflow_execution_initiated()) {
    return finding(name_of(id, of) + " has no parent that asked for it");
  }
  if (!of.last_event().has_workflow_execution_completed()) return;
  for (const messages::TurnRecord& turn : parent->turns) {
    const auto& told = turn.events(0).child_workflow_execution_completed();
    if (told.initiated_seq() != named.initiated_seq()) continue;
    if (told.result().data() != of.last_event().workflow_execution_completed().result().data()) {
      finding(name_of(id, of) + ": its parent was told another result");
    }
  }
}

/// The next run is there, and has the signals that the one before had not read.
void judge::check_continuation(const run_id& id, const journal& of) {
  if (!of.last_event().has_workflow_execution_continued_as_new()) return;
  const auto& end = of.last_event().workflow_execution_continued_as_new();
  const journal* const next = journals_.find({id.partition, end.new_run_number()});
  if (next == nullptr || next->start().run_id() != end.new_run_id() ||
      next->start().continued_from_run_number() != id.run || next->start().input().data() != end.input().data()) {
    return finding("no run continues " + name_of(id, of));
  }
  std::vector<std::string> carried, unread;
  for (const auto& signal : next->start().carried_signals()) carried.push_back(signal.input().data());
  for (const auto& signal : predict(id, of).unread) unread.push_back(signal.input().data());
  if (carried != unread) finding(name_of(id, of) + " carried other signals on than it had not read");
}

std::vector<run_id> judge::open() const {
  std::vector<run_id> found;
  for (const auto& [id, of] : journals_.all()) {
    if (!of.ended && is_program(of)) found.push_back(id);
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> judge::awaited_signals() const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const run_id& id : open()) {
    const journal& of = *journals_.find(id);
    for (const std::string& name : predict(id, of).awaited_signals) found.emplace_back(of.start().workflow_id(), name);
  }
  return found;
}

std::optional<run_id> judge::parent_of(const journal& of) const {
  if (!of.start().has_parent()) return std::nullopt;
  const messages::ParentExecution& parent = of.start().parent();
  return run_id{actors::partition_of(parent.workflow_id(), journals_.partitions()).value, parent.run_number()};
}

std::set<run_id> judge::parents_of_open_runs() const {
  std::set<run_id> found;
  for (const run_id& id : open()) {
    if (const auto parent = parent_of(*journals_.find(id))) found.insert(*parent);
  }
  return found;
}

std::vector<run_id> judge::standing_still(std::uint64_t since_look) const {
  std::vector<run_id> found;
  const std::set<run_id> parents = parents_of_open_runs();
  for (const run_id& id : open()) {
    if (last_turn_at_.at(id) > since_look || parents.contains(id)) continue;
    if (predict(id, *journals_.find(id)).awaited_signals.empty()) found.push_back(id);
  }
  return found;
}

judge::figures judge::counted() const {
  figures sum;
  sum.events = events_;
  sum.acknowledged = acknowledged_;
  sum.steps = step_values_.size();
  for (const auto& [key, its] : activities_) {
    sum.effects += its.effects.size();
    ++sum.activities;
    if (its.effects.size() > 1) ++sum.repeated_effects;
  }
  return sum;
}

}  // namespace evermill::processes
