#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

dispatch_id dispatch_id_of(const messages::ActivityTask& task) {
  return {task.partition(), task.run_number(), task.scheduled_seq(), task.attempt(), task.dispatch_boot()};
}

std::string idempotency_key(const dispatch_id& id) {
  return std::to_string(id.partition) + "." + std::to_string(id.run) + "." + std::to_string(id.scheduled_seq);
}

std::string to_string(const dispatch_id& id) {
  return idempotency_key(id) + "." + std::to_string(id.attempt) + "." + std::to_string(id.boot);
}

}  // namespace evermill::tasks
