#include "cluster_life.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/verification.hpp"
#include "storage/rows.hpp"
#include "tests/simulation/durable_journal.hpp"
#include "tests/simulation/model.hpp"

namespace evermill::cluster_simulation {
namespace {

using simulation::request;
using outcome = actors::answer::outcome;

constexpr std::size_t process_count = 3;
constexpr std::uint64_t happenings_with_faults = 6'000;
constexpr std::uint64_t happenings_between_settlements = 4'000;
constexpr int settlements = 120;
constexpr std::uint64_t happenings_until_quiet = 20'000;
constexpr std::uint64_t happenings_until_owned = 60'000;

std::string name_of(const std::pair<std::uint16_t, std::uint64_t>& id, const journal_of_run& journal) {
  return "run " + std::to_string(id.second) + " of " + journal.workflow_id + " (partition " + std::to_string(id.first) + ")";
}

std::string text_of(const journal_of_run& journal) {
  std::string text;
  std::uint64_t seq = 1;
  for (const messages::TurnRecord& turn : journal.turns) {
    for (const messages::Event& e : turn.events()) {
      text.append("\n  ").append(std::to_string(seq++)).append(&e == &turn.events(0) ? " * " : "   ");
      text.append(e.ShortDebugString().substr(0, 160));
    }
  }
  return text;
}

}  // namespace

cluster_life::cluster_life(std::uint64_t seed, bool print) : world_(seed, print), silent_(process_count) {
  simulation::hooks() = {};
  for (std::size_t i = 0; i < process_count; ++i) {
    const auto answered = [this](std::uint64_t token, const actors::answer& what) { on_answer(token, what); };
    processes_.push_back(std::make_unique<simulated_process>(world_, std::string(1, static_cast<char>('a' + i)), answered));
  }
  plan_requests();
}

cluster_life::~cluster_life() {
  for (const auto& each : processes_) each->kill();
}

void cluster_life::plan_requests() {
  const std::uint64_t executions = 1 + below(6);
  const auto text = [this](std::string_view of) { return std::string(of).append(std::to_string(world_.next_text++)); };
  const auto add = [this](request&& what) {
    asked_[++last_token_] = {std::move(what), 0, false, false};
    to_send_.push_back(last_token_);
  };
  const simulation::chooser choose = [this](std::uint64_t bound) { return below(bound); };
  for (std::uint64_t i = 0; i < executions; ++i) {
    const std::string id = "w" + std::to_string(i);
    add({request::kind::start, id, {}, nlohmann::json(simulation::generate_program(choose)).dump()});
    for (std::uint64_t n = below(8); n > 0; --n) add({request::kind::signal, id, chance(50) ? "x" : "y", text("\"s") + "\""});
    if (chance(20)) add({request::kind::cancel, id, {}, text("cancel")});
    if (chance(10)) add({request::kind::terminate, id, {}, text("terminate")});
  }
}

// --- happenings

void cluster_life::run() {
  for (const auto& each : processes_) {
    if (chance(80)) start(*each);
  }
  for (std::uint64_t n = 0; n < happenings_with_faults && !wrong(); ++n) act();
  calm_down();
  if (!wrong()) check_everything();
}

void cluster_life::start(simulated_process& which) {
  // What was sent before is with a process that is not there any more: nobody will answer.
  which.start();
}

void cluster_life::act() {
  if (!world_.calm && chance(1)) inject_fault();
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (++silent_[i] % 400 != 0) continue;
    processes_[i]->acts() ? processes_[i]->readmit() : processes_[i]->expel();
  }
  const std::uint64_t which = below(100);
  if (which < 4 && !to_send_.empty()) {
    send_next();
  } else if (which < 10) {
    deliver_late();
  } else if (which == 10 && !world_.calm) {
    report_a_lost_attempt();
  } else if (which < 14 || !run_somebody()) {
    advance_clock();
  }
  world_.truth->read();
  if (!world_.truth->problem().empty()) world_.record.finding(world_.truth->problem());
}

bool cluster_life::run_somebody() {
  const std::size_t first = below(processes_.size());
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (processes_[(first + i) % processes_.size()]->step()) return true;
  }
  return false;
}

void cluster_life::report_a_lost_attempt() {
  simulated_process& by = *processes_[below(processes_.size())];
  if (world_.lost.empty() || !by.acts()) return;
  world_.record.count("fault: report of a lost attempt");
  const std::size_t which = below(world_.lost.size());
  by.report(world_.lost[which]);
  world_.lost.erase(world_.lost.begin() + static_cast<std::ptrdiff_t>(which));
}

void cluster_life::advance_clock() {
  const timestamp soon = world_.time.now() + std::chrono::microseconds(1 + below(200'000));
  const auto alarm = world_.time.next_alarm();
  world_.time.advance_to(alarm && chance(60) ? std::max(*alarm, world_.time.now()) : soon);
}

void cluster_life::deliver_late() {
  simulated_process& whose = *processes_[below(processes_.size())];
  auto& earlier = whose.earlier_connections();
  cluster::late_broker* from = whose.alive() ? &whose.connection() : nullptr;
  if (!earlier.empty() && (from == nullptr || chance(40))) from = earlier[below(earlier.size())].get();
  if (from == nullptr) return;
  const bool dead = from->is_cut();
  switch (world_.calm ? 9 : below(10)) {
    case 0:
      if (from->deliver_without_answer()) world_.record.count("fault: an answer is lost");
      break;
    case 1:
      if (from->drop()) world_.record.count("fault: an append is lost");
      break;
    default:
      if (from->deliver()) world_.record.count(dead ? "fault: an append of a dead process comes" : "a late append comes");
  }
}

void cluster_life::inject_fault() {
  const std::size_t i = below(processes_.size());
  simulated_process& which = *processes_[i];
  silent_[i] = 0;
  if (!which.alive()) return start(which);
  if (which.paused()) {
    world_.record.count("fault: a process wakes up");
    return which.pause(false);
  }
  switch (below(8)) {
    case 0: case 1:
      world_.record.count("fault: killed");
      which.kill();
      if (chance(40)) {
        world_.record.count("fault: unsynced data lost");
        which.lose_writes();
      } else if (chance(30)) {
        world_.record.count("fault: a store is lost");
        which.lose_store();
      }
      break;
    case 2:
      world_.record.count("fault: a process sleeps");
      which.pause(true);
      break;
    case 3:
      world_.record.count("fault: not heard of");
      which.expel();  // and does not know
      break;
    case 4:
      if (which.connection().holds() || which.connection().refuses_readers()) break;
      world_.record.count("clean stop");
      which.leave();
      which.kill();
      break;
    case 5:
      world_.record.count("fault: the broker is away for readers");
      which.connection().refuse_readers(!which.connection().refuses_readers());
      break;
    default:
      world_.record.count("fault: slow connection");
      which.connection().hold(chance(60));
  }
}

// --- requests

void cluster_life::send_next() {
  std::vector<std::size_t> able;
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (processes_[i]->acts()) able.push_back(i);
  }
  if (able.empty()) return;
  // Most in their order; a start that comes late is no reason to forget what came before.
  const std::size_t which = chance(70) ? 0 : below(to_send_.size());
  const std::uint64_t token = to_send_[which];
  to_send_.erase(to_send_.begin() + static_cast<std::ptrdiff_t>(which));
  asked_[token].of = able[below(able.size())];
  send(token);
}

void cluster_life::send(std::uint64_t token) {
  asked& each = asked_[token];
  world_.record.trace("request " + std::to_string(token) + " to " + processes_[each.of]->label());
  auto event = std::make_shared<messages::DecisionEvent>(simulation::event_of(each.what));
  if (each.what.what == request::kind::signal) event->set_request_id("r/" + each.what.text);  // it may be asked for again
  event->set_reply_token(token);
  processes_[each.of]->publish(actors::partition_of(each.what.workflow_id, static_cast<std::uint16_t>(world_.partitions)),
                               std::move(event));
}

void cluster_life::on_answer(std::uint64_t token, const actors::answer& what) {
  asked& each = asked_[token];
  world_.record.trace("answer " + std::to_string(token) + " " + std::to_string(static_cast<int>(what.what)) + " " + what.message);
  if (each.answered) return;
  if (what.what == outcome::unavailable) {
    world_.record.count("unavailable");
    to_send_.push_back(token);
    return;
  }
  // An early signal finds nobody; later it would.
  if (what.what == outcome::not_found && !world_.calm && chance(50)) {
    to_send_.push_back(token);
    return;
  }
  each.answered = true;
  each.accepted = what.what == outcome::accepted;
  if (!each.accepted) return;
  world_.record.count("accepted");
  if (each.what.what == request::kind::taint) return;
  world_.truth->read();
  const partition_id at = actors::partition_of(each.what.workflow_id, static_cast<std::uint16_t>(world_.partitions));
  if (!world_.truth->has_text(at, each.what.text)) {
    world_.record.finding("request " + std::to_string(token) + " for " + each.what.workflow_id + " (" + each.what.text.substr(0, 40) +
                          ") was acknowledged, and is not in the log");
  }
}

// --- the end

void cluster_life::calm_down() {
  if (wrong()) return;
  world_.calm = true;
  for (const auto& each : processes_) {
    if (!each->alive()) start(*each);
    each->pause(false);
    each->connection().refuse_readers(false);
    each->connection().hold(false);
    for (auto* from : {&each->connection()}) {
      while (from->deliver()) {
      }
    }
    for (const auto& from : each->earlier_connections()) {
      while (from->deliver()) {
      }
    }
    each->readmit();
  }
  for (int round = 0; round < settlements && !wrong(); ++round) {
    for (std::uint64_t n = 0; n < happenings_between_settlements && !wrong(); ++n) {
      act();
      if (n % 500 == 0 && at_rest()) break;
    }
    if (at_rest()) break;
    settle();
  }
  if (!wrong() && !at_rest()) {
    for (const auto& [id, journal] : world_.truth->journals()) {
      if (!journal.ended()) world_.record.finding("does not end: " + name_of(id, journal) + text_of(journal));
    }
    for (const auto& [token, each] : asked_) {
      if (!each.answered) world_.record.finding("request " + std::to_string(token) + " for " + each.what.workflow_id + " has no answer");
    }
  }
  // Messages between executions are acknowledged; and whoever has lost a partition learns of it.
  for (std::uint64_t n = 0; (n < happenings_until_quiet || (n < happenings_until_owned && !all_owned_once())) && !wrong(); ++n) act();
}

bool cluster_life::all_owned_once() const {
  for (std::uint32_t n = 0; n < world_.partitions; ++n) {
    const partition_id id(static_cast<std::uint16_t>(n));
    if (std::count_if(processes_.begin(), processes_.end(), [&](const auto& each) { return each->owns(id); }) != 1) return false;
  }
  return true;
}

bool cluster_life::at_rest() {
  if (std::any_of(asked_.begin(), asked_.end(), [](const auto& entry) { return !entry.second.answered; })) return false;
  const auto journals = world_.truth->journals();
  return std::all_of(journals.begin(), journals.end(), [](const auto& entry) { return entry.second.ended(); });
}

/// What nobody will answer is asked again, and what waits gets what it waits for.
void cluster_life::settle() {
  world_.record.count("settlement");
  for (auto& [token, each] : asked_) {
    const bool waits = std::find(to_send_.begin(), to_send_.end(), token) != to_send_.end();
    if (!each.answered && !waits) to_send_.push_back(token);
  }
  for (const auto& [id, journal] : world_.truth->journals()) {
    if (journal.ended()) continue;
    const simulation::prediction p = simulation::predict(journal.workflow_id, id.second, journal.turns);
    if (!p.mismatch.empty()) return world_.record.finding(name_of(id, journal) + ": " + p.mismatch + text_of(journal));
    for (const std::string& signal : p.awaited_signals) {
      const std::string text = "\"late" + std::to_string(world_.next_text++) + "\"";
      asked_[++last_token_] = {{request::kind::signal, journal.workflow_id, signal, text}, 0, false, false};
      to_send_.push_back(last_token_);
    }
  }
}

void cluster_life::check_everything() {
  check_journals();
  check_acknowledged();
  check_attempts();
  check_stores();
  const auto found = [this](const verify_problem& problem) {
    world_.record.finding("verify: " + problem.workflow_id + " " + problem.row + ": " + problem.what);
  };
  verification::verify_store(world_.truth->store(), found);
}

void cluster_life::check_journals() {
  for (const auto& [id, journal] : world_.truth->journals()) {
    world_.record.count("run");
    const simulation::prediction p = simulation::predict(journal.workflow_id, id.second, journal.turns);
    if (!p.mismatch.empty()) world_.record.finding(name_of(id, journal) + ": " + p.mismatch + text_of(journal));
  }
}

/// What was acknowledged is in a journal, and nothing is there twice.
void cluster_life::check_acknowledged() {
  std::map<std::string, int> signals, starts;
  for (const auto& [id, journal] : world_.truth->journals()) {
    for (const messages::TurnRecord& turn : journal.turns) {
      for (const messages::Event& e : turn.events()) {
        if (e.has_workflow_execution_signaled()) ++signals[e.workflow_execution_signaled().input().data()];
      }
    }
    const auto& first = journal.turns.front().events(0).workflow_execution_started();
    if (first.continued_from_run_number() == 0) ++starts[journal.workflow_id];
  }
  for (const auto& [text, count] : signals) {
    if (count > 1) world_.record.finding("signal " + text + " is in journals " + std::to_string(count) + " times");
  }
  for (const auto& [id, count] : starts) {
    if (count > 1) world_.record.finding(id + " was started " + std::to_string(count) + " times");
  }
  for (const auto& [token, each] : asked_) {
    if (!each.accepted) continue;
    const bool is_start = each.what.what == request::kind::start;
    if (is_start && starts[each.what.workflow_id] != 1) world_.record.finding("the start of " + each.what.workflow_id + " is lost");
    if (each.what.what == request::kind::signal && signals[each.what.text] != 1) {
      world_.record.finding("signal " + each.what.text + " for " + each.what.workflow_id + " is lost");
    }
  }
}

/// What closes an activity is what the attempt that counts has reported.
void cluster_life::check_attempts() {
  for (const auto& [id, journal] : world_.truth->journals()) {
    for (const messages::TurnRecord& turn : journal.turns) {
      for (const messages::Event& e : turn.events()) {
        const simulation::attempt_end end = simulation::attempt_end_of(e);
        if (end.seq == 0 || !e.has_activity_task_completed()) continue;
        const tasks::dispatch_id attempt{id.first, id.second, end.seq, end.attempt.number, end.attempt.boot};
        const std::string told = "completed " + e.activity_task_completed().result().data();
        world_.record.count("activity completed");
        if (!world_.reported.contains({attempt, told})) {
          world_.record.finding(name_of(id, journal) + " has a result that attempt " + tasks::to_string(attempt) + " did not report");
        }
      }
    }
  }
}

void cluster_life::check_stores() {
  for (std::uint32_t n = 0; n < world_.partitions; ++n) {
    const partition_id id(static_cast<std::uint16_t>(n));
    const std::string rows = auditor::rows_of(world_.truth->store(), id);
    std::size_t owners = 0;
    for (const auto& each : processes_) {
      if (!each->owns(id)) continue;
      ++owners;
      if (auditor::rows_of(each->store(), id) != rows) {
        world_.record.finding("the store of " + each->label() + " is not what the log of partition " + std::to_string(n) + " says");
      }
    }
    if (owners != 1) world_.record.finding(std::to_string(owners) + " processes run partition " + std::to_string(n));
  }
}

}  // namespace evermill::cluster_simulation
