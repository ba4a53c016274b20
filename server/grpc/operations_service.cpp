#include "base/clock.hpp"
#include "evermill/v1/operations.grpc.pb.h"
#include "server/grpc/service_base.hpp"

namespace evermill::server {
namespace {

constexpr std::size_t default_locks = 100;

class operations_service final : public wire::Operations::Service {
 public:
  explicit operations_service(service_parts& parts) : parts_(parts) {}

  grpc::Status GetStatus(grpc::ServerContext* context, const wire::GetStatusRequest*, wire::GetStatusResponse* response) override {
    return asked(*context, {operation::get_status, {}, {}}, [&](local_control& control) {
      to_wire(control.status(), *response);
      to_wire(std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()), *response->mutable_now());
    });
  }
  grpc::Status ListLocks(grpc::ServerContext* context, const wire::ListLocksRequest* request,
                         wire::ListLocksResponse* response) override {
    return asked(*context, {operation::list_locks, request->namespace_(), {}}, [&](local_control& control) {
      const auto locks = control.locks(request->page_token(), page_rows(request->page_size(), default_locks));
      fill_page(locks, [&](const lock_description& lock) {
        to_wire(lock, *response->add_locks());
        response->set_next_page_token(lock.id);
        return response->locks(response->locks_size() - 1).ByteSizeLong();
      });
    });
  }
  grpc::Status ListDefinitions(grpc::ServerContext* context, const wire::ListDefinitionsRequest* request,
                               wire::ListDefinitionsResponse* response) override {
    return asked(*context, {operation::list_definitions, request->namespace_(), {}},
                 [&](local_control& control) { to_wire(control.definitions(), *response); });
  }
  grpc::Status ListTaskQueues(grpc::ServerContext* context, const wire::ListTaskQueuesRequest* request,
                              wire::ListTaskQueuesResponse* response) override {
    return asked(*context, {operation::list_task_queues, request->namespace_(), {}}, [&](local_control& control) {
      for (const task_queue_description& each : control.task_queues()) to_wire(each, *response->add_task_queues());
    });
  }
  grpc::Status GetCluster(grpc::ServerContext* context, const wire::GetClusterRequest*,
                          wire::GetClusterResponse* response) override {
    return asked(*context, {operation::get_cluster, {}, {}}, [&](local_control&) {
      try {
        to_wire(parts_.source.cluster(), *response);
      } catch (const engine_error& error) {
        throw to_control_error(error);
      }
    });
  }

  grpc::Status SetLogLevel(grpc::ServerContext* context, const wire::SetLogLevelRequest* request,
                           wire::SetLogLevelResponse*) override {
    return asked(*context, {operation::set_log_level, {}, request->level()},
                 [&](local_control& control) { control.set_log_level(request->level()); });
  }

 private:
  template <class F>
  grpc::Status asked(const grpc::ServerContextBase& context, const call_subject& about, F&& call) {
    return carried_out(parts_, context, about, std::forward<F>(call));
  }

  service_parts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_operations_service(service_parts& parts) {
  return std::make_unique<operations_service>(parts);
}

}  // namespace evermill::server
