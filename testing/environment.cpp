#include "evermill/testing/environment.hpp"

#include <algorithm>
#include <utility>

#include "engine/activity_requests.hpp"
#include "engine/human_tasks.hpp"
#include "engine/inspection.hpp"
#include "engine/locks.hpp"
#include "engine/requests.hpp"
#include "engine/waiters.hpp"
#include "testing/volatile_store.hpp"
#include "testing/world.hpp"
#include "workflow/conversions.hpp"

namespace evermill::testing {
namespace {

/// An execution that is not at its end by then goes round in circles.
constexpr std::uint64_t max_happenings = 250'000;
constexpr std::size_t shown_events = 20;

}  // namespace

class environment::impl {
 public:
  impl(registry definitions, environment_options options, store_opener open)
      : options_(std::move(options)), world_(std::move(definitions), options_, std::move(open)) {}

  actors::answer ask(const requests::activity_request& request) { return ask(request.event, request.to); }

  actors::answer ask(const messages::DecisionEvent& request, std::optional<partition_id> to = {}) {
    actors::answer answer = world_.ask(request, to);
    if (answer.what != actors::answer::outcome::accepted) throw requests::error_of(answer);
    return answer;
  }

  std::optional<execution_end> find_end(std::string_view workflow_id) const {
    const partition_id partition = world_.partition_of(workflow_id);
    const auto header = inspection::existing_header(world_.store(), partition, workflow_id);
    if (const auto end = inspection::find_end(world_.store(), partition, header)) return to_execution_end(*end);
    return std::nullopt;
  }

  execution_end wait(std::string_view workflow_id) {
    std::uint64_t looked_at = 0;
    std::optional<execution_end> end = find_end(workflow_id);
    for (std::uint64_t n = 0; !end; ++n) {
      if (n == max_happenings) {
        throw no_end(workflow_id, "is not at its end after " + std::to_string(n) + " messages and activities");
      }
      if (!world_.happen() && (!options_.skip_time || !world_.skip())) throw no_end(workflow_id, why_idle());
      if (std::exchange(looked_at, world_.store().writes()) != world_.store().writes()) end = find_end(workflow_id);
    }
    return *std::move(end);
  }

  payload query(const actors::query_request& what) {
    const actors::answer answer = world_.query(what);
    if (answer.what == actors::answer::outcome::accepted) return workflow::from_message(*answer.code->result);
    if (answer.what != actors::answer::outcome::closed) throw requests::error_of(answer);
    return inspection::query(world_.store(), world_.definitions(), world_.partition_of(what.workflow_id), what);
  }

  /// A process that has died has told nobody: the same update is asked for again.
  std::shared_ptr<const actors::code_result> update(const messages::DecisionEvent& request, const std::string& id) {
    while (true) {
      const actors::answer answer = world_.ask(request);
      const std::string& name = request.event().workflow_execution_update_accepted().update_name();
      if (answer.what == actors::answer::outcome::refused) {
        throw update_failed(name, false, workflow::from_message(*answer.code->failure));
      }
      if (answer.what != actors::answer::outcome::accepted) throw requests::error_of(answer);
      if (answer.code) return answer.code;
      const std::uint64_t crashes = world_.crashes();
      while (crashes == world_.crashes()) {
        if (auto end = world_.update_end(request.workflow_id(), id)) return end;
        if (find_end(request.workflow_id())) {  // what its last commit told is still under way
          if (world_.handle_messages()) continue;
          throw engine_error(engine_errc::closed, "the execution \"" + request.workflow_id() + "\" ended before the update was done");
        }
        if (!world_.happen() && (!options_.skip_time || !world_.skip())) throw no_end(request.workflow_id(), why_idle());
      }
    }
  }

  void settle() {
    for (std::uint64_t n = 0; world_.happen(); ++n) {
      if (n == max_happenings) {
        throw environment_error("it does not come to rest: " + std::to_string(n) +
            " messages and activities at one time");
      }
    }
  }

  void advance(std::chrono::microseconds by) {
    const timestamp until = world_.now() + by;
    settle();
    while (world_.time().advance_to(until)) settle();
    settle();
  }

  execution_description describe(std::string_view workflow_id) const {
    return inspection::describe(world_.store(), world_.partition_of(workflow_id), workflow_id);
  }
  std::vector<history_event> history(std::string_view workflow_id) const {
    return inspection::history(world_.store(), world_.partition_of(workflow_id), workflow_id, 1,
                               static_cast<std::size_t>(-1));
  }

  const environment_options options_;
  world world_;

 private:
  std::string why_idle() const {
    const auto next = world_.next_due();
    if (!options_.skip_time && next) {
      return "can't go on before " +
          std::to_string(std::chrono::ceil<std::chrono::seconds>(*next - world_.now()).count()) +
             " seconds are over: let them pass with environment::advance";
    }
    return "can't go on: nothing runs, and no timer is set. Does it wait for a signal that was not sent, or for an "
           "activity that hangs?";
  }

  environment_error no_end(std::string_view workflow_id, std::string why) const {
    const execution_description about = describe(workflow_id);
    if (!about.blocked.empty()) {
      why = "is " + about.blocked + " at event " + std::to_string(about.blocked_at_event) + ": " +
          about.blocked_message;
    }
    std::string text = "execution \"" + about.workflow_id + "\" (" + about.workflow_type + ") " + why;
    for (const auto& activity : about.activities) {
      text += "\n  open: activity " + activity.activity_type + ", attempt " + std::to_string(activity.attempt);
      if (activity.last_failure) text += ", after: " + activity.last_failure->message;
    }
    const std::vector<history_event> events = history(workflow_id);
    const std::size_t skipped = events.size() - std::min(events.size(), shown_events);
    text += skipped > 0 ? "\nIts history, without the first " + std::to_string(skipped) + " events:" : "\nIts history:";
    for (std::size_t i = skipped; i < events.size(); ++i) text += "\n  " + events[i].json;
    return environment_error(text);
  }
};

environment::environment(registry definitions, environment_options options)
    : environment(std::move(definitions), options, stores_of(options.data_directory)) {}
environment::environment(registry definitions, environment_options options, store_opener open)
    : impl_(std::make_unique<impl>(std::move(definitions), std::move(options), std::move(open))) {}
environment::~environment() = default;

started_execution environment::start(std::string_view workflow_type, payload input, start_options options) {
  actors::answer answer = impl_->ask(requests::start(&impl_->world_.definitions(), impl_->world_.random(), workflow_type,
                                                     std::move(input), std::move(options)));
  return {std::move(answer.workflow_id), std::move(answer.run_id), answer.existed};
}

void environment::signal(std::string_view workflow_id, std::string_view signal_name, payload input,
                         std::string_view request_id) {
  impl_->ask(requests::signal(workflow_id, signal_name, std::move(input), request_id));
}
payload environment::query(std::string_view workflow_id, std::string_view query_name, payload input) {
  return impl_->query(requests::query(workflow_id, query_name, std::move(input)));
}
std::optional<payload> environment::update(std::string_view workflow_id, std::string_view update_name, payload input,
                                           std::string_view update_id) {
  const std::string id = update_id.empty() ? make_uuid(impl_->world_.random()) : std::string(update_id);
  const auto code = impl_->update(requests::update(workflow_id, update_name, std::move(input), id), id);
  if (code->failure) throw update_failed(std::string(update_name), true, workflow::from_message(*code->failure));
  return code->result ? std::optional(workflow::from_message(*code->result)) : std::nullopt;
}
void environment::cancel(std::string_view workflow_id, std::string_view reason) {
  impl_->ask(requests::cancel(workflow_id, reason));
}
void environment::terminate(std::string_view workflow_id, std::string_view reason) {
  impl_->ask(requests::terminate(workflow_id, reason));
}

void environment::complete_activity(std::string_view token, payload result) {
  impl_->ask(requests::complete_activity(token, std::move(result)));
}
void environment::fail_activity(std::string_view token, const failure& why) {
  impl_->ask(requests::fail_activity(token, why));
}
void environment::cancel_activity(std::string_view token) { impl_->ask(requests::cancel_activity(token)); }
bool environment::heartbeat_activity(std::string_view token, std::optional<payload> details) {
  return impl_->ask(requests::heartbeat_activity(token, std::move(details))).cancel_requested;
}

execution_end environment::wait(std::string_view workflow_id) { return impl_->wait(workflow_id); }
execution_description environment::describe(std::string_view workflow_id) const { return impl_->describe(workflow_id); }
std::vector<history_event> environment::history(std::string_view workflow_id) const {
  return impl_->history(workflow_id);
}

std::vector<listed_execution> environment::list() const {
  std::vector<listed_execution> found;
  for (std::uint16_t partition = 0; partition < impl_->world_.partitions(); ++partition) {
    const std::size_t all = static_cast<std::size_t>(-1);
    for (auto& row : inspection::list(impl_->world_.store(), partition_id(partition), "", all)) {
      found.push_back(std::move(row));
    }
  }
  return found;
}

std::vector<human_task_summary> environment::human_tasks(const human_task_filter& filter) const {
  std::vector<human_task_summary> found;
  for (std::uint16_t partition = 0; partition < impl_->world_.partitions(); ++partition) {
    const std::size_t all = static_cast<std::size_t>(-1);
    for (auto& task : inspection::human_tasks(impl_->world_.store(), partition_id(partition), filter, {}, {}, all)) {
      found.push_back(std::move(task));
    }
  }
  return found;
}

human_task_description environment::describe_human_task(std::string_view task_id) const {
  const human_task_place task = parse_human_task_id(task_id);
  return inspection::describe_human_task(impl_->world_.store(), impl_->world_.partition_of(task.workflow_id), task);
}

void environment::claim_human_task(std::string_view task_id, std::string_view by, bool force) {
  impl_->ask(requests::assign(parse_human_task_id(task_id), messages::HumanTaskAssigned::CLAIMED, by, by, force));
}
void environment::release_human_task(std::string_view task_id, std::string_view by, bool force) {
  impl_->ask(requests::assign(parse_human_task_id(task_id), messages::HumanTaskAssigned::RELEASED, by, "", force));
}
void environment::delegate_human_task(std::string_view task_id, std::string_view by, std::string_view assignee,
                                      bool force) {
  impl_->ask(requests::assign(parse_human_task_id(task_id), messages::HumanTaskAssigned::DELEGATED, by, assignee, force));
}
void environment::complete_human_task(std::string_view task_id, std::string_view by, payload answer, bool force) {
  check_answer(describe_human_task(task_id).form_schema, answer);
  impl_->ask(requests::complete(parse_human_task_id(task_id), by, std::move(answer), force));
}

void environment::answer(std::string_view name, payload value) {
  settle();
  human_task_filter filter;
  filter.name = name;
  const auto open = human_tasks(filter);
  if (open.size() != 1) {
    throw environment_error(std::to_string(open.size()) + " human tasks named \"" + std::string(name) +
                            "\" are open; answer takes one that is alone: name the others by complete_human_task");
  }
  complete_human_task(open.front().task_id, "", std::move(value), true);
}

std::vector<lock_description> environment::locks(std::string_view name_space) const {
  const std::string space = in_namespace(name_space, {});
  std::vector<lock_description> found;
  for (std::uint16_t partition = 0; partition < impl_->world_.partitions(); ++partition) {
    const std::size_t all = static_cast<std::size_t>(-1);
    for (auto& lock : inspection::locks(impl_->world_.store(), partition_id(partition), space, all)) {
      found.push_back(std::move(lock));
    }
  }
  return found;
}

time_point environment::now() const { return impl_->world_.now(); }
void environment::settle() { impl_->settle(); }
void environment::advance(std::chrono::microseconds by) { impl_->advance(by); }

void environment::replace(std::string_view name, registry replacement) {
  impl_->world_.activities().replace(std::string(name), std::move(replacement));
}
void environment::hang(std::string_view name) { impl_->world_.activities().hang(std::string(name)); }
const std::vector<activity_call>& environment::calls() const { return impl_->world_.activities().calls(); }

void environment::crash() { impl_->world_.crash(); }
void environment::crash_after_commit(std::uint64_t count) {
  if (count == 0) throw std::invalid_argument("crash_after_commit counts from 1");
  impl_->world_.store().die_after(count);
}
std::uint64_t environment::commits() const { return impl_->world_.commits(); }
std::uint64_t environment::crashes() const { return impl_->world_.crashes(); }
const registry& environment::definitions() const { return impl_->world_.definitions(); }

}  // namespace evermill::testing
