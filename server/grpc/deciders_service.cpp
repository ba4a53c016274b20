#include "engine/engine_access.hpp"
#include "evermill/v1/deciders.grpc.pb.h"
#include "server/grpc/decide_stream.hpp"
#include "server/grpc/service_base.hpp"

namespace evermill::server {
namespace {

class refused_decider final : public grpc::ServerBidiReactor<wire::DecideRequest, wire::DecideResponse> {
 public:
  refused_decider() {
    Finish({grpc::StatusCode::UNIMPLEMENTED,
            "this process takes no deciders: they connect to a server that was started with --listen"});
  }
  void OnDone() override { delete this; }
};

class deciders_service final : public wire::Deciders::CallbackService {
 public:
  deciders_service(service_parts& parts, deciders::connected_deciders* hub) : parts_(parts), hub_(hub) {}

  grpc::ServerBidiReactor<wire::DecideRequest, wire::DecideResponse>* Decide(grpc::CallbackServerContext* context) override {
    if (hub_ == nullptr) return new refused_decider();  // deletes itself
    return serve_decider(*hub_, parts_.streams, [this, context](const wire::DeciderHello& hello) {
      static_cast<void>(control_of(parts_, hello.namespace_()));
      std::vector<call_ticket> tickets;
      for (const wire::DecidedWorkflow& each : hello.workflows()) {
        tickets.push_back(admit(parts_, *context, {operation::decide_workflows, hello.namespace_(), each.workflow_type()}));
      }
      return tickets;
    });
  }

 private:
  service_parts& parts_;
  deciders::connected_deciders* const hub_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_deciders_service(service_parts& parts) {
  return std::make_unique<deciders_service>(parts, engine_access::deciders(parts.source));
}

}  // namespace evermill::server
