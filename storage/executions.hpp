// The index of executions: what lists and counts are made from. Each execution has one row, whose key says how it is, of which
// type, and when it started, so that whatever is asked for lies together, newest first.
//
//   partition, state, workflow type, 00, start (latest first), workflow id → nothing
//
// The type has its namespace's prefix (base/namespaces.hpp), so that those of a namespace lie together, too.
// Derived from the headers, and written by the commits that write those. docs/storage-format.md gives the bytes.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "messages/state.pb.h"
#include "storage/key_value_store.hpp"

namespace evermill::storage {

/// PartitionState.execution_index of a partition whose index holds all of its executions.
inline constexpr std::uint32_t execution_index_version = 1;

/// How an execution is, as lists tell: messages::ExecutionStatus, or `blocked`. The numbers are part of the storage format.
enum class listed_state : std::uint8_t {
  none = 0,  ///< it has no row
  running = 1,
  completed = 2,
  failed = 3,
  canceled = 4,
  terminated = 5,
  timed_out = 6,
  blocked = 0x81,  ///< runs, and takes no turns
};
listed_state listed_state_of(const messages::InstanceHeader& header) noexcept;

/// Where an execution stands in all lists: they are in this order. It keeps its place for as long as it is there: the start is
/// that of its first run.
struct list_position {
  std::int64_t started_us = 0;
  std::string workflow_id;
  friend bool operator==(const list_position&, const list_position&) = default;
};
/// The newer one; of two of one time, that of the lesser workflow id.
bool is_before(const list_position& a, const list_position& b) noexcept;
std::int64_t execution_started_us(const messages::InstanceHeader& header) noexcept;

struct execution_row {
  partition_id partition;
  listed_state is = listed_state::none;
  std::string workflow_type;  ///< with its namespace's prefix
  list_position at;
  friend bool operator==(const execution_row&, const execution_row&) = default;
};
/// What the index holds of an execution with this header.
execution_row execution_row_of(partition_id partition, std::string_view workflow_id, const messages::InstanceHeader& header);

void put_execution(write_batch& batch, const execution_row& row);
void erase_execution(write_batch& batch, const execution_row& row);
/// All rows of the partition.
storage_result<void> erase_executions(write_batch& batch, const key_value_store& store, partition_id partition);
storage_result<bool> has_execution(const key_value_store& store, const execution_row& row);

/// Which executions are wanted.
struct execution_query {
  std::vector<listed_state> states;  ///< one of them; empty: whatever it is
  std::string name_space;            ///< as namespaces::prefix_of gives it: those of this namespace
  std::string workflow_type;         ///< "": any
  std::int64_t from_us = 0;          ///< started then or later
  std::int64_t before_us = std::numeric_limits<std::int64_t>::max();  ///< started before
  std::string id_prefix;             ///< of the workflow id, as users know it
  std::string hidden_prefix;         ///< not those whose workflow ids, as users know them, begin with it; "": all
  bool all_namespaces = false;       ///< whatever namespace they are of; with name_space, workflow_type and id_prefix empty
};

struct found_execution {
  list_position at;
  messages::InstanceHeader header;
};
struct executions_page {
  std::vector<found_execution> rows;  ///< in the order of lists
  /// Where to go on; nothing: these were the last ones.
  std::optional<list_position> next_after;
};
/// Up to `limit` executions of the partition after `after`, as of one moment; fewer where some have changed since that moment so that
/// they do not fit the query any more. Reads rows in proportion to `limit` and to how many types there are. With `id_prefix` it
/// may read all that fits the rest of the query.
storage_result<executions_page> find_executions(const key_value_store& store, partition_id partition, const execution_query& query,
                                                const std::optional<list_position>& after, std::size_t limit);

/// Executions of the partition that have ended before a time: which retention has deleted. `name_space` as in execution_query. Looks at up
/// to `most` that were started before that time; `resume` says where to go on, and is empty for the first call and when there are no more.
storage_result<std::vector<found_execution>> find_ended(const key_value_store& store, partition_id partition, const std::string& name_space,
                                                        std::int64_t before_us, std::string& resume, std::size_t most);

struct executions_count {
  listed_state is = listed_state::none;
  std::uint64_t count = 0;
};
/// How many there are by state; states without any are left out. Reads all their keys, as of one moment: up to `most`, and `resume`
/// says where to go on, as of another one. `resume` is empty for the first call, and when there is no more.
storage_result<std::vector<executions_count>> count_executions(const key_value_store& store, partition_id partition,
                                                               const execution_query& query, std::string& resume,
                                                               std::size_t most = std::numeric_limits<std::size_t>::max());

}  // namespace evermill::storage
