/// @file
/// Invoking a function of AWS Lambda as an activity: co_await ctx.call(evermill::lambda, request).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "evermill/handles.hpp"
#include "evermill/secrets.hpp"

namespace evermill {

/// An invocation. One that can't be made as it stands fails the activity with the type "InvalidPayload".
struct lambda_request {
  std::string function;    ///< its name, "account:function:name", or its ARN
  std::string qualifier;   ///< a version or an alias; "": the newest
  nlohmann::json payload;  ///< what the function is given
  /// "RequestResponse": its result is waited for; "Event": Lambda queues it, and the result is null; "DryRun": only whether it may be
  /// invoked.
  std::string invocation = "RequestResponse";
  nlohmann::json client_context;  ///< an object that the function finds in its context; null: none
  bool log_tail = true;           ///< with RequestResponse: the last 4 KiB of the function's log are wanted
  std::string region;             ///< "": as the function's ARN says, else the environment's AWS_REGION or AWS_DEFAULT_REGION
  /// What signs the request. Empty ones: the environment's AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, of the process
  /// that runs the attempt. Use secrets for them: evermill::secret("aws.key").
  std::string access_key_id;
  std::string secret_access_key;  ///< see above
  std::string session_token;      ///< see above; "": none, where access_key_id is given
  std::string endpoint;           ///< a URL in place of Lambda's own, for VPC endpoints and emulators; "": https://lambda.REGION.amazonaws.com
  bool verify_peer = true;        ///< as http_request::verify_peer
  std::string ca_file;            ///< as http_request::ca_file
  std::int64_t max_response_bytes = 16 << 20;  ///< a larger response fails ("HttpResponseTooLarge")
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(lambda_request, function, qualifier, payload, invocation, client_context, log_tail, region,
                                                access_key_id, secret_access_key, session_token, endpoint, verify_peer, ca_file,
                                                max_response_bytes)

/// What Lambda answered.
struct lambda_result {
  nlohmann::json payload;        ///< what the function returned; text that is no JSON is a string
  int status = 0;                ///< 200, 202 (Event) or 204 (DryRun)
  std::string executed_version;  ///< of the function
  std::string request_id;        ///< by which its logs are found
  std::string log_tail;          ///< where it was wanted
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(lambda_result, payload, status, executed_version, request_id, log_tail)

/// Invokes a function. Every engine has it, a testing::environment has not: replace it there. Fails with the types
///
/// - "LambdaFunctionError": the function threw; "LambdaFunctionTimeout": it ran longer than it may; "LambdaOutOfMemory": it was killed for
///   its memory; "LambdaFunctionCrash": its process ended. All are tried again as the retry policy says. Details: {errorType,
///   errorMessage, stackTrace, request_id, executed_version, log_tail}, as far as Lambda tells them.
/// - "LambdaThrottled" (429) and "LambdaService" (500-599, and 409: the function is being changed): tried again. "LambdaRefused": another
///   status, as for a function that does not exist or a signature that is not accepted; not tried again. Details: {status, errorType,
///   message, request_id}.
/// - "HttpConnection" and "HttpTimeout" (tried again), "HttpTls" and "HttpResponseTooLarge" (not), as evermill::http.
/// - "LambdaCredentials": there is nothing to sign with; not tried again.
///
/// A canceled attempt is no longer waited for; the function goes on. As it is, the activity has no limits, and is tried again without
/// end: give it others by `with`.
inline constexpr activity<lambda_result(lambda_request)> lambda{.name = "lambda"};

}  // namespace evermill
