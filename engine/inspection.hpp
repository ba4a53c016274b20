// What a store says about executions, without a node: for describe, list and history.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/partition_ports.hpp"
#include "base/ids.hpp"
#include "evermill/engine.hpp"
#include "messages/journal.pb.h"
#include "messages/state.pb.h"
#include "storage/key_value_store.hpp"

namespace evermill::inspection {

/// All throw engine_error (storage) where the store can't be read; those named for one execution also not_found.
messages::InstanceHeader existing_header(const storage::key_value_store& store, partition_id partition,
                                         std::string_view workflow_id);
/// The event that ended the execution with this header; nothing while it runs.
std::optional<messages::Event> find_end(const storage::key_value_store& store, partition_id partition,
                                        const messages::InstanceHeader& header);
execution_description describe(const storage::key_value_store& store, partition_id partition,
                               std::string_view workflow_id);
listed_execution listed(std::string&& workflow_id, const messages::InstanceHeader& header);
/// Up to `limit` executions of the partition after the workflow id `after`.
std::vector<listed_execution> list(const storage::key_value_store& store, partition_id partition,
                                   std::string_view after, std::size_t limit);
std::vector<history_event> history(const storage::key_value_store& store, partition_id partition,
                                   std::string_view workflow_id, std::uint64_t from_seq, std::size_t limit);

struct history_request {
  std::uint64_t run_number = 0;  ///< 0: the current one
  std::uint64_t from_seq = 1;
  std::size_t limit = 0;
  std::size_t max_bytes = 0;
};
history_page read_history(const storage::key_value_store& store, partition_id partition, std::string_view workflow_id,
                          const history_request& wanted);

/// Replays the current run and asks its code. Throws engine_error: unknown_workflow, refused, blocked (the code does not fit).
payload query(const storage::key_value_store& store, const registry& definitions, partition_id partition,
              const actors::query_request& query);

}  // namespace evermill::inspection
