// Invocations and their responses: between what activities are given and give, and what is transferred.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "evermill/lambda.hpp"
#include "plugins/task/task_backend.hpp"
#include "plugins/task/transfer/transfer.hpp"

namespace evermill::tasks {

/// Of an environment: "" where there is no such variable.
using lambda_environment = std::function<std::string(const char* name)>;

/// Why nothing can be signed.
class no_credentials : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws payload_error, no_credentials.
lambda_request lambda_request_of(const messages::ActivityTask& task);
/// `traceparent`: where in a trace the call is; "": in none.
transfer_request transfer_of(const lambda_request& request, const lambda_environment& environment, std::string_view traceparent);
outcome outcome_of(const lambda_request& request, const transfer_result& result, timestamp now);

}  // namespace evermill::tasks
