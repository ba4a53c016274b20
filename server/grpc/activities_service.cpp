#include "evermill/v1/activities.grpc.pb.h"
#include "server/grpc/service_base.hpp"

namespace evermill::server {
namespace {

class activities_service final : public wire::Activities::Service {
 public:
  explicit activities_service(service_parts& parts) : parts_(parts) {}

  grpc::Status CompleteActivity(grpc::ServerContext* context, const wire::CompleteActivityRequest* request,
                                wire::CompleteActivityResponse*) override {
    return reported(*context, *request, [&] { return activity_completed{from_wire(request->result())}; });
  }
  grpc::Status FailActivity(grpc::ServerContext* context, const wire::FailActivityRequest* request,
                            wire::FailActivityResponse*) override {
    return reported(*context, *request, [&] { return from_wire(request->failure()); });
  }
  grpc::Status CancelActivity(grpc::ServerContext* context, const wire::CancelActivityRequest* request,
                              wire::CancelActivityResponse*) override {
    return reported(*context, *request, [] { return activity_canceled{}; });
  }
  grpc::Status HeartbeatActivity(grpc::ServerContext* context, const wire::HeartbeatActivityRequest* request,
                                 wire::HeartbeatActivityResponse* response) override {
    return reported(
        *context, *request,
        [&] {
          activity_heartbeat beat;
          if (request->has_details()) beat.details = from_wire(request->details());
          return beat;
        },
        [&](bool cancel_requested) { response->set_cancel_requested(cancel_requested); });
  }

 private:
  template <class Request, class Make>
  grpc::Status reported(const grpc::ServerContextBase& context, const Request& request, Make&& make) {
    return reported(context, request, std::forward<Make>(make), [](bool) {});
  }
  template <class Request, class Make, class Tell>
  grpc::Status reported(const grpc::ServerContextBase& context, const Request& request, Make&& make, Tell&& tell) {
    return carried_out(parts_, context, {operation::report_activity, request.namespace_(), request.token(), request.ByteSizeLong()},
                       [&](control& control) { tell(control.report_activity(request.token(), make())); });
  }

  service_parts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_activities_service(service_parts& parts) {
  return std::make_unique<activities_service>(parts);
}

}  // namespace evermill::server
