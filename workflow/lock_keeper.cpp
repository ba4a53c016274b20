#include "workflow/lock_keeper.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/namespaces.hpp"
#include "evermill/context.hpp"
#include "evermill/registry.hpp"
#include "workflow/conversions.hpp"
#include "workflow/runtime_impl.hpp"

namespace evermill::workflow::locks {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(claim, workflow_id, run, requested)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(message, release, who, permits)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(lock_state, permits, holders, waiters)

namespace {

constexpr std::string_view workflow_type = "evermill.lock";
constexpr std::string_view mutex_prefix = "evermill.lock/";
constexpr std::string_view semaphore_prefix = "evermill.semaphore/";
constexpr signal<message> told{.name = "evermill.lock"};
constexpr int messages_per_run = 32;  // its journal is short: whoever looks at locks reads it as a whole

struct keeper {
  evermill::detail::runtime* runtime;
};

task<void> keep(context ctx, keeper of, lock_state now) {
  for (int handled = 0; handled < messages_per_run; ++handled) {
    const message next = co_await ctx.wait(told);
    for (const claim& lucky : now.apply(next)) of.runtime->assign_lock(lucky.workflow_id, lucky.run, lucky.requested);
  }
  co_await ctx.continue_as_new(now);
}

}  // namespace

std::vector<claim> lock_state::apply(const message& told) {
  if (told.release) {
    std::erase(holders, told.who);
    std::erase(waiters, told.who);
  } else {
    permits = std::max(told.permits, 1u);
    waiters.push_back(told.who);
  }
  std::vector<claim> assigned;
  while (!waiters.empty() && holders.size() < permits) {
    holders.push_back(waiters.front());
    waiters.pop_front();
    assigned.push_back(holders.back());
  }
  return assigned;
}

bool is_reserved(std::string_view name) noexcept { return namespaces::plain(name).starts_with(reserved_prefix); }

std::string id_of(std::string_view name, std::uint32_t permits) {
  return std::string(permits == 0 ? mutex_prefix : semaphore_prefix) + std::string(name);
}

bool is_lock(std::string_view workflow_id) noexcept {
  const std::string_view id = namespaces::plain(workflow_id);
  return is_reserved(id) && (id.starts_with(mutex_prefix) || id.starts_with(semaphore_prefix));
}

bool is_keeper(std::string_view type) noexcept { return type == workflow_type; }

lock_name name_of(std::string_view workflow_id) {
  const std::string_view id = namespaces::plain(workflow_id);
  const bool semaphore = id.starts_with(semaphore_prefix);
  return {std::string(id.substr((semaphore ? semaphore_prefix : mutex_prefix).size())), semaphore};
}

const workflow_definition& definition() {
  static const workflow_definition only{
      .name = std::string(workflow_type),
      .start = [](evermill::detail::runtime& rt, const payload& input) -> std::unique_ptr<evermill::detail::root> {
        return std::make_unique<evermill::detail::root_of<void>>(
            rt, keep(context(rt), keeper{&rt}, codec<lock_state>::decode(input)));
      },
      .check_input = [](const payload& input) { static_cast<void>(codec<lock_state>::decode(input)); }};
  return only;
}

messages::Event signal_of(const message& what) {
  messages::Event event;
  auto& signaled = *event.mutable_workflow_execution_signaled();
  signaled.set_signal_name(std::string(told.name));
  to_message(codec<message>::encode(what), *signaled.mutable_input());
  return event;
}

std::optional<message> message_of(const messages::Event& event) {
  const auto& signaled = event.workflow_execution_signaled();
  if (signaled.signal_name() != told.name) return std::nullopt;
  try {
    return codec<message>::decode(from_message(signaled.input()));
  } catch (const payload_error&) {
    return std::nullopt;
  }
}

messages::Event start_with(messages::Event&& signal) {
  messages::Event event;
  auto& started = *event.mutable_workflow_execution_started();
  started.set_workflow_type(std::string(workflow_type));
  to_message(codec<lock_state>::encode({}), *started.mutable_input());
  *started.add_carried_signals() = std::move(*signal.mutable_workflow_execution_signaled());
  return event;
}

void lock_reader::add(const messages::Event& event) {
  const auto hear = [this](const messages::WorkflowExecutionSignaled& signaled) {
    state_.apply(codec<message>::decode(from_message(signaled.input())));
  };
  if (event.has_workflow_execution_started()) {
    state_ = codec<lock_state>::decode(from_message(event.workflow_execution_started().input()));
    for (const auto& carried : event.workflow_execution_started().carried_signals()) hear(carried);
  } else if (event.has_workflow_execution_signaled()) {
    hear(event.workflow_execution_signaled());
  }
}

}  // namespace evermill::workflow::locks
