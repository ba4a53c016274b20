#include "plugins/task/lambda/lambda_backend.hpp"

#include <cstdlib>
#include <utility>

#include "plugins/task/transfer/transfer_loop.hpp"

namespace evermill::tasks {
namespace {

std::string own_environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct lambda_surroundings {
  transfer_loop loop;
  evermill::clock* time;
  lambda_environment environment;
};

void invoke(lambda_surroundings& around, const std::shared_ptr<running_call>& call) {
  const lambda_request request = lambda_request_of(call->task());
  transfer_request transfer;
  try {
    transfer = transfer_of(request, around.environment, call->task().traceparent());
  } catch (const no_credentials& error) {
    return call->end(call_failure("LambdaCredentials", error.what(), false));
  }
  call->secrets().keep(transfer.signer->key);
  call->secrets().keep(transfer.signer->session_token);
  const auto done = [call, request, time = around.time](transfer_result&& result) {
    if (result.error == transfer_error::canceled) return call->end(canceled{});
    call->end(outcome_of(request, result, time->now()));
  };
  const auto id = around.loop.start(std::move(transfer), done);
  call->on_stop([loop = &around.loop, id] { loop->cancel(id); });
}

}  // namespace

std::unique_ptr<task_backend> make_lambda_backend(call_options options, on_attempt_end report, lambda_environment environment) {
  options.name = lambda.name;
  const auto around = std::make_shared<lambda_surroundings>();
  around->time = options.time;
  around->environment = environment ? std::move(environment) : own_environment;
  const auto start = [to = around.get()](const std::shared_ptr<running_call>& call) { invoke(*to, call); };
  return make_call_backend(options, start, std::move(report), around);
}

}  // namespace evermill::tasks
