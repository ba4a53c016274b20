// The runtime's part of human tasks, locks, signals to others, and parts that run beside each other.
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

// --- signals to others, and labels

std::uint32_t runtime::label_of(std::string_view text) {
  require_name("label", text);
  if (const auto known = label_numbers_.find(text); known != label_numbers_.end()) return known->second;
  const auto number = static_cast<std::uint32_t>(labels_.size());
  labels_.emplace_back(text);
  label_numbers_.emplace(text, number);
  return number;
}

void runtime::send_signal(std::string_view workflow_id, std::string_view name, payload&& input, std::string_view start_type,
                          payload&& start_input) {
  require_name("workflow id", workflow_id);
  require_name("signal's name", name);
  if (!start_type.empty()) require_name("workflow's name", start_type);
  if (workflow::locks::is_lock(workflow_id)) {
    throw std::invalid_argument("\"" + std::string(workflow_id) + "\" is a lock, which takes no signals");
  }
  for (const payload* value : {&input, &start_input}) {
    if (const auto why = workflow::too_large(value->data.size())) throw std::length_error("what a signal carries: " + *why);
  }
  auto& initiated = *add_command().mutable_signal_external_workflow_execution_initiated();
  initiated.set_workflow_id(std::string(workflow_id));
  initiated.set_signal_name(std::string(name));
  workflow::to_message(std::move(input), *initiated.mutable_input());
  initiated.set_start_type(std::string(start_type));
  if (!start_type.empty()) workflow::to_message(std::move(start_input), *initiated.mutable_start_input());
  set_label(initiated);
}

// --- parts

namespace {

struct part_owner {
  runtime* of;
};

/// Its end, whatever that is, settles the cell.
task<void> drive(part_owner owner, cell_ref settled, task<void> part) {
  std::exception_ptr error;
  try {
    co_await std::move(part);
  } catch (...) {
    error = std::current_exception();
  }
  owner.of->end_part(*settled.get(), error);
}

}  // namespace

cell_ref runtime::spawn(task<void> part) {
  check_may_ask();
  cell_ref c = open(cell::kind::part, 0, {});
  auto doing = std::make_unique<root_of<void>>(*this, drive({this}, c, std::move(part)));
  ready_.push_back(doing->coroutine());
  parts_.push_back(std::move(doing));
  return c;
}

void runtime::end_part(cell& c, std::exception_ptr error) {
  if (c.is != cell::state::pending) return;  // its future was canceled
  c.error = error;
  c.is = error ? cell::state::error : cell::state::value;
  settle(c);
}

// --- the functions of evermill/runtime.hpp

std::uint32_t label_of(runtime& rt, std::string_view text) { return rt.label_of(text); }
void send_signal(runtime& rt, std::string_view workflow_id, std::string_view name, payload input, std::string_view start_type,
                 payload start_input) {
  rt.send_signal(workflow_id, name, std::move(input), start_type, std::move(start_input));
}
cell_ref spawn(runtime& rt, task<void> part) { return rt.spawn(std::move(part)); }
void refuse_turn(runtime& rt, std::string_view why) {
  rt.refused_ = why;
  throw turn_refused();
}

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
