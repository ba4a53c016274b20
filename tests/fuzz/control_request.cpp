// A request as the control socket gets it: carried out or refused with control_error. The engine keeps everything in memory and
// runs no activity.
#include <memory>

#include "evermill/engine.hpp"
#include "fuzz_input.hpp"
#include "messages/control.pb.h"
#include "server/conversions.hpp"
#include "server/local_control.hpp"
#include "tests/golden/golden_workflows.hpp"
#include "workflow/conversions.hpp"

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
void handle(std::string_view bytes, Handle&& carry_out) {
  Request request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  try {
    carry_out(request);
  } catch (const server::control_error& error) {
    server::to_error(server::to_status(error), "the engine");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  server::local_control control(shared_engine());
  fuzz::input in(data, size);
  const std::uint8_t kind = in.byte() % 11;
  const std::string_view bytes = in.rest();
  namespace wire = server::wire;
  constexpr std::size_t page = 100;
  switch (kind) {
    case 0:
      return handle<wire::StartRequest>(bytes, [&](const auto& r) {
        control.start(r.workflow_type(), workflow::from_message(r.input()), {.id = r.workflow_id()});
      }), 0;
    case 1:
      return handle<wire::SignalRequest>(bytes, [&](const auto& r) {
        control.signal(r.workflow_id(), r.signal_name(), workflow::from_message(r.input()), r.request_id());
      }), 0;
    case 2: return handle<wire::CancelRequest>(bytes, [&](const auto& r) { control.cancel(r.workflow_id(), r.reason()); }), 0;
    case 3:
      return handle<wire::TerminateRequest>(bytes, [&](const auto& r) { control.terminate(r.workflow_id(), r.reason()); }), 0;
    case 4: return handle<wire::TaintRequest>(bytes, [&](const auto& r) { control.taint(r.workflow_id()); }), 0;
    case 5:
      return handle<wire::DescribeRequest>(bytes, [&](const auto& r) {
        wire::DescribeReply reply;
        server::to_wire(control.describe(r.workflow_id()), reply);
        server::from_wire(reply);
      }), 0;
    case 7:
      return handle<wire::QueryRequest>(bytes, [&](const auto& r) {
        control.query(r.workflow_id(), r.query_name(), workflow::from_message(r.input()));
      }), 0;
    case 8:
      return handle<wire::ReportActivityRequest>(bytes, [&](const auto& r) {
        control.report_activity(r.token(), server::from_wire(r));
      }), 0;
    case 9:
      return handle<wire::CompleteHumanTaskRequest>(bytes, [&](const auto& r) {
        control.complete_human_task(r.task_id(), r.by(), workflow::from_message(r.answer()), r.force());
      }), 0;
    case 6: return handle<wire::ListRequest>(bytes, [&](const auto& r) { control.list(r.after(), page); }), 0;
    default:
      return handle<wire::HistoryRequest>(bytes, [&](const auto& r) { control.history(r.workflow_id(), r.from_seq(), page); }), 0;
  }
}
