/// @file
/// Calling gRPC services as an activity, by the text of their .proto file: co_await ctx.call(evermill::grpc_call, request).
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "evermill/handles.hpp"
#include "evermill/secrets.hpp"

namespace evermill {

/// A call of a method. One that can't be made as it stands (a .proto that is none, a method or a field that it does not have) fails the
/// activity with the type "InvalidPayload".
struct grpc_request {
  std::string proto;    ///< the text of the .proto file that has the service
  /// Texts of files that it imports, by the names under which it does. Google's own (google/protobuf/….proto) are there.
  std::map<std::string, std::string> imports;
  std::string service;  ///< its name, with or without the package
  std::string method;   ///< its name
  std::string host;     ///< of the server: a name or an address
  std::int64_t port = 443;  ///< of the same: 1 to 65535
  /// The message, as protobuf's JSON mapping has it; null: an empty one. Of a method that takes a stream: a list of them.
  nlohmann::json arguments;
  std::map<std::string, std::string> metadata;  ///< sent with the call; names in lower case
  nlohmann::json authentication;                ///< as http_request::authentication, but for digest
  bool tls = false;         ///< the server must have a certificate for its name by someone trusted
  std::string ca_file;      ///< PEM, who is trusted; "": who the system trusts
  std::string certificate_file;  ///< PEM, this client's certificate; "": none
  std::string key_file;          ///< PEM, its key
  std::int64_t max_response_bytes = 16 << 20;  ///< of all that the server sends; more fails ("GrpcResponseTooLarge", not retried)
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(grpc_request, proto, imports, service, method, host, port, arguments, metadata,
                                                authentication, tls, ca_file, certificate_file, key_file, max_response_bytes)

/// Calls a method of a gRPC service. The result is the response in protobuf's JSON mapping (fields without a value have their default,
/// 64-bit integers are strings), of a method that answers with a stream a list of all of them. Every engine has it, a
/// testing::environment has not: replace it there. Fails with the types
///
/// - "Grpc" and the status as the standard names it: "GrpcUnavailable", "GrpcResourceExhausted", "GrpcAborted", "GrpcDeadlineExceeded",
///   "GrpcCancelled", "GrpcUnknown" and "GrpcInternal", which are tried again; "GrpcNotFound", "GrpcInvalidArgument",
///   "GrpcPermissionDenied", "GrpcUnauthenticated", "GrpcUnimplemented" and all others, which are not. Details: {code, status, message}.
/// - "HttpAuthentication": the authorization server gives no token.
///
/// The server is told start_to_close as the call's deadline. A canceled call is canceled there, too. As it is, the activity has no
/// limits, and is tried again without end: give it others by `with`.
inline constexpr activity<nlohmann::json(grpc_request)> grpc_call{.name = "grpc"};

}  // namespace evermill
