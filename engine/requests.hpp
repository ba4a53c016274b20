// What callers ask for, as the decision events that partitions are given, and what they answer.
#pragma once

#include <string_view>

#include "actors/partition_ports.hpp"
#include "base/random.hpp"
#include "engine/human_tasks.hpp"
#include "evermill/engine.hpp"
#include "messages/decision.pb.h"

namespace evermill::requests {

/// All throw engine_error: invalid_argument for an id or name that can't be, `start` also unknown_workflow. `definitions`: null where
/// other processes know what they can run.
messages::DecisionEvent start(const registry* definitions, random_source& random, std::string_view workflow_type,
                              payload&& input, start_options&& options);
messages::DecisionEvent signal(std::string_view workflow_id, std::string_view signal_name, payload&& input,
                               std::string_view request_id);
/// `update_id` may not be empty.
messages::DecisionEvent update(std::string_view workflow_id, std::string_view update_name, payload&& input,
                               std::string_view update_id);
actors::query_request query(std::string_view workflow_id, std::string_view query_name, payload&& input);
messages::DecisionEvent cancel(std::string_view workflow_id, std::string_view reason);
messages::DecisionEvent terminate(std::string_view workflow_id, std::string_view reason);
messages::DecisionEvent taint(std::string_view workflow_id);
messages::DecisionEvent assign(const human_task_place& task, messages::HumanTaskAssigned::Kind kind, std::string_view by,
                               std::string_view assignee, bool force);
messages::DecisionEvent complete(const human_task_place& task, std::string_view by, payload&& answer, bool force);

/// Of an answer that is not `accepted`.
engine_error error_of(const actors::answer& answer);

}  // namespace evermill::requests
