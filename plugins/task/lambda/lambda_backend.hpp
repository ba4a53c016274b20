// Runs activities of the type "lambda": functions of AWS Lambda.
#pragma once

#include <memory>

#include "plugins/task/call_backend.hpp"
#include "plugins/task/lambda/lambda_message.hpp"

namespace evermill::tasks {

/// All invocations wait on one thread. Failures: evermill/lambda.hpp. `options.name` is set here. `environment` is asked for credentials
/// and region, on the backend's thread; it is this process's by default.
std::unique_ptr<task_backend> make_lambda_backend(call_options options, on_attempt_end report, lambda_environment environment = {});

}  // namespace evermill::tasks
