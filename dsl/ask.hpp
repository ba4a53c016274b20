// `call: evermill.ask`, a function of evermill's own: a task for a person.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "dsl/duration.hpp"
#include "dsl/tasks_fwd.hpp"
#include "dsl/value_template.hpp"

namespace evermill::dsl {

struct ask_call {
  std::optional<value_template> title;     ///< none: the task's name
  std::optional<value_template> assignee;  ///< none: whoever claims it
  std::optional<value_template> candidate_groups;
  std::optional<value_template> question;
  nlohmann::json form;                    ///< the JSON Schema of the answer; null: any answer
  std::optional<duration_value> timeout;  ///< from the beginning on
  task_list_pointer announce;             ///< done when the task is open; null: none
  std::optional<duration_value> remind_every;
  task_list_pointer remind;  ///< done each time; null where there is no `remind_every`
};

}  // namespace evermill::dsl
