// Asking an OAuth 2 authorization server for a token (RFC 6749, RFC 7523, RFC 8693), and what it answers.
#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "evermill/http.hpp"
#include "plugins/task/task_backend.hpp"
#include "plugins/task/transfer/transfer.hpp"

namespace evermill::tasks {

/// Is a token to be asked for? Throws payload_error where that can't be, as it stands.
bool needs_token(const http_authentication& shown);

/// Of OAuth 2. For OpenID Connect it is asked for: discovery_url.
std::string token_url(const http_authentication& shown);
std::string discovery_url(const http_authentication& shown);

/// By the grant that `shown` names, or by a refresh token that came with the last one. `surroundings` has the TLS settings.
transfer_request token_request(const http_authentication& shown, const std::string& url, const std::string& refresh_token,
                               const transfer_request& surroundings);

struct granted_token {
  std::string token;
  std::string refresh_token;            ///< "": none
  std::chrono::microseconds valid_for;  ///< with a margin
};

/// What became of a token request: a token, or why there is none, as a failure of the attempt that wanted it.
struct token_answer {
  std::optional<granted_token> granted;
  failed why;
};
token_answer answer_of(const http_authentication& shown, const transfer_result& result, timestamp now);
/// Of the discovery: where tokens are given.
struct discovered {
  std::optional<std::string> token_url;
  failed why;
};
discovered discovered_of(const http_authentication& shown, const transfer_result& result, timestamp now);

}  // namespace evermill::tasks
