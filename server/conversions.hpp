// Between the interface's values and the protocol's messages.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>

#include "messages/control.pb.h"
#include "server/control.hpp"

namespace evermill::server {

namespace wire = evermill::control::v1;

/// Raised when a caller or a process of another protocol can't be served.
inline constexpr std::uint32_t protocol_version = 1;

/// Pages are cut at this size, well below gRPC's limit of 4 MiB for a message.
inline constexpr std::size_t max_page_bytes = 1u << 20;
inline constexpr std::size_t max_page_rows = 1000;

grpc::Status to_status(const control_error& error);
/// Of a call that did not succeed. `who` names the other process.
control_error to_error(const grpc::Status& status, const std::string& who);

void to_wire(const listed_execution& from, wire::ListedExecution& to);
void to_wire(const execution_description& from, wire::DescribeReply& to);
void to_wire(const history_event& from, wire::HistoryEvent& to);
void to_wire(const execution_end& from, wire::WaitReply& to);
void to_wire(const update_end& from, wire::UpdateReply& to);
/// All but the input.
void to_wire(std::string_view workflow_type, start_options&& from, wire::StartRequest& to);
start_options from_wire(const wire::StartRequest& from);
update_end from_wire(const wire::UpdateReply& from);
void to_wire(activity_report&& from, wire::ReportActivityRequest& to);
void to_wire(const human_task_summary& from, wire::HumanTask& to);
void to_wire(const human_task_description& from, wire::DescribeHumanTaskReply& to);
void to_wire(const lock_description& from, wire::Lock& to);
human_task_summary from_wire(const wire::HumanTask& from);
human_task_description from_wire(const wire::DescribeHumanTaskReply& from);
lock_description from_wire(const wire::Lock& from);
listed_execution from_wire(const wire::ListedExecution& from);
execution_description from_wire(const wire::DescribeReply& from);
history_event from_wire(const wire::HistoryEvent& from);
execution_end from_wire(const wire::WaitReply& from);
/// Throws control_error (invalid_argument) for a request that says nothing.
activity_report from_wire(const wire::ReportActivityRequest& from);

}  // namespace evermill::server
