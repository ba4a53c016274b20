// Queries and updates, patches, scopes: what the runtime does beside commands and completions.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/text.hpp"
#include "workflow/conversions.hpp"
#include "workflow/runtime_impl.hpp"

namespace evermill::detail {
namespace {

using workflow::from_message;
using workflow::to_message;

template <class Handlers>
std::string names_of(const Handlers& handlers) {
  std::string names;
  for (const auto& [name, handler] : handlers) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "none" : names;
}

/// While it lives, nothing may be asked for.
class looking {
 public:
  explicit looking(bool& flag) : flag_(flag) { flag_ = true; }
  looking(const looking&) = delete;
  looking& operator=(const looking&) = delete;
  ~looking() { flag_ = false; }

 private:
  bool& flag_;
};

failure ended_too_early() {
  return {failure_kind::canceled, "WorkflowEnded", "the workflow ended before the update was done", {}, true, nullptr};
}

}  // namespace

// --- handlers

std::uint64_t runtime::add_query_handler(std::string_view name, std::function<payload(const payload&)> answer) {
  check_may_ask();
  require_name("query's name", name);
  const auto [it, added] = query_handlers_.try_emplace(std::string(name));
  if (!added) throw std::invalid_argument("the query \"" + std::string(name) + "\" has a handler already");
  it->second = {++last_handler_, std::move(answer)};
  return last_handler_;
}

std::uint64_t runtime::add_update_handler(std::string_view name, update_functions functions) {
  check_may_ask();
  require_name("update's name", name);
  const auto [it, added] = update_handlers_.try_emplace(std::string(name));
  if (!added) throw std::invalid_argument("the update \"" + std::string(name) + "\" has a handler already");
  it->second = {++last_handler_, std::move(functions)};
  return last_handler_;
}

void runtime::remove_handler(std::uint64_t id) noexcept {
  const auto is_it = [id](const auto& each) { return each.second.id == id; };
  if (std::erase_if(query_handlers_, is_it) == 0) std::erase_if(update_handlers_, is_it);
}

payload runtime::query(std::string_view name, const payload& input) {
  const auto found = query_handlers_.find(name);
  if (found == query_handlers_.end()) {
    throw application_error("UnknownQuery", "the workflow \"" + definition_.name + "\" answers no query \"" +
                                                std::string(name) + "\" now; it answers: " + names_of(query_handlers_));
  }
  const looking only(only_looking_);
  return found->second.function(input);
}

void runtime::validate(const messages::WorkflowExecutionUpdateAccepted& update) {
  const auto found = update_handlers_.find(update.update_name());
  if (found == update_handlers_.end()) {
    throw application_error("UnknownUpdate", "the workflow \"" + definition_.name + "\" takes no update \"" +
                                                 update.update_name() + "\" now; it takes: " + names_of(update_handlers_));
  }
  const looking only(only_looking_);
  found->second.function.validate(from_message(update.input()));
}

// --- updates

void runtime::on_update(const messages::WorkflowExecutionUpdateAccepted& accepted) { begin_update(accepted); }

void runtime::begin_update(const messages::WorkflowExecutionUpdateAccepted& accepted) {
  std::unique_ptr<root> doing;
  try {
    const auto found = update_handlers_.find(accepted.update_name());
    if (found == update_handlers_.end()) {  // of a run before
      throw application_error("UnknownUpdate", "the run that continues takes no update \"" + accepted.update_name() + "\"");
    }
    doing = found->second.function.begin(from_message(accepted.input()));
  } catch (...) {
    doing = std::make_unique<done_root>(std::current_exception());
  }
  if (doing->coroutine()) ready_.push_back(doing->coroutine());
  open_updates_.push_back({accepted, std::move(doing)});
}

void runtime::end_update(const std::string& id, root& done) {
  std::optional<payload> result;
  std::optional<failure> why;
  try {
    result = done.take();
    if (result) {
      if (const auto large = workflow::too_large(result->data.size())) throw std::length_error("the update's result: " + *large);
    }
  } catch (...) {
    why = current_failure();
  }
  messages::WorkflowExecutionUpdateCompleted& completed = *add_command().mutable_workflow_execution_update_completed();
  completed.set_update_id(id);
  if (why) {
    to_message(*why, *completed.mutable_failure());
  } else if (result) {
    to_message(std::move(*result), *completed.mutable_result());
  }
}

void runtime::complete_updates() {
  for (std::size_t i = 0; i < open_updates_.size();) {
    if (!open_updates_[i].doing->done()) {
      ++i;
      continue;
    }
    const open_update done = std::move(open_updates_[i]);
    open_updates_.erase(open_updates_.begin() + static_cast<std::ptrdiff_t>(i));
    end_update(done.accepted.update_id(), *done.doing);
  }
}

/// The run has ended without them.
void runtime::end_updates() {
  for (open_update& each : std::exchange(open_updates_, {})) {
    auto& completed = *add_command().mutable_workflow_execution_update_completed();
    completed.set_update_id(each.accepted.update_id());
    to_message(ended_too_early(), *completed.mutable_failure());
  }
}

// --- conditions

cell_ref runtime::wait_until(std::function<bool()> holds) {
  check_may_ask();
  cell_ref c = open(cell::kind::condition, 0, {});
  conditions_.emplace_back(c, std::move(holds));
  return c;
}

/// The first that holds, so that what it wakes runs before the next one is looked at. False: none does.
bool runtime::settle_conditions() {
  for (auto it = conditions_.begin(); it != conditions_.end();) {
    if (it->first->references == 1) {  // nobody waits any more
      it = conditions_.erase(it);
      continue;
    }
    bool holds = false;
    std::exception_ptr thrown;
    try {
      const looking only(only_looking_);
      holds = it->second();
    } catch (...) {
      thrown = std::current_exception();
    }
    if (!holds && !thrown) {
      ++it;
      continue;
    }
    const cell_ref c = std::move(it->first);
    conditions_.erase(it);
    if (thrown) {
      c->error = thrown;
      c->is = cell::state::error;
      settle(*c.get());
    } else {
      settle_value(*c.get(), std::nullopt);
    }
    return true;
  }
  return false;
}

// --- patches

bool runtime::patched(std::string_view id) {
  check_may_ask();
  require_name("patch's id", id);
  if (const auto known = patches_.find(id); known != patches_.end()) return known->second;
  bool is_patched = !replaying_;
  if (replaying_ && journaled_ != nullptr && record_ != nullptr) {
    const int next = record_->events_size();
    is_patched = next < journaled_->events_size() && journaled_->events(next).patch_recorded().patch_id() == id;
  }
  patches_.emplace(std::string(id), is_patched);
  if (is_patched) add_command().mutable_patch_recorded()->set_patch_id(std::string(id));
  return is_patched;
}

// --- scopes

std::uint32_t runtime::new_scope(std::uint32_t parent, bool shielded) {
  scopes_.push_back({parent, shielded, false});
  return static_cast<std::uint32_t>(scopes_.size() - 1);
}

/// Is what belongs to `scope` interrupted when `canceled` is?
bool runtime::interrupted_by(std::uint32_t scope, std::uint32_t canceled) const noexcept {
  for (; scope != canceled; scope = scopes_[scope].parent) {
    if (scope == 0 || scopes_[scope].shielded) return false;
  }
  return true;
}

void runtime::cancel_scope(std::uint32_t scope, std::string_view reason) {
  check_may_ask();
  if (scopes_[scope].canceled) return;
  scopes_[scope].canceled = true;
  const std::string of_execution = std::exchange(cancel_reason_, std::string(reason));
  for (const cell_ref& c : pending()) {
    if (interrupted_by(c->scope, scope)) cancel(*c.get());
  }
  cancel_reason_ = of_execution;
}

bool runtime::scope_canceled(std::uint32_t scope) const noexcept {
  for (;; scope = scopes_[scope].parent) {
    if (scopes_[scope].canceled) return true;
    if (scope == 0 || scopes_[scope].shielded) return false;
  }
}

}  // namespace evermill::detail
