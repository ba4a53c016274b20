// One POST, by libcurl.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace evermill::notify {

struct post_request {
  std::string url;
  std::string body;  ///< JSON
  std::vector<std::pair<std::string, std::string>> headers;
};

struct post_response {
  long status = 0;
  std::string body;                 ///< the first part of a large one
  std::optional<long> retry_after;  ///< seconds
};

/// Throws activity_failure: "InvalidPayload" for what can't be sent, "NotifyUnavailable" where nobody answers, neither with the
/// URL's path, which may be secret; activity_canceled when it is told to stop.
post_response post(const post_request& request, const std::stop_token& stop);

}  // namespace evermill::notify
