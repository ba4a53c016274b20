// Who may do what: grants, actions, and the one function that decides.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/timestamp.hpp"

namespace evermill::server::security {

/// What a grant allows. read is part of operate, operate of admin; worker is part of none and has none of them.
enum class scope : std::uint8_t {
  read,     ///< look at executions, human tasks, definitions; ask queries
  operate,  ///< start, signal, update, cancel, terminate, answer human tasks
  admin,    ///< remove definitions, purge; on all namespaces: namespaces, log level, nodes
  worker,   ///< take tasks of task queues, run code of workflow types
};
std::string_view scope_name(scope which) noexcept;
std::optional<scope> scope_named(std::string_view name) noexcept;

/// Some names, or all there are and will be.
class name_set {
 public:
  name_set() = default;
  /// "*" among them stands for all.
  explicit name_set(std::vector<std::string> names);
  static name_set every() { return name_set({"*"}); }

  bool all() const noexcept { return all_; }
  bool empty() const noexcept { return !all_ && names_.empty(); }
  bool has(std::string_view name) const { return all_ || names_.find(name) != names_.end(); }
  /// In order; "*" alone for all.
  std::vector<std::string> names() const;
  friend bool operator==(const name_set&, const name_set&) = default;

 private:
  bool all_ = false;
  std::set<std::string, std::less<>> names_;
};

struct grant {
  scope what = scope::read;
  name_set namespaces{};
  name_set task_queues{};     ///< of a worker: whose activity tasks it may take
  name_set workflow_types{};  ///< of a worker: whose code it may run
  friend bool operator==(const grant&, const grant&) = default;
};

/// "operate:shop", "worker:*:gpu": for people.
std::string to_string(const grant& of);

/// What an API of a workflow engine does.
enum class action : std::uint8_t {
  // read
  describe_workflow,
  list_workflows,
  count_workflows,
  read_history,
  follow_workflow,
  get_result,
  query_workflow,
  list_human_tasks,
  describe_human_task,
  list_task_queues,
  list_locks,
  list_definitions,
  describe_definition,
  describe_namespace,
  // operate
  start_workflow,
  signal_workflow,
  signal_with_start,
  update_workflow,
  cancel_workflow,
  terminate_workflow,
  taint_workflow,
  claim_human_task,
  complete_human_task,
  delegate_human_task,
  complete_activity_by_token,
  put_definition,
  // admin
  delete_definition,
  purge_workflow,
  import_journal,
  export_journal,
  // worker
  poll_activity_tasks,
  report_activity,
  poll_workflow_tasks,
  decide_workflow,
  // of all namespaces together
  cluster_status,
  change_log_level,
  manage_namespaces,
  manage_nodes,
  // each is told of those that are open to them
  list_namespaces,
};
inline constexpr std::size_t action_count = static_cast<std::size_t>(action::list_namespaces) + 1;

/// "start_workflow": stable, as audit logs have it.
std::string_view action_name(action which) noexcept;
/// Does it change anything? What does is audited.
bool changes(action which) noexcept;

/// What an action is done to, as far as grants can tell it apart.
struct resource {
  std::string_view task_queue{};     ///< of poll_activity_tasks, report_activity, complete_activity_by_token
  std::string_view workflow_type{};  ///< of poll_workflow_tasks, decide_workflow
};

enum class authentication : std::uint8_t {
  none,         ///< nobody is asked here
  token,        ///< a bearer token of the tokens file
  jwt,          ///< a JSON Web Token
  certificate,  ///< a client certificate
};
std::string_view authentication_name(authentication which) noexcept;

/// Who makes a request.
struct principal {
  std::string name;  ///< for people, logs and limits by name; not unique
  std::string id;    ///< unique: "token:a1B2…", "jwt:ISSUER#SUBJECT", "certificate:NAME", "anonymous"
  authentication how = authentication::none;
  std::vector<grant> grants{};
  std::optional<timestamp> expires{};  ///< of what it showed; nothing: never

  /// May it do anything there?
  bool sees(std::string_view name_space) const;
};

/// Nobody is asked who they are: for listeners that need no authentication. May do everything.
principal make_anonymous();

enum class decision : std::uint8_t {
  allowed,
  forbidden,  ///< it sees the namespace, and may not do this there: PERMISSION_DENIED, 403
  hidden,     ///< it may do nothing there: answered as if the namespace did not exist: NOT_FOUND, 404
};

/// Pure: looks at the arguments alone, so that no answer can depend on what exists. Ask before anything is looked up.
/// The namespace of the last group of actions is ignored.
decision allows(const principal& who, action what, std::string_view name_space, const resource& of = {});

/// What to answer where it is not allowed. `hidden` reads the same as for a namespace that does not exist, for which
/// unknown_namespace_text() is the answer to everybody.
std::string refusal_text(decision why, const principal& who, action what, std::string_view name_space, const resource& of = {});
std::string unknown_namespace_text(std::string_view name_space);

}  // namespace evermill::server::security
