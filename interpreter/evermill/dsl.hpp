/// @file
/// Workflows as files (Serverless Workflow DSL 1.0.3): what every engine runs them with, and the events that they listen to and
/// emit.
///
///     evermill::dsl_input order{.definition = text_of("order.yaml"), .input = {{"id", 7}}};
///     auto running = engine.start(evermill::dsl_workflow, order, {.id = "order-7"});
///
/// docs/yaml.md is the guide.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/handles.hpp"

namespace evermill {

/// What an execution of a file is started with. It travels with the execution: what is changed in a file later changes nothing
/// of what runs.
struct dsl_input {
  std::string definition;              ///< the text of the file, YAML or JSON
  /// The workflow's own input. What looks like the name of a secret in it is made harmless: whoever may choose the input must not
  /// choose secrets, too.
  nlohmann::json input;
  std::vector<std::string> workflows;  ///< the texts of files that it runs by `run: workflow`, and of those that they run
  /// Which of the standard's lifecycle events are sent: "none"; "workflow", those of the workflow; "all", those of its tasks,
  /// too.
  std::string events = "none";
  /// true: the file's `schedule` is left alone, and it is run once.
  bool once = false;
  /// For evermill itself: the input is made by a file that may name secrets, its parent.
  bool input_may_name_secrets = false;
  /// For evermill itself: how far an execution that follows a schedule has come. Null at its start.
  nlohmann::json schedule_progress;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(dsl_input, definition, input, workflows, events, once,
                                                input_may_name_secrets, schedule_progress)

/// Runs a file. Every engine has it. It gives the workflow's output, or fails with the type of the standard's error object,
/// which is the failure's details: type, status, title, detail, instance. A file with problems fails with the type
/// "InvalidDefinition".
inline constexpr child_workflow<nlohmann::json(dsl_input)> dsl_workflow{.name = "evermill.dsl"};

/// What an event bus is told.
struct event_message {
  std::string kind;         ///< "event", "subscribe" or "unsubscribe"
  nlohmann::json event;     ///< of an event: a CloudEvent in JSON, with specversion, id, source and type
  std::string workflow_id;  ///< of a subscription: to whom each event is passed on as a signal
  std::string signal_name;  ///< and the name of that signal
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(event_message, kind, event, workflow_id, signal_name)

/// Who has subscribed to a bus.
struct event_bus_state {
  std::vector<event_message> subscriptions;  ///< in their order; as they came
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(event_bus_state, subscriptions)

/// Passes events on to those that have subscribed, in the order in which they come. One execution for each type of events,
/// which is there once somebody has listened for it, and one that is told all of them; `event_bus_of` names them.
inline constexpr child_workflow<void(event_bus_state)> event_bus{.name = "evermill.events"};
/// How a bus is told.
inline constexpr signal<event_message> event_bus_signal{.name = "evermill.events"};
/// The workflow id of the bus for every event.
inline constexpr std::string_view bus_of_all_events = "evermill.events/*";
/// The longest type of an event, in bytes.
inline constexpr std::size_t longest_event_type = 400;
/// The workflow id of the bus of a type.
inline std::string event_bus_of(std::string_view type) { return std::string("evermill.events/").append(type); }

}  // namespace evermill
