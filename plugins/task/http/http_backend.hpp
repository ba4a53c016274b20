// Runs activities of the type "http": requests to other services.
#pragma once

#include <memory>

#include "plugins/task/call_backend.hpp"

namespace evermill::tasks {

/// All requests are on one thread (transfer_loop); they need none of their own, however long they wait. Failures: evermill/http.hpp.
/// `options.name` is set here.
std::unique_ptr<task_backend> make_http_backend(call_options options, on_attempt_end report);

}  // namespace evermill::tasks
