#include "plugins/task/task_backend.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <system_error>

namespace evermill::tasks {

dispatch_id dispatch_id_of(const messages::ActivityTask& task) {
  return {task.partition(), task.run_number(), task.scheduled_seq(), task.attempt(), task.dispatch_boot()};
}

log_subject subject_of(const messages::ActivityTask& task) {
  return {partition_id(static_cast<std::uint16_t>(task.partition())), task.workflow_id(), run_number(task.run_number()), task.attempt()};
}

std::string_view queue_of(const messages::ActivityTask& task) {
  const std::string& name = task.options().task_queue();
  return name.empty() ? std::string_view("default") : std::string_view(name);
}

std::string idempotency_key(const dispatch_id& id) {
  return std::to_string(id.partition) + "." + std::to_string(id.run) + "." + std::to_string(id.scheduled_seq);
}

std::string to_string(const dispatch_id& id) {
  return idempotency_key(id) + "." + std::to_string(id.attempt) + "." + std::to_string(id.boot);
}

std::optional<dispatch_id> parse_dispatch_id(std::string_view text) {
  std::array<std::uint64_t, 5> parts{};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::uint64_t& part : parts) {
    if (&part != parts.data()) {
      if (at == end || *at++ != '.') return std::nullopt;
    }
    const auto [next, error] = std::from_chars(at, end, part);
    if (error != std::errc()) return std::nullopt;
    at = next;
  }
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  if (at != end || parts[0] > std::numeric_limits<std::uint16_t>::max() || parts[3] > most) return std::nullopt;
  return dispatch_id{static_cast<std::uint32_t>(parts[0]), parts[1], parts[2], static_cast<std::uint32_t>(parts[3]),
                     parts[4]};
}

void lose_if_canceled(attempt_end& end) {
  if (!std::holds_alternative<canceled>(end.how)) return;
  messages::Failure failure;
  failure.set_kind(messages::Failure::LOST);
  failure.set_type("Lost");
  failure.set_message("the attempt was stopped with its process");
  end.how = failed{std::move(failure)};
}

}  // namespace evermill::tasks
