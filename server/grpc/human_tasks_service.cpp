#include "evermill/v1/human_tasks.grpc.pb.h"
#include "server/grpc/service_base.hpp"

namespace evermill::server {
namespace {

constexpr std::size_t default_tasks = 100;

class human_tasks_service final : public wire::HumanTasks::Service {
 public:
  explicit human_tasks_service(service_parts& parts) : parts_(parts) {}

  grpc::Status ListHumanTasks(grpc::ServerContext* context, const wire::ListHumanTasksRequest* request,
                              wire::ListHumanTasksResponse* response) override {
    return asked(*context, {operation::list_human_tasks, request->namespace_(), {}}, [&](control& control) {
      const human_task_filter wanted{request->assignee(), request->group(), request->name(), request->unassigned()};
      const auto tasks = control.human_tasks(wanted, request->page_token(), page_rows(request->page_size(), default_tasks));
      fill_page(tasks, [&](const human_task_summary& task) {
        to_wire(task, *response->add_tasks());
        response->set_next_page_token(task.task_id);
        return response->tasks(response->tasks_size() - 1).ByteSizeLong();
      });
    });
  }
  grpc::Status DescribeHumanTask(grpc::ServerContext* context, const wire::DescribeHumanTaskRequest* request,
                                 wire::DescribeHumanTaskResponse* response) override {
    return asked(*context, {operation::describe_human_task, request->namespace_(), request->task_id()},
                 [&](control& control) { to_wire(control.describe_human_task(request->task_id()), *response); });
  }
  grpc::Status ClaimHumanTask(grpc::ServerContext* context, const wire::ClaimHumanTaskRequest* request,
                              wire::ClaimHumanTaskResponse*) override {
    return asked(*context, {operation::assign_human_task, request->namespace_(), request->task_id()}, [&](control& control) {
      control.claim_human_task(request->task_id(), request->by(), request->force());
    });
  }
  grpc::Status ReleaseHumanTask(grpc::ServerContext* context, const wire::ReleaseHumanTaskRequest* request,
                                wire::ReleaseHumanTaskResponse*) override {
    return asked(*context, {operation::assign_human_task, request->namespace_(), request->task_id()}, [&](control& control) {
      control.release_human_task(request->task_id(), request->by(), request->force());
    });
  }
  grpc::Status DelegateHumanTask(grpc::ServerContext* context, const wire::DelegateHumanTaskRequest* request,
                                 wire::DelegateHumanTaskResponse*) override {
    return asked(*context, {operation::assign_human_task, request->namespace_(), request->task_id()}, [&](control& control) {
      control.delegate_human_task(request->task_id(), request->by(), request->assignee(), request->force());
    });
  }
  grpc::Status CompleteHumanTask(grpc::ServerContext* context, const wire::CompleteHumanTaskRequest* request,
                                 wire::CompleteHumanTaskResponse*) override {
    return asked(*context, {operation::complete_human_task, request->namespace_(), request->task_id(), request->ByteSizeLong()}, [&](control& control) {
      control.complete_human_task(request->task_id(), request->by(), from_wire(request->answer()), request->force());
    });
  }

 private:
  template <class F>
  grpc::Status asked(const grpc::ServerContextBase& context, const call_subject& about, F&& call) {
    return carried_out(parts_, context, about, std::forward<F>(call));
  }

  service_parts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_human_tasks_service(service_parts& parts) {
  return std::make_unique<human_tasks_service>(parts);
}

}  // namespace evermill::server
