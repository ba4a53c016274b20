#include "engine/waiters.hpp"

#include <utility>
#include <vector>

#include "actors/run.hpp"
#include "workflow/conversions.hpp"

namespace evermill {

execution_end to_execution_end(const messages::Event& event) {
  execution_end end;
  end.status = static_cast<execution_status>(actors::status_after(event));
  const auto because = [&](failure_kind kind, std::string type, std::string message) {
    end.cause = failure{.kind = kind, .type = std::move(type), .message = std::move(message)};
  };
  using E = messages::Event;
  switch (event.event_case()) {
    case E::kWorkflowExecutionCompleted:
      if (event.workflow_execution_completed().has_result()) {
        end.result = workflow::from_message(event.workflow_execution_completed().result());
      }
      break;
    case E::kWorkflowExecutionFailed:
      end.cause = workflow::from_message(event.workflow_execution_failed().failure());
      break;
    case E::kWorkflowExecutionCanceled:
      because(failure_kind::canceled, "Canceled", event.workflow_execution_canceled().reason());
      break;
    case E::kWorkflowExecutionTerminated:
      because(failure_kind::terminated, "Terminated", event.workflow_execution_terminated().reason());
      break;
    case E::kWorkflowExecutionTimedOut: because(failure_kind::timed_out, "TimedOut", "the execution timed out"); break;
    default: break;
  }
  return end;
}

std::uint64_t waiters::expect_answer(partition_id from, answer_callback callback) {
  {
    std::lock_guard lock(mutex_);
    if (!stopped_) {
      answers_.emplace(++last_token_, answer_waiter{from, std::move(callback)});
      return last_token_;
    }
  }
  callback(stopped_, {});
  return 0;
}

void waiters::forget_answer(std::uint64_t token) {
  std::lock_guard lock(mutex_);
  answers_.erase(token);
}

std::uint64_t waiters::expect_end(const std::string& workflow_id, end_callback callback) {
  {
    std::lock_guard lock(mutex_);
    if (!stopped_) {
      ends_.emplace(workflow_id, end_waiter{++last_token_, std::move(callback)});
      return last_token_;
    }
  }
  callback(stopped_, {});
  return 0;
}

waiters::end_callback waiters::withdraw_end(const std::string& workflow_id, std::uint64_t ticket) {
  std::lock_guard lock(mutex_);
  const auto [first, last] = ends_.equal_range(workflow_id);
  for (auto it = first; it != last; ++it) {
    if (it->second.ticket != ticket) continue;
    end_callback callback = std::move(it->second.callback);
    ends_.erase(it);
    return callback;
  }
  return {};
}

std::shared_ptr<void> waiters::follow(std::string workflow_id, turn_callback callback) {
  std::lock_guard lock(followers_mutex_);
  std::uint64_t ticket = 0;
  {
    std::lock_guard tokens(mutex_);
    ticket = ++last_token_;
  }
  followers_.emplace(workflow_id, follower{ticket, std::move(callback)});
  follower_count_ = followers_.size();
  return {this, [this, ticket, workflow_id = std::move(workflow_id)](void*) {
            std::lock_guard leaving(followers_mutex_);
            auto [it, last] = followers_.equal_range(workflow_id);
            while (it != last && it->second.ticket != ticket) ++it;
            if (it != last) followers_.erase(it);
            follower_count_ = followers_.size();
          }};
}

void waiters::on_answer(std::uint64_t token, actors::answer&& what) {
  answer_callback callback;
  {
    std::lock_guard lock(mutex_);
    const auto it = answers_.find(token);
    if (it == answers_.end()) return;
    callback = std::move(it->second.callback);
    answers_.erase(it);
  }
  callback(std::nullopt, std::move(what));
}

void waiters::on_ended(actors::ended_execution&& what) {
  std::vector<end_callback> callbacks;
  {
    std::lock_guard lock(mutex_);
    const auto [first, last] = ends_.equal_range(what.workflow_id);
    for (auto it = first; it != last; ++it) callbacks.push_back(std::move(it->second.callback));
    ends_.erase(first, last);
  }
  const auto of_it = [&](const update_waiter& each) { return each.workflow_id == what.workflow_id; };
  const engine_error closed(engine_errc::closed, "the execution \"" + what.workflow_id + "\" ended before the update was done");
  for (const update_callback& callback : take_updates(of_it)) callback(closed, {});
  if (callbacks.empty()) return;
  const execution_end end = to_execution_end(what.end);
  for (const end_callback& callback : callbacks) callback(std::nullopt, end);
}

void waiters::on_update_ended(actors::ended_update&& what) {
  const auto it = [&](const update_waiter& each) {
    return each.update_id == what.update_id && each.workflow_id == what.workflow_id;
  };
  for (const update_callback& callback : take_updates(it)) callback(std::nullopt, *what.end);
}

std::vector<waiters::update_callback> waiters::take_updates(const std::function<bool(const update_waiter&)>& wanted) {
  std::vector<update_callback> taken;
  std::lock_guard lock(mutex_);
  for (auto it = updates_.begin(); it != updates_.end();) {
    if (!wanted(it->second)) {
      ++it;
      continue;
    }
    taken.push_back(std::move(it->second.callback));
    it = updates_.erase(it);
  }
  return taken;
}

std::uint64_t waiters::expect_update(const std::string& workflow_id, const std::string& update_id, update_callback callback) {
  {
    std::lock_guard lock(mutex_);
    if (!stopped_) {
      updates_.emplace(++last_token_, update_waiter{workflow_id, update_id, std::move(callback)});
      return last_token_;
    }
  }
  callback(stopped_, {});
  return 0;
}

waiters::update_callback waiters::withdraw_update(std::uint64_t ticket) {
  std::lock_guard lock(mutex_);
  const auto it = updates_.find(ticket);
  if (it == updates_.end()) return {};
  update_callback callback = std::move(it->second.callback);
  updates_.erase(it);
  return callback;
}

void waiters::on_turn(actors::durable_turn&& what) {
  std::lock_guard lock(followers_mutex_);
  const auto tell = [&](const std::string& workflow_id) {
    const auto [first, last] = followers_.equal_range(workflow_id);
    for (auto it = first; it != last; ++it) it->second.callback(what);
  };
  tell({});
  if (!what.workflow_id.empty()) tell(what.workflow_id);
}

void waiters::fail_answers(const engine_error& error) {
  std::unordered_map<std::uint64_t, answer_waiter> answers;
  {
    std::lock_guard lock(mutex_);
    answers.swap(answers_);
  }
  for (auto& [token, waiter] : answers) waiter.callback(error, {});
  for (const update_callback& callback : take_updates([](const update_waiter&) { return true; })) callback(error, {});
}

void waiters::fail_answers(partition_id from, const std::function<partition_id(const std::string&)>& partition_of,
                           const engine_error& error) {
  std::vector<answer_callback> answers;
  {
    std::lock_guard lock(mutex_);
    for (auto it = answers_.begin(); it != answers_.end();) {
      if (it->second.from != from) {
        ++it;
        continue;
      }
      answers.push_back(std::move(it->second.callback));
      it = answers_.erase(it);
    }
  }
  for (const answer_callback& callback : answers) callback(error, {});
  const auto of_it = [&](const update_waiter& each) { return partition_of(each.workflow_id) == from; };
  for (const update_callback& callback : take_updates(of_it)) callback(error, {});
}

void waiters::fail_ends(const engine_error& error) {
  std::unordered_multimap<std::string, end_waiter> ends;
  {
    std::lock_guard lock(mutex_);
    ends.swap(ends_);
  }
  for (auto& [id, waiter] : ends) waiter.callback(error, {});
}

std::vector<std::string> waiters::awaited() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, waiter] : ends_) ids.push_back(id);
  return ids;
}

void waiters::stop(const engine_error& error) {
  {
    std::lock_guard lock(mutex_);
    stopped_ = error;
  }
  fail_answers(error);
  fail_ends(error);
}

}  // namespace evermill
