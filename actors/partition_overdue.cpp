// Runs whose code does not come back from a turn: set aside like those that are blocked, with what they were given parked,
// so that everybody else goes on. Where the code comes back after all, its turns count as if nothing had been.
#include <algorithm>
#include <set>
#include <utility>

#include "actors/partition.hpp"
#include "base/check.hpp"

namespace evermill::actors {

void partition::on_overdue(run_number number, std::uint64_t generation, std::uint64_t work) {
  const auto it = runs_.find(number);
  if (failed_ || it == runs_.end()) return;
  run& r = *it->second;
  const bool deciding = r.is == run::state::live;
  if (r.generation != generation || work <= r.works_reported || (!deciding && r.is != run::state::loading)) return;
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options_.turn_timeout);
  r.overdue = true;
  r.was_loading = !deciding;
  r.is = run::state::blocked;
  park_given(r);
  if (failed_) return;
  block(r, messages::Blocked::TURN_TIMEOUT, deciding ? r.last.next() : event_seq(),
        "its code has not come back from a turn for " + std::to_string(limit.count()) +
            " ms: it blocks or spins, where it may only wait by co_await; `terminate` ends it, `taint` tries it anew");
}

/// What its instance has and has not reported becomes durable, and whoever sent it is answered. An update stays with the
/// code, which alone can say whether it is accepted.
void partition::park_given(run& r) {
  std::size_t place = 0;
  for (const auto& work : r.given) {
    for (const instance_work::decision& decision : work->decisions) {
      EVERMILL_CHECK(place < r.in_flight.size(), "every decision that was given is in flight");
      origin& from = r.in_flight[place++];
      if (from.parked_index || decision.event.has_workflow_execution_update_accepted()) continue;
      if (r.last.value == 0 && decision.event.has_workflow_execution_started()) {
        set_deadline(r, decision.event.workflow_execution_started());
        r.open.apply(start_seq, start_seq, {}, decision.event);
      }
      park(r, messages::Event(decision.event), from);
      if (failed_) return;
      from = origin{.parked_index = r.next_parked - 1};
      ++r.parked_left;
    }
  }
}

/// All that was parked is durable, and the instance has reported.
void partition::come_back(run& r) {
  r.overdue = false;
  r.is = r.was_loading ? run::state::loading : run::state::live;
  if (!r.was_loading) {
    unblock(r);
    auto rows = storage::scan_parked(store_, options_.id, r.number);
    if (!rows) return corrupt(rows.error());
    std::set<std::uint64_t> known;
    for (const origin& each : r.in_flight) {
      if (each.parked_index) known.insert(*each.parked_index);
    }
    r.parked_left = rows->size();
    for (auto& [index, parked] : *rows) {
      if (!known.contains(index)) give(r, std::move(*parked.mutable_event()), origin{.parked_index = index});
    }
    if (rows->empty()) r.has_inbox = false;
  }
  const run_number number = r.number;
  const std::uint64_t generation = r.generation;
  for (instance_report& late : std::exchange(r.late_reports, {})) {
    const auto it = runs_.find(number);
    if (failed_ || it == runs_.end() || it->second->generation != generation) return;
    handle_report(*it->second, std::move(late));
  }
}

/// Nobody waits for its code any more: it is tried anew, with what is parked.
void partition::give_up(run& r) {
  r.overdue = false;
  r.late_reports.clear();
  r.replay.reset();
  r.given.clear();
  for (const origin& each : std::exchange(r.in_flight, {})) {
    if (each.parked_index) continue;
    refuse(each, r.workflow_id, answer::outcome::blocked, why_no_turns(r));
  }
  take_down(r);
}

/// Its code has come back and said that it can't decide now. What it was given waits until it is tried anew.
void partition::set_aside(run& r, std::shared_ptr<instance_work> work, const instance_report& report) {
  auto& decisions = work->decisions;
  decisions.erase(decisions.begin(), decisions.begin() + static_cast<std::ptrdiff_t>(report.turns.size()));
  for (instance_query& query : work->queries) r.waiting_queries.push_back(std::move(query));
  auto later = std::move(r.given);
  r.given.clear();
  r.given.push_back(std::move(work));
  for (const auto& each : later) {
    r.waiting_queries.insert(r.waiting_queries.end(), each->queries.begin(), each->queries.end());
    r.given.push_back(each);
  }
  r.is = run::state::blocked;
  park_given(r);
  if (failed_) return;
  r.parked_left = 0;
  using blocked = messages::Blocked;
  const bool has_come = report.set_aside_as == blocked::UNSERVED && has_remote_code(r);  // meanwhile: nobody would tell of it again
  if (report.set_aside_as == blocked::NONE || has_come) return load_anew(r);
  block(r, report.set_aside_as, report.difference->at, report.difference->message);
  give_up(r);
}

}  // namespace evermill::actors
