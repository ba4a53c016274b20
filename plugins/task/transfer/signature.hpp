// AWS Signature Version 4, for requests whose body is known.
//
// libcurl 7.88 signs, too, but takes path and query as they are, while AWS encodes the path once more (all services but S3) and sorts
// the query: an ARN in a path ("%3A") would never be accepted.
#pragma once

#include <chrono>

#include "plugins/task/transfer/transfer.hpp"

namespace evermill::tasks {

/// The headers to add: authorization, x-amz-date, x-amz-content-sha256 and, with a session token, x-amz-security-token. All headers of
/// the request are signed. Its URL is sent as it stands, so that its path and query must be encoded already.
transfer_headers sign(const transfer_request& request, const transfer_signer& signer, std::chrono::system_clock::time_point now);

}  // namespace evermill::tasks
