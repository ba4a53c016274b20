// What a run of a workflow has in memory while it is interpreted. It belongs to the coroutines of its execution: one thread at
// a time, and nothing of it outlives a replay, as all of it follows from the journal.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/definition.hpp"
#include "evermill/context.hpp"
#include "evermill/dsl.hpp"
#include "interpreter/loaded.hpp"
#include "interpreter/task_records.hpp"

namespace evermill::interpreter {

using json = nlohmann::json;
using time_point = std::chrono::sys_time<std::chrono::microseconds>;

/// Values pass from task to task without being copied.
using value = std::shared_ptr<const json>;
inline value make_value(json of) { return std::make_shared<const json>(std::move(of)); }

/// Variables that loops, catches and the like define around a task, the innermost first.
struct name_binding {
  std::string name;
  value is;
  std::shared_ptr<const name_binding> outer;
};
using names = std::shared_ptr<const name_binding>;
names with_name(names outer, std::string name, value is);

/// A task that is being done: what `$task`, `$input` and `$output` are in its expressions.
struct frame {
  const loaded* of = nullptr;       ///< the definition that the task stands in
  const dsl::task* task = nullptr;  ///< null: the workflow itself
  names locals;
  value raw_input;
  value input;
  value raw_output;                 ///< once it is known
  value output;                     ///< the same
  time_point started_at{};
  value authorization;              ///< what a call was given, as far as it may be seen
  value extended;                   ///< `$task` of an extension's tasks: the task that is extended

  const std::string& pointer() const;
};
using frame_pointer = std::shared_ptr<frame>;

struct instance {
  loaded_pointer main;
  dsl_input given;
  value raw_input;
  std::string workflow_id;
  time_point started_at{};
  value context;                              ///< `$context`
  bool tells_workflow = false, tells_tasks = false;  ///< lifecycle events
  std::vector<loaded_pointer> fetched;        ///< definitions of functions from elsewhere: tasks of theirs are being done
  std::map<std::string, value> resources;     ///< documents by address: each is fetched once
  /// Of tasks that wait or run, by pointer: branches of a fork may call the same function.
  std::multimap<std::string, std::string> phases;
  std::string phase = "running";              ///< of the workflow
  task_records records;                       ///< of the file's own tasks, for `progress`
  std::int64_t scheduled = 0;                 ///< executions that its `schedule` has started
  int work = 0;                               ///< since the last breath

  /// Of the file itself; those of functions from elsewhere are told of by the task that calls them.
  bool is_recorded(const frame& at) const { return at.task != nullptr && at.of == main.get(); }

  /// What `$workflow` is; made when it is asked for.
  const json& descriptor() const;

 private:
  mutable json descriptor_;
};
using instance_pointer = std::shared_ptr<instance>;

/// { iso8601, epoch: { seconds, milliseconds } }
json describe(time_point time);
/// "2026-11-29T12:00:00.000001Z"
std::string iso8601(time_point time);

/// A task and the definition that it stands in. Coroutines take values.
struct task_reference {
  const loaded* of = nullptr;
  const dsl::task* task = nullptr;
};
struct list_reference {
  const loaded* of = nullptr;
  const dsl::task_list* tasks = nullptr;
};

/// A pointer as a label of commands: without control characters, and no longer than a name may be.
std::string label_of(const std::string& pointer);

}  // namespace evermill::interpreter
