#include "engine/human_tasks.hpp"

#include <algorithm>
#include <charconv>

#include "base/clock.hpp"
#include "base/namespaces.hpp"
#include "engine/incarnation.hpp"
#include "engine/inspection.hpp"
#include "storage/journal.hpp"
#include "storage/rows.hpp"
#include "workflow/conversions.hpp"

namespace evermill {
namespace {

constexpr std::size_t tasks_per_page = 256;

template <class Number>
bool take_number(std::string_view text, Number& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to.value);
  return error == std::errc() && end == text.data() + text.size() && to.value != 0;
}

void fill(human_task_summary& to, const human_task_place& place, const messages::HumanTask& row) {
  to.task_id = human_task_id(place);
  to.workflow_id = row.workflow_id();
  to.name = row.name();
  to.title = row.title().empty() ? row.name() : row.title();
  to.assignee = row.assignee();
  to.candidate_groups.assign(row.candidate_groups().begin(), row.candidate_groups().end());
  to.created_at = from_micros(row.created_us());
  to.due_at = from_micros(row.due_us());
}

bool passes(const human_task_filter& filter, const messages::HumanTask& row) {
  const auto& groups = row.candidate_groups();
  if (!namespaces::same(row.workflow_id(), namespaces::prefix_of(filter.name_space))) return false;
  return (filter.assignee.empty() || row.assignee() == filter.assignee) &&
         (filter.name.empty() || row.name() == filter.name) && (!filter.unassigned || row.assignee().empty()) &&
         (filter.group.empty() || std::find(groups.begin(), groups.end(), filter.group) != groups.end());
}

}  // namespace

human_task_place parse_human_task_id(std::string_view task_id) {
  human_task_place place;
  const std::size_t slash = task_id.rfind('/');
  const std::size_t dot = task_id.rfind('.');
  const bool shaped = slash != std::string_view::npos && slash > 0 && dot != std::string_view::npos && dot > slash;
  if (!shaped || !take_number(task_id.substr(slash + 1, dot - slash - 1), place.run) ||
      !take_number(task_id.substr(dot + 1), place.created)) {
    throw engine_error(engine_errc::invalid_argument, "\"" + std::string(namespaces::plain(task_id)) +
                                                          "\" is not the id of a human task (\"WORKFLOW-ID/RUN.EVENT\"); "
                                                          "list the open ones to find it");
  }
  place.workflow_id = task_id.substr(0, slash);
  return place;
}

std::string human_task_id(const human_task_place& task) {
  return task.workflow_id + "/" + std::to_string(task.run.value) + "." + std::to_string(task.created.value);
}

namespace inspection {

std::vector<human_task_summary> human_tasks(const storage::key_value_store& store, partition_id partition,
                                            const human_task_filter& filter, run_number run, event_seq created,
                                            std::size_t limit) {
  std::vector<human_task_summary> found;
  for (bool more = true; more && found.size() < limit;) {
    const auto rows = must(storage::scan_human_tasks(store, partition, run, created, tasks_per_page));
    for (const storage::stored_human_task& row : rows) {
      run = row.run;
      created = row.created;
      if (found.size() < limit && passes(filter, row.task)) {
        fill(found.emplace_back(), {row.task.workflow_id(), row.run, row.created}, row.task);
      }
    }
    more = rows.size() == tasks_per_page;
  }
  return found;
}

human_task_description describe_human_task(const storage::key_value_store& store, partition_id partition,
                                           const human_task_place& task) {
  existing_header(store, partition, task.workflow_id);
  const auto row = must(storage::find_human_task(store, partition, task.run, task.created));
  if (!row || row->workflow_id() != task.workflow_id) {
    throw engine_error(engine_errc::closed, "the human task \"" + std::string(namespaces::plain(human_task_id(task))) +
                                                "\" is not open: it was completed or withdrawn, or there never was one");
  }
  human_task_description about;
  fill(about, task, *row);
  const auto turn = must(storage::read_turn(store, partition, task.run, event_seq(row->turn_first())));
  const std::uint64_t index = task.created.value - turn.first.value;
  if (task.created < turn.first || index >= static_cast<std::uint64_t>(turn.record.events_size()) ||
      !turn.record.events(static_cast<int>(index)).has_human_task_created()) {
    throw engine_error(engine_errc::storage, "the journal has no human task \"" + about.task_id +
                                                 "\", although its row is there; run `evermill verify`");
  }
  const auto& created = turn.record.events(static_cast<int>(index)).human_task_created();
  if (created.has_question()) about.question = workflow::from_message(created.question());
  about.form_schema = created.form_schema();
  return about;
}

}  // namespace inspection
}  // namespace evermill
