// The server's end of a decider's stream.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "evermill/v1/deciders.pb.h"
#include "server/grpc/calls.hpp"

namespace evermill::deciders {
class connected_deciders;
}

namespace evermill::server {

/// Asked when the decider has said who it is; throws control_error where it may not decide. What it gives is kept until the stream is over.
using decider_admission = std::function<std::vector<std::shared_ptr<admitted_call>>(const v1::DeciderHello&)>;

/// Deletes itself when it is over. `hub` and `open` outlive it.
grpc::ServerBidiReactor<v1::DecideRequest, v1::DecideResponse>* serve_decider(deciders::connected_deciders& hub, open_calls& open,
                                                                              decider_admission admit);

}  // namespace evermill::server
