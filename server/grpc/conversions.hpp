// Between the interface's values and the API's messages.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <cstddef>
#include <string_view>

#include "evermill/cluster_description.hpp"
#include "evermill/v1/activities.pb.h"
#include "evermill/v1/human_tasks.pb.h"
#include "evermill/v1/operations.pb.h"
#include "evermill/v1/workflows.pb.h"
#include "server/control.hpp"

namespace evermill::server {

namespace wire = evermill::v1;

/// Pages are cut at this size, well below gRPC's limit of 4 MiB for a message.
inline constexpr std::size_t max_page_bytes = 1u << 20;
inline constexpr std::size_t max_page_rows = 1000;

// Each throws control_error (invalid_argument) for what can't be.

void to_wire(payload from, wire::Payload& to);
payload from_wire(const wire::Payload& from);
void to_wire(const failure& from, wire::Failure& to);
failure from_wire(const wire::Failure& from);
/// The epoch is no time: nothing is set.
void to_wire(std::chrono::sys_time<std::chrono::microseconds> from, google::protobuf::Timestamp& to);
std::chrono::sys_time<std::chrono::microseconds> from_wire(const google::protobuf::Timestamp& from);
void to_wire(std::chrono::microseconds from, google::protobuf::Duration& to);
std::chrono::microseconds from_wire(const google::protobuf::Duration& from);

void to_wire(std::string_view workflow_type, payload&& input, start_options&& from, wire::StartWorkflowRequest& to);
/// All but type and input.
start_options from_wire(const wire::StartWorkflowRequest& from);
void to_wire(const started_execution& from, wire::StartWorkflowResponse& to);
started_execution from_wire(const wire::StartWorkflowResponse& from);
void to_wire(const update_end& from, wire::UpdateWorkflowResponse& to);
update_end from_wire(const wire::UpdateWorkflowResponse& from);
void to_wire(const execution_end& from, wire::GetResultResponse& to);
execution_end from_wire(const wire::GetResultResponse& from);

void to_wire(const listed_execution& from, wire::Execution& to);
listed_execution from_wire(const wire::Execution& from);
void to_wire(const execution_filter& from, wire::ExecutionFilter& to);
execution_filter from_wire(const wire::ExecutionFilter& from);
void to_wire(const execution_page& from, wire::ListWorkflowsResponse& to);
execution_page from_wire(const wire::ListWorkflowsResponse& from);
void to_wire(const execution_counts& from, wire::CountWorkflowsResponse& to);
execution_counts from_wire(const wire::CountWorkflowsResponse& from);
void to_wire(const execution_description& from, wire::DescribeWorkflowResponse& to);
execution_description from_wire(const wire::DescribeWorkflowResponse& from);
void to_wire(const history_event& from, wire::HistoryEvent& to);
history_event from_wire(const wire::HistoryEvent& from);
void to_wire(history_page&& from, wire::GetHistoryResponse& to);
history_page from_wire(const wire::GetHistoryResponse& from);

void to_wire(const human_task_summary& from, wire::HumanTask& to);
human_task_summary from_wire(const wire::HumanTask& from);
void to_wire(const human_task_description& from, wire::DescribeHumanTaskResponse& to);
human_task_description from_wire(const wire::DescribeHumanTaskResponse& from);
void to_wire(const lock_description& from, wire::Lock& to);
lock_description from_wire(const wire::Lock& from);
void to_wire(const known_definitions& from, wire::ListDefinitionsResponse& to);
known_definitions from_wire(const wire::ListDefinitionsResponse& from);
void to_wire(const task_queue_description& from, wire::ListTaskQueuesResponse::TaskQueue& to);
task_queue_description from_wire(const wire::ListTaskQueuesResponse::TaskQueue& from);
void to_wire(const control_status& from, wire::GetStatusResponse& to);
control_status from_wire(const wire::GetStatusResponse& from);
void to_wire(const cluster_description& from, wire::GetClusterResponse& to);
cluster_description from_wire(const wire::GetClusterResponse& from);

}  // namespace evermill::server
