// The server's end of a worker's stream.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <vector>

#include "evermill/v1/workers.pb.h"
#include "server/grpc/calls.hpp"

namespace evermill::tasks {
class connected_workers;
}

namespace evermill::server {

/// Asked when the worker has said who it is; throws control_error where it may not work. What it gives is kept until the stream is over.
using worker_admission = std::function<std::vector<std::shared_ptr<admitted_call>>(const v1::WorkerHello&)>;

/// Deletes itself when it is over. `workers` and `open` outlive it.
grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse>* serve_worker(tasks::connected_workers& workers, open_calls& open,
                                                                         worker_admission admit);

}  // namespace evermill::server
