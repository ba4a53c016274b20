// Every message between the actors. Values are handed over, never shared: a shared_ptr here has one owner at a time.
//
//   partition ── instance_work ──▶ instance ── instance_report ──▶ partition
//   partition ── commit_request ─▶ committer ── commit_outcome ──▶ partition
//   partition ── dispatch ───────▶ activities (task backends)
//   remote instance ── question ─▶ hub of deciders ── verdict ──▶ remote instance
//   node ── query_request ───────▶ partition        turn watch ── overdue_turn ▶ partition
//   queue's callback ── readable ▶ partition        clock's alarm ── tick ▶ partition
#pragma once

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/type_id.hpp>

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "actors/partition.hpp"
#include "actors/partition_ports.hpp"
#include "actors/turn_watch.hpp"
#include "deciders/decider_hub.hpp"

namespace evermill::actors {

struct commit_request {
  storage::write_batch batch;
};

struct commit_outcome {
  std::optional<storage::storage_error> error;
};

/// For the activity actor: attempts to run and attempts to cancel.
struct dispatch {
  std::vector<std::shared_ptr<const messages::ActivityTask>> tasks;
  std::vector<attempt_cancellation> cancellations;
  bool admitted = false;  ///< the task queues have released the tasks
};

/// Asked of a partition: its figures, and whether it has come to rest.
struct partition_look {
  std::promise<std::pair<partition_statistics, bool>> answer;
};

/// Asked of a node's starter.
struct partition_start {
  std::function<caf::actor()> spawn;
  std::promise<caf::actor> spawned;
};

/// The turn's code has not come back.
struct overdue_turn {
  turn_name what;
};

using instance_work_ptr = std::shared_ptr<instance_work>;
using instance_report_ptr = std::shared_ptr<instance_report>;
using commit_request_ptr = std::shared_ptr<commit_request>;
using commit_outcome_ptr = std::shared_ptr<commit_outcome>;
using dispatch_ptr = std::shared_ptr<dispatch>;
using partition_look_ptr = std::shared_ptr<partition_look>;
using partition_start_ptr = std::shared_ptr<partition_start>;
using query_request_ptr = std::shared_ptr<query_request>;
using overdue_turn_ptr = std::shared_ptr<overdue_turn>;
using verdict_ptr = std::shared_ptr<deciders::verdict>;

using readable_atom = caf::atom_constant<caf::atom("readable")>;
using flush_atom = caf::atom_constant<caf::atom("flush")>;
using served_atom = caf::atom_constant<caf::atom("served")>;
using recover_atom = caf::atom_constant<caf::atom("recover")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using resend_atom = caf::atom_constant<caf::atom("resend")>;
using drain_atom = caf::atom_constant<caf::atom("drain")>;
using published_atom = caf::atom_constant<caf::atom("published")>;
using sleep_atom = caf::atom_constant<caf::atom("sleep")>;
using stop_atom = caf::atom_constant<caf::atom("stop")>;

}  // namespace evermill::actors

CAF_BEGIN_TYPE_ID_BLOCK(evermill, first_custom_type_id)
CAF_ADD_TYPE_ID(evermill, (evermill::actors::instance_work_ptr))
CAF_ADD_TYPE_ID(evermill, (evermill::actors::instance_report_ptr))
CAF_ADD_TYPE_ID(evermill, (evermill::actors::commit_request_ptr))
CAF_ADD_TYPE_ID(evermill, (evermill::actors::commit_outcome_ptr))
CAF_ADD_TYPE_ID(evermill, (evermill::actors::dispatch_ptr))
CAF_ADD_TYPE_ID(evermill, (evermill::actors::partition_look_ptr))
CAF_ADD_TYPE_ID(evermill, (evermill::actors::partition_start_ptr))
CAF_ADD_TYPE_ID(evermill, (evermill::actors::query_request_ptr))
CAF_ADD_TYPE_ID(evermill, (evermill::actors::overdue_turn_ptr))
CAF_ADD_TYPE_ID(evermill, (evermill::actors::verdict_ptr))
CAF_END_TYPE_ID_BLOCK(evermill)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::instance_work_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::instance_report_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::commit_request_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::commit_outcome_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::dispatch_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::partition_look_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::partition_start_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::query_request_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::overdue_turn_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(evermill::actors::verdict_ptr)
