#include "engine/engine_access.hpp"
#include "evermill/v1/workers.grpc.pb.h"
#include "server/grpc/service_base.hpp"
#include "server/grpc/work_stream.hpp"

namespace evermill::server {
namespace {

class workers_service final : public wire::Workers::CallbackService {
 public:
  workers_service(service_parts& parts, tasks::connected_workers& workers) : parts_(parts), workers_(workers) {}

  grpc::ServerBidiReactor<wire::WorkRequest, wire::WorkResponse>* Work(grpc::CallbackServerContext* context) override {
    return serve_worker(workers_, parts_.streams, [this, context](const wire::WorkerHello& hello) {
      std::vector<call_ticket> tickets;
      const auto admit_queue = [&](std::string_view queue) {
        tickets.push_back(admit(parts_, *context, {operation::run_activities, hello.namespace_(), queue}));
      };
      if (hello.task_queues().empty()) admit_queue("default");
      for (const std::string& queue : hello.task_queues()) admit_queue(queue);
      static_cast<void>(control_of(parts_, hello.namespace_()));
      return tickets;
    });
  }

 private:
  service_parts& parts_;
  tasks::connected_workers& workers_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_workers_service(service_parts& parts) {
  tasks::connected_workers* const workers = engine_access::workers(parts.source);
  return workers == nullptr ? nullptr : std::make_unique<workers_service>(parts, *workers);
}

}  // namespace evermill::server
