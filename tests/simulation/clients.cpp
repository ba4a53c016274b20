#include "clients.hpp"

#include <algorithm>
#include <utility>

#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::simulation {
namespace {

using outcome = actors::answer::outcome;

std::string name_of(const request& r) {
  constexpr const char* kinds[] = {"start", "signal", "cancel", "terminate", "taint"};
  return std::string(kinds[static_cast<int>(r.what)]) + " of " + r.workflow_id;
}

bool is_request(const messages::Event& e, const request& r) {
  switch (r.what) {
    case request::kind::start:
      return e.has_workflow_execution_started() && e.workflow_execution_started().continued_from_run_number() == 0 &&
             e.workflow_execution_started().input().data() == r.text;
    case request::kind::signal: return e.workflow_execution_signaled().input().data() == r.text;
    case request::kind::cancel: return e.workflow_execution_cancel_requested().reason() == r.text;
    case request::kind::terminate: return e.workflow_execution_terminated().reason() == r.text;
    case request::kind::taint: return false;
  }
  return false;
}

}  // namespace

messages::DecisionEvent event_of(const request& r) {
  messages::DecisionEvent event;
  event.set_workflow_id(r.workflow_id);
  switch (r.what) {
    case request::kind::start: {
      auto& started = *event.mutable_event()->mutable_workflow_execution_started();
      started.set_workflow_type(std::string(workflow_type));
      started.mutable_input()->set_data(r.text);
      break;
    }
    case request::kind::signal: {
      auto& signaled = *event.mutable_event()->mutable_workflow_execution_signaled();
      signaled.set_signal_name(r.name);
      signaled.mutable_input()->set_data(r.text);
      break;
    }
    case request::kind::cancel:
      event.mutable_event()->mutable_workflow_execution_cancel_requested()->set_reason(r.text);
      break;
    case request::kind::terminate: event.mutable_terminate()->set_reason(r.text); break;
    case request::kind::taint: event.mutable_taint(); break;
  }
  return event;
}

void clients::send(queue::decision_queue& queue, const request& what) {
  const std::uint64_t token = ++last_token_;
  asked_[token] = {what, is_there(what.workflow_id)};
  record_.trace("request " + std::to_string(token) + ": " + name_of(what) + " " + what.text);
  auto event = std::make_shared<messages::DecisionEvent>(event_of(what));
  event->set_reply_token(token);
  queue.publish(actors::partition_of(what.workflow_id, partitions_), std::move(event));
}

void clients::forget_unanswered() {
  for (auto& [token, each] : asked_) each.answered = true;
}

/// Where the request is in what is durable: in a journal, or parked for a run that takes no turns.
std::vector<clients::place> clients::places_of(const request& what) const {
  std::vector<place> found;
  for (const auto& [id, journal] : store_.journals()) {
    if (journal.workflow_id != what.workflow_id) continue;
    for (const messages::TurnRecord& turn : journal.turns) {
      for (const messages::Event& e : turn.events()) {
        if (is_request(e, what)) found.push_back({"run " + std::to_string(id.run), false});
      }
    }
  }
  for (auto rows = store_.durable_rows().scan(storage::family::inbox, "", ""); rows->valid(); rows->next()) {
    messages::DecisionEvent parked;
    if (!storage::parse_message(storage::family::inbox, rows->key(), rows->value(), "parked", parked)) continue;
    if (parked.workflow_id() == what.workflow_id && is_request(parked.event(), what)) {
      found.push_back({"inbox of run " + std::to_string(parked.run_number()), true});
    }
  }
  return found;
}

void clients::on_answer(std::uint64_t token, actors::answer&& told) {
  if (!alive_) return;
  const auto found = asked_.find(token);
  if (found == asked_.end()) return record_.finding("an answer to nobody");
  entry& each = found->second;
  record_.trace("answer " + std::to_string(token) + ": " + std::to_string(static_cast<int>(told.what)) +
                (told.existed ? " existed" : ""));
  if (each.answered) return record_.finding("a second answer to the " + name_of(each.asked));
  each.answered = true;
  each.accepted = told.what == outcome::accepted && !told.existed;
  if (told.what == outcome::accepted) {
    check_accepted(each.asked, told);
  } else {
    check_refused(each, told);
  }
}

void clients::check_accepted(const request& what, const actors::answer& told) {
  if (what.what == request::kind::taint) return;
  record_.count(told.existed ? "answer: existed" : "answer: accepted");
  const std::vector<place> places = places_of(what);
  if (!places.empty() && places.front().parked) record_.count("request parked");
  if (places.empty()) record_.finding("the " + name_of(what) + " was acknowledged, but is not durable");
}

void clients::check_refused(const entry& each, const actors::answer& told) {
  const request& what = each.asked;
  if (told.what == outcome::not_found) {
    record_.count("answer: not found");
    if (each.was_there) record_.finding("the " + name_of(what) + " did not find it");
  } else if (told.what == outcome::closed) {
    record_.count("answer: closed");
    const bool ended = std::any_of(store_.journals().begin(), store_.journals().end(), [&](const auto& entry) {
      return entry.second.workflow_id == what.workflow_id && entry.second.ended;
    });
    if (!ended) record_.finding("the " + name_of(what) + " was told of an end that is not durable");
  } else if (told.what == outcome::already_exists) {
    record_.count("answer: already exists");
    if (!is_there(what.workflow_id)) {
      record_.finding("the " + name_of(what) + " was told of an execution that is not durable");
    }
  } else {
    record_.finding("the " + name_of(what) + " was refused: " + told.message);
  }
}

bool clients::is_there(const std::string& workflow_id) const {
  const auto header = storage::find_header(store_.durable_rows(), actors::partition_of(workflow_id, partitions_), workflow_id);
  return header && *header;
}

void clients::on_ended(actors::ended_execution&& what) {
  if (!alive_) return;
  record_.trace("ended " + what.workflow_id);
  const bool durable = std::any_of(store_.journals().begin(), store_.journals().end(), [&](const auto& entry) {
    return entry.second.workflow_id == what.workflow_id && entry.second.ended &&
           entry.second.last_event().SerializeAsString() == what.end.SerializeAsString();
  });
  if (!durable) record_.finding("the end of " + what.workflow_id + " was told before it was durable");
}

void clients::on_turn(actors::durable_turn&& what) {
  if (!alive_) return;
  record_.count("turn followed");
  const bool durable = std::any_of(store_.journals().begin(), store_.journals().end(), [&](const auto& entry) {
    const messages::Event* first = entry.second.event(what.first.value);
    return entry.second.workflow_id == what.workflow_id && first != nullptr &&
           first->SerializeAsString() == what.record.events(0).SerializeAsString();
  });
  if (!durable) record_.finding("a turn of " + what.workflow_id + " was told before it was durable");
}

void clients::on_update_ended(actors::ended_update&& what) {
  record_.finding("the end of an update that nobody asked for: " + what.update_id + " of " + what.workflow_id);
}

void clients::on_failed(partition_id, const std::string& message) {
  if (!alive_) return;
  record_.trace("the store failed");
  if (message.empty()) record_.finding("a failure without a message");
  store_failed_ = true;
}

void clients::check_all_answered() {
  for (const auto& [token, each] : asked_) {
    if (!each.answered) record_.finding("nobody answered the " + name_of(each.asked) + ", request " + std::to_string(token));
  }
}

void clients::check_acknowledged() {
  for (const auto& [token, each] : asked_) check_entry(each);
}

void clients::check_entry(const entry& each) {
  if (each.asked.what == request::kind::taint) return;
  const std::vector<place> places = places_of(each.asked);
  // The same start may be asked for several times; it happens once.
  if (places.size() > 1) {
    record_.finding("the " + name_of(each.asked) + " is there twice: " + places[0].where + ", " + places[1].where);
  }
  if (!each.accepted || !places.empty()) return;
  // What was parked for a run that ended before it could read it is gone with the run, but follows a run that continues.
  const run_id* parked = store_.last_parked_for(event_of(each.asked).event());
  const durable_journal* journal = parked != nullptr ? store_.journal(parked->partition, parked->run) : nullptr;
  const bool went_with_its_run =
      journal != nullptr && journal->ended && !journal->last_event().has_workflow_execution_continued_as_new();
  if (!went_with_its_run) record_.finding("the " + name_of(each.asked) + " was acknowledged and is lost");
}

}  // namespace evermill::simulation
