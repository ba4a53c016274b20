// The runtime's part of human tasks and locks.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/text.hpp"
#include "workflow/conversions.hpp"
#include "workflow/lock_keeper.hpp"
#include "workflow/runtime_impl.hpp"

namespace evermill::detail {
namespace {

constexpr std::size_t longest_lock_name = 480;  // its workflow id is a little longer

void check_lock_name(std::string_view name) {
  require_name("lock's name", name);
  if (name.size() > longest_lock_name) {
    throw std::invalid_argument("the lock's name has " + std::to_string(name.size()) + " bytes; " +
                                std::to_string(longest_lock_name) + " are allowed");
  }
}

/// "finance, managers" as its parts, without spaces around them.
template <class Add>
void for_each_part(std::string_view list, Add&& add) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view part = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) add(part);
  }
}

}  // namespace

// --- human tasks

cell_ref runtime::create_human_task(const human_task_spec& spec, payload&& question) {
  require_name("human task's name", spec.name);
  if (const auto why = workflow::too_large(question.data.size())) {
    throw std::length_error("the question of a human task: " + *why);
  }
  auto& created = *add_command().mutable_human_task_created();
  created.set_name(spec.name);
  created.set_title(to_utf8(spec.title));
  created.set_assignee(to_utf8(spec.assignee));
  for_each_part(spec.candidate_groups, [&](std::string_view group) { created.add_candidate_groups(to_utf8(std::string(group))); });
  created.set_form_schema(to_utf8(spec.form_schema));
  if (question.type != payload::content_type::json || !question.data.empty()) {
    workflow::to_message(std::move(question), *created.mutable_question());
  }
  created.set_created_us(to_micros(now_));
  if (spec.timeout.count() > 0) created.set_due_us(to_micros(now_ + std::min(spec.timeout, timestamp::max() - now_)));
  return open(cell::kind::human_task, last_.value, spec.name);
}

void runtime::on_answer(const messages::HumanTaskCompleted& completed) {
  const cell_ref c = take(completed.created_seq());
  settle_value(*c.get(), completed.has_answer() ? std::optional(workflow::from_message(completed.answer())) : std::nullopt);
}

// --- locks

cell_ref runtime::request_lock(std::string_view name, std::uint32_t permits) {
  check_lock_name(name);
  std::string id = workflow::locks::id_of(name, permits);
  for (const auto& [requested, other] : locks_) {
    if (other == id) {
      throw std::logic_error("this run holds or waits for \"" + std::string(name) +
                             "\" already: locks are not reentrant, release it first");
    }
  }
  auto& request = *add_command().mutable_lock_requested();
  request.set_name(std::string(name));
  request.set_permits(permits);
  locks_.emplace(last_.value, std::move(id));
  return open(cell::kind::lock, last_.value, name);
}

void runtime::release_lock(std::uint64_t requested) {
  if (locks_.erase(requested) > 0) add_command().mutable_lock_released()->set_requested_seq(requested);
}

void runtime::drop_lock(cell& c) {
  if (c.is == cell::state::pending) {
    release_lock(c.seq);
    open_.erase(c.seq);
  } else if (std::exchange(c.owner, nullptr) != nullptr) {
    release_lock(c.seq);
  }
}

void runtime::on_lock(std::uint64_t requested) {
  const cell_ref c = take(requested);
  if (c->references == 1) return release_lock(requested);  // nobody would ever give it back
  c->owner = this;
  settle_value(*c.get(), std::nullopt);
}

void runtime::assign_lock(const std::string& workflow_id, std::uint64_t run, std::uint64_t requested) {
  auto& assigned = *add_command().mutable_lock_assigned();
  assigned.set_workflow_id(workflow_id);
  assigned.set_run_number(run);
  assigned.set_requested_seq(requested);
}

// --- the functions of evermill/runtime.hpp

cell_ref create_human_task(runtime& rt, const human_task_spec& spec, payload question) {
  return rt.create_human_task(spec, std::move(question));
}
std::string human_task_id(const runtime& rt, const cell& task) {
  return rt.workflow_id_ + "/" + std::to_string(rt.run_.value) + "." + std::to_string(task.seq);
}
cell_ref request_lock(runtime& rt, std::string_view name, std::uint32_t permits) { return rt.request_lock(name, permits); }
void check_permits(std::uint32_t permits) {
  if (permits == 0) throw std::invalid_argument("a semaphore has at least one permit");
}
void release_lock(runtime& rt, std::uint64_t requested) noexcept { rt.release_lock(requested); }
void drop_lock(runtime& rt, cell& c) noexcept { rt.drop_lock(c); }

}  // namespace evermill::detail
