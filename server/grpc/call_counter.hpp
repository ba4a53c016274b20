// Counts the calls of a server, whichever way they are answered.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "engine/request_metrics.hpp"

namespace evermill::server {

/// For grpc::ServerBuilder. `to` outlives the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> make_call_counter(request_metrics& to);

}  // namespace evermill::server
