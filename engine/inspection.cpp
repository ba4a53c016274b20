#include "engine/inspection.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "actors/run.hpp"
#include "base/clock.hpp"
#include "base/namespaces.hpp"
#include "messages/history_json.hpp"
#include "engine/incarnation.hpp"
#include "plugins/task/task_backend.hpp"
#include "storage/executions.hpp"
#include "storage/journal.hpp"
#include "storage/rows.hpp"
#include "workflow/conversions.hpp"
#include "workflow/decider.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::inspection {
namespace {

std::string blocked_name(const messages::Blocked& blocked) {
  if (blocked.reason() == messages::Blocked::STUCK) return "stuck";
  if (blocked.reason() == messages::Blocked::TURN_TIMEOUT) return "turn_timeout";
  return blocked.reason() == messages::Blocked::UNSERVED ? "unserved" : "";
}

execution_description::open_activity describe_activity(tasks::dispatch_id current,
                                                       const messages::ActivityTaskScheduled& scheduled,
                                                       const messages::OpenActivity* row) {
  execution_description::open_activity about;
  about.scheduled_seq = current.scheduled_seq;
  about.activity_type = scheduled.activity_type();
  const std::string& queue = scheduled.options().task_queue();
  about.version = scheduled.options().version();
  about.task_queue = queue.empty() ? std::string(default_task_queue) : queue;
  if (row != nullptr) {
    current.attempt = row->attempt();
    current.boot = row->dispatch_boot();
    about.not_before = from_micros(row->not_before_us());
    if (row->has_last_failure()) about.last_failure = workflow::from_message(row->last_failure());
    if (row->has_heartbeat_details()) about.heartbeat_details = workflow::from_message(row->heartbeat_details());
    about.completed_elsewhere = row->asynchronous();
    about.cancel_requested = row->cancel_requested();
  }
  about.attempt = current.attempt;
  about.dispatched = current.boot != actors::never_dispatched;
  about.token = tasks::to_string(current);
  return about;
}

}  // namespace

messages::InstanceHeader existing_header(const storage::key_value_store& store, partition_id partition,
                                         std::string_view workflow_id) {
  if (auto found = must(storage::find_header(store, partition, workflow_id))) return std::move(*found);
  throw engine_error(engine_errc::not_found, "no execution has the workflow id \"" + std::string(namespaces::plain(workflow_id)) + "\"");
}

std::optional<messages::Event> find_end(const storage::key_value_store& store, partition_id partition,
                                        const messages::InstanceHeader& header) {
  if (header.status() == messages::RUNNING) return std::nullopt;
  auto turn = must(storage::read_turn(store, partition, run_number(header.run_number()),
                                      event_seq(header.closing_turn_seq())));
  return std::move(*turn.record.mutable_events(turn.record.events_size() - 1));
}

execution_description describe(const storage::key_value_store& store, partition_id partition,
                               std::string_view workflow_id) {
  const messages::InstanceHeader header = existing_header(store, partition, workflow_id);
  const run_number run(header.run_number());
  execution_description about;
  about.workflow_id = std::string(workflow_id);
  about.run_id = header.run_id();
  about.workflow_type = header.workflow_type();
  about.status = static_cast<execution_status>(header.status());
  about.blocked = blocked_name(header.blocked());
  about.blocked_message = header.blocked().message();
  about.blocked_at_event = header.blocked().event_seq();
  about.started_at = from_micros(header.started_us());
  about.closed_at = from_micros(header.closed_us());
  about.partition = partition.value;

  actors::open_commands open;
  std::map<event_seq, messages::ActivityTaskScheduled> scheduled;
  storage::journal_reader reader(store, partition, run);
  storage::stored_turn turn;
  while (must(reader.next(turn))) {
    std::uint64_t seq = turn.first.value;
    for (const messages::Event& event : turn.record.events()) {
      if (event.has_activity_task_scheduled()) scheduled[event_seq(seq)] = event.activity_task_scheduled();
      ++seq;
    }
    open.apply(turn);
    about.events = turn.last().value;
  }
  if (about.status != execution_status::running) return about;
  std::map<event_seq, messages::OpenActivity> rows;
  if (auto found = must(storage::find_open_work(store, partition, run))) {
    for (auto& [seq, row] : found->activities) rows.emplace(seq, std::move(row));
  }
  for (const auto& [seq, activity] : open.activities) {
    const auto row = rows.find(seq);
    about.activities.push_back(
        describe_activity({partition.value, run.value, seq.value, activity.attempt, activity.boot}, scheduled.at(seq),
                          row == rows.end() ? nullptr : &row->second));
  }
  for (const auto& [seq, fire_at] : open.timers) about.timers.push_back({seq.value, fire_at});
  return about;
}

listed_execution listed(std::string&& workflow_id, const messages::InstanceHeader& header) {
  return {std::move(workflow_id), header.run_id(), header.workflow_type(), static_cast<execution_status>(header.status()),
          blocked_name(header.blocked()), from_micros(header.started_us()), from_micros(header.closed_us()),
          from_micros(storage::execution_started_us(header))};
}

std::vector<listed_execution> list(const storage::key_value_store& store, partition_id partition,
                                   std::string_view after, std::size_t limit) {
  std::vector<listed_execution> found;
  std::string from(after);
  while (found.size() < limit) {
    const std::size_t wanted = limit - found.size();
    auto rows = must(storage::list_instances(store, partition, from, wanted));
    const bool more = rows.size() == wanted;
    if (more) from = rows.back().workflow_id;
    for (auto& row : rows) {
      if (workflow::locks::is_reserved(row.workflow_id)) {
        from = std::max(from, namespaces::beside(row.workflow_id, workflow::locks::reserved_prefix) + "\xff");  // after all of them
        continue;
      }
      found.push_back(listed(std::move(row.workflow_id), row.header));
    }
    if (!more) break;
  }
  return found;
}

namespace {

/// Walks the events of a run from `from` on, until `take(seq, time, event)` says false.
template <class Take>
void walk_events(const storage::key_value_store& store, partition_id partition, run_number run, std::uint64_t from, Take&& take) {
  storage::journal_reader reader(store, partition, run, must(storage::first_of_turn(store, partition, run, event_seq(from))));
  for (storage::stored_turn turn; must(reader.next(turn));) {
    const timestamp time = from_micros(turn.record.time_us());
    std::uint64_t seq = turn.first.value;
    for (const messages::Event& event : turn.record.events()) {
      if (seq >= from && !take(seq, time, event)) return;
      ++seq;
    }
  }
}

history_event shown(std::uint64_t seq, timestamp time, const messages::Event& event) {
  return {seq, event_type(event), time, event_json(seq, time, event)};
}

[[noreturn]] void throw_no_such_run(std::string_view workflow_id) {
  throw engine_error(engine_errc::not_found, "the execution \"" + std::string(namespaces::plain(workflow_id)) + "\" has no such run");
}

/// Of a run before the current one, from its first event.
std::string run_id_of(const storage::key_value_store& store, partition_id partition, std::string_view workflow_id,
                      run_number run) {
  storage::journal_reader reader(store, partition, run);
  storage::stored_turn turn;
  if (!must(reader.next(turn)) || !turn.record.events(0).has_workflow_execution_started()) throw_no_such_run(workflow_id);
  const messages::WorkflowExecutionStarted& started = turn.record.events(0).workflow_execution_started();
  if (started.workflow_id() != workflow_id) throw_no_such_run(workflow_id);
  return started.run_id();
}

}  // namespace

std::vector<history_event> history(const storage::key_value_store& store, partition_id partition,
                                   std::string_view workflow_id, std::uint64_t from_seq, std::size_t limit) {
  std::vector<history_event> events;
  const messages::InstanceHeader header = existing_header(store, partition, workflow_id);
  if (limit == 0) return events;
  walk_events(store, partition, run_number(header.run_number()), std::max<std::uint64_t>(from_seq, 1),
              [&](std::uint64_t seq, timestamp time, const messages::Event& event) {
                events.push_back(shown(seq, time, event));
                return events.size() < limit;
              });
  return events;
}

history_page read_history(const storage::key_value_store& store, partition_id partition, std::string_view workflow_id,
                          const history_request& wanted) {
  const messages::InstanceHeader header = existing_header(store, partition, workflow_id);
  const run_number run(wanted.run_number == 0 ? header.run_number() : wanted.run_number);
  history_page page;
  page.run_number = run.value;
  page.run_id = run.value == header.run_number() ? header.run_id() : run_id_of(store, partition, workflow_id, run);
  const std::uint64_t from = std::max<std::uint64_t>(wanted.from_seq, 1);
  std::size_t bytes = 0;
  // From the event before: it may be the one that ended the run.
  walk_events(store, partition, run, std::max<std::uint64_t>(from - 1, 1),
              [&](std::uint64_t seq, timestamp time, const messages::Event& event) {
                if (seq >= from) {
                  if (page.events.size() >= std::max<std::size_t>(wanted.limit, 1) || bytes >= wanted.max_bytes) return false;
                  bytes += page.events.emplace_back(shown(seq, time, event)).json.size();
                }
                page.ended = actors::is_end(event);
                if (event.has_workflow_execution_continued_as_new()) {
                  page.next_run = event.workflow_execution_continued_as_new().new_run_number();
                }
                return true;
              });
  return page;
}

payload query(const storage::key_value_store& store, const registry& definitions, partition_id partition,
              const actors::query_request& query) {
  const messages::InstanceHeader header = existing_header(store, partition, query.workflow_id);
  const workflow_definition* definition = definitions.find_workflow(header.workflow_type(), header.version());
  if (definition == nullptr) {
    throw engine_error(engine_errc::unknown_workflow, "the execution \"" + std::string(namespaces::plain(query.workflow_id)) + "\" is one of \"" +
                                                          header.workflow_type() + "\", which is not registered here; "
                                                          "one that a worker decides answers while it runs");
  }
  workflow::decider code(*definition, run_number(header.run_number()));
  storage::journal_reader reader(store, partition, run_number(header.run_number()));
  for (storage::stored_turn turn; must(reader.next(turn));) {
    const bool ended_without_code = actors::ends_without_code(turn.record.events(turn.record.events_size() - 1));
    if (ended_without_code) break;
    if (const auto difference = code.replay(std::move(turn.record))) {
      throw engine_error(engine_errc::blocked, "the code does not fit the history of \"" + std::string(namespaces::plain(query.workflow_id)) + "\": at event " +
                                                   std::to_string(difference->at.value) + ", " + difference->message);
    }
  }
  auto given = code.query(query.what.name, query.what.input);
  if (const auto* why = std::get_if<messages::Failure>(&given)) throw engine_error(engine_errc::refused, why->message());
  return workflow::from_message(std::get<messages::Payload>(given));
}

}  // namespace evermill::inspection
