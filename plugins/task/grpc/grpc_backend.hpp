// Runs activities of the type "grpc": methods of other services.
#pragma once

#include <memory>

#include "plugins/task/call_backend.hpp"

namespace evermill::tasks {

/// Calls wait on gRPC's own threads, which all of them share. Failures: evermill/grpc.hpp. `options.name` is set here.
std::unique_ptr<task_backend> make_grpc_backend(call_options options, on_attempt_end report);

}  // namespace evermill::tasks
