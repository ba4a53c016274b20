// A request as the API gets it: carried out or refused with control_error. The engine keeps everything in memory and runs no activity.
#include <memory>

#include "evermill/engine.hpp"
#include "fuzz_input.hpp"
#include "server/grpc/conversions.hpp"
#include "server/grpc/status.hpp"
#include "server/local_control.hpp"
#include "tests/golden/golden_workflows.hpp"

using namespace evermill;

namespace {

engine& shared_engine() {
  engine_options options;
  options.mode = engine_mode::record;
  options.partitions = 1;
  options.workflow_threads = 1;
  options.native_threads = 1;
  static engine shared(golden::definitions(), options);
  return shared;
}

template <class Request, class Handle>
int handle(std::string_view bytes, Handle&& carry_out) {
  Request request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return 0;
  try {
    carry_out(request);
  } catch (const server::control_error& error) {
    const server::control_error again = server::to_error(server::to_status(error), "the engine");
    fuzz::expect(again.code() == error.code() || again.code() == server::control_errc::stopped, "errors come through as they are");
  }
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace wire = server::wire;
  using server::from_wire;
  server::local_control control(shared_engine());
  fuzz::input in(data, size);
  const std::uint8_t kind = in.byte() % 12;
  const std::string_view bytes = in.rest();
  constexpr std::size_t page = 100;
  switch (kind) {
    case 0:
      return handle<wire::StartWorkflowRequest>(bytes, [&](const auto& r) {
        server::start(control, r.workflow_type(), from_wire(r.input()), from_wire(r));
      });
    case 1:
      return handle<wire::SignalWorkflowRequest>(bytes, [&](const auto& r) {
        server::signal(control, r.workflow_id(), r.signal_name(), from_wire(r.input()), r.request_id());
      });
    case 2: return handle<wire::CancelWorkflowRequest>(bytes, [&](const auto& r) { server::cancel(control, r.workflow_id(), r.reason()); });
    case 3:
      return handle<wire::TerminateWorkflowRequest>(bytes,
                                                    [&](const auto& r) { server::terminate(control, r.workflow_id(), r.reason()); });
    case 4: return handle<wire::TaintWorkflowRequest>(bytes, [&](const auto& r) { control.taint(r.workflow_id()); });
    case 5:
      return handle<wire::DescribeWorkflowRequest>(bytes, [&](const auto& r) {
        wire::DescribeWorkflowResponse response;
        server::to_wire(control.describe(r.workflow_id()), response);
        from_wire(response);
      });
    case 6:
      return handle<wire::ListWorkflowsRequest>(bytes, [&](const auto& r) {
        wire::ListWorkflowsResponse response;
        server::to_wire(control.list(from_wire(r.filter()), r.page_token(), page), response);
        from_wire(response);
      });
    case 7:
      return handle<wire::QueryWorkflowRequest>(
          bytes, [&](const auto& r) { control.query(r.workflow_id(), r.query_name(), from_wire(r.input())); });
    case 8:
      return handle<wire::FailActivityRequest>(bytes,
                                               [&](const auto& r) { control.report_activity(r.token(), from_wire(r.failure())); });
    case 9:
      return handle<wire::CompleteHumanTaskRequest>(bytes, [&](const auto& r) {
        control.complete_human_task(r.task_id(), r.by(), from_wire(r.answer()), r.force());
      });
    case 10:
      return handle<wire::CountWorkflowsRequest>(bytes, [&](const auto& r) { control.counts(from_wire(r.filter())); });
    default:
      return handle<wire::GetHistoryRequest>(
          bytes, [&](const auto& r) { control.read_history(r.workflow_id(), r.run_number(), r.from_seq(), page); });
  }
}
