// Runs activities of the types "kafka.send" and "kafka.receive".
#pragma once

#include <memory>

#include "base/log.hpp"
#include "plugins/task/call_backend.hpp"

namespace evermill::tasks {

/// Failures: evermill/kafka.hpp. `options.name` is set here; `max_calls` is for sends, and at least 10,000 receives may wait.
/// `stop` has no grace for these, which may wait for ever: another process begins them again.
std::unique_ptr<task_backend> make_kafka_backend(const call_options& options, const log& lines, const on_attempt_end& report);

}  // namespace evermill::tasks
