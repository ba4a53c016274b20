// The services of the API, over an engine in this process.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>
#include <string>
#include <vector>

#include "server/blocking_threads.hpp"
#include "server/gate.hpp"
#include "server/grpc/calls.hpp"

namespace evermill::server {

/// What the services of one server share. Outlives them.
struct service_parts {
  service_parts(engine& of, gate* asked) : source(of), admission(asked) {}

  engine& source;
  gate* const admission;  ///< null: whoever can connect may do everything
  open_calls waits;       ///< of those who wait for an end
  open_calls streams;
  blocking_threads threads{4};  ///< that read histories for streams

  /// Everything that waits is told to end. No stream reads any more after return.
  void stop();
};

std::unique_ptr<grpc::Service> make_workflows_service(service_parts& parts);
std::unique_ptr<grpc::Service> make_human_tasks_service(service_parts& parts);
std::unique_ptr<grpc::Service> make_activities_service(service_parts& parts);
std::unique_ptr<grpc::Service> make_operations_service(service_parts& parts);
/// Null: the engine accepts no workers.
std::unique_ptr<grpc::Service> make_workers_service(service_parts& parts);
/// Refuses those who connect where the engine accepts none.
std::unique_ptr<grpc::Service> make_deciders_service(service_parts& parts);

}  // namespace evermill::server
