// A task, and the kinds of tasks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dsl/calls.hpp"
#include "dsl/data_flow.hpp"
#include "dsl/duration.hpp"
#include "dsl/errors.hpp"
#include "dsl/events.hpp"
#include "dsl/processes.hpp"
#include "dsl/tasks_fwd.hpp"

namespace evermill::dsl {

/// What follows a task.
struct flow_directive {
  enum class kind : std::uint8_t {
    next,  ///< `continue`: the next of the list; behind the last one the list ends
    exit,  ///< the list ends: so does what it belongs to, and the workflow where it is the workflow's own
    end,   ///< the workflow ends
    task,  ///< the task `target` of the same list
  };
  kind what = kind::next;
  std::size_t target = 0;  ///< of kind::task: its index in the list
};

struct do_task {
  task_list tasks;
};

struct fork_task {
  task_list branches;    ///< one task each
  bool compete = false;  ///< the first that ends is the result, else all in the order of the file
};

struct emit_task {
  event_attributes event;
};

struct for_task {
  std::string each = "item";            ///< the name of the variable that holds the item
  std::string at = "index";             ///< and of the one that counts from 0
  expression in;                        ///< gives the list
  std::optional<expression> condition;  ///< `while`: evaluated before each round
  task_list tasks;
};

struct listen_task {
  /// What of an event the task gives.
  enum class reading : std::uint8_t { data, envelope, raw };
  event_consumption to;
  reading read = reading::data;
  std::optional<subscription_iterator> iterator;
};

struct raise_task {
  error_pointer error;
};

struct set_task {
  value_template value;
};

struct switch_task {
  struct branch {
    std::string name;
    std::optional<expression> when;  ///< none: the default
    flow_directive then;
  };
  std::vector<branch> branches;  ///< in the order of the file; at most one has no `when`
};

struct try_task {
  task_list tasks;
  std::optional<error_filter> errors;  ///< none: every error
  std::string as = "error";            ///< the name of the variable that holds the error
  std::optional<expression> when;
  std::optional<expression> except_when;
  retry_pointer retry;                   ///< nullptr where there is none
  std::optional<task_list> catch_tasks;  ///< `catch.do`
};

struct wait_task {
  duration_value wait;
};

/// Lives as long as its definition, at one address.
struct task {
  std::string name;
  std::string pointer;  ///< "/do/0/build/try/1/compile": `$task.reference`, and the `instance` of its errors
  position at;

  std::optional<expression> condition;  ///< `if`: false: the task is skipped
  transformation input;
  transformation output;
  transformation exports;
  std::optional<duration_value> timeout;
  flow_directive then;
  nlohmann::json metadata;  ///< null where there is none

  std::variant<call_task, do_task, emit_task, for_task, fork_task, listen_task, raise_task, run_task, set_task, switch_task,
               try_task, wait_task>
      what;
};

/// "call", "do", …: the property that makes a task what it is.
std::string_view kind_of(const task& of) noexcept;

}  // namespace evermill::dsl
