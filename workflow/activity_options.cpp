#include "workflow/activity_options.hpp"

#include <stdexcept>
#include <string>

#include "base/text.hpp"

namespace evermill::workflow {
namespace {

void retries(const retry_policy& from, messages::ActivityTaskScheduled& to) {
  static constexpr retry_policy defaults;
  const auto retry = [&]() -> messages::RetryPolicy& { return *to.mutable_options()->mutable_retry(); };
  if (from.max_attempts != 0) retry().set_max_attempts(from.max_attempts);
  if (from.initial_interval != defaults.initial_interval) {
    retry().set_initial_interval_us(from.initial_interval.count());
  }
  if (from.backoff_coefficient != defaults.backoff_coefficient) {
    retry().set_backoff_coefficient(from.backoff_coefficient);
  }
  if (from.max_interval.count() > 0) retry().set_max_interval_us(from.max_interval.count());
  if (from.jitter > 0) retry().set_jitter(from.jitter);
  for (const std::string_view type : from.non_retryable) retry().add_non_retryable_types(to_utf8(std::string(type)));
}

}  // namespace

void check(const activity_options& options) {
  if (!(options.retry.jitter >= 0 && options.retry.jitter <= 1)) {
    throw std::invalid_argument("an activity's retry jitter is from 0 to 1, not " + std::to_string(options.retry.jitter));
  }
  if (!options.task_queue.empty()) require_name("activity's task queue", options.task_queue);
  if (!options.version.empty()) require_name("activity's version", options.version);
}

void to_message(const activity_options& from, messages::ActivityTaskScheduled& to) {
  const auto options = [&]() -> messages::ActivityOptions& { return *to.mutable_options(); };
  if (from.start_to_close.count() > 0) options().set_start_to_close_us(from.start_to_close.count());
  if (from.schedule_to_start.count() > 0) options().set_schedule_to_start_us(from.schedule_to_start.count());
  if (from.schedule_to_close.count() > 0) options().set_schedule_to_close_us(from.schedule_to_close.count());
  if (from.heartbeat.count() > 0) options().set_heartbeat_us(from.heartbeat.count());
  if (from.cancellation != activity_cancellation::try_cancel) {
    options().set_cancellation(static_cast<messages::ActivityCancellation>(from.cancellation));
  }
  if (!from.task_queue.empty() && from.task_queue != default_task_queue) {
    options().set_task_queue(std::string(from.task_queue));
  }
  if (!from.version.empty()) options().set_version(std::string(from.version));
  retries(from.retry, to);
}

}  // namespace evermill::workflow
