// The index of executions: a row for each header, which says the same, and no others.
#include "engine/verifier.hpp"
#include "engine/verifier_walk.hpp"
#include "storage/executions.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::verification {

/// An older evermill has made none; the next one that opens the directory does.
bool verifier::has_index(partition_id partition) const {
  return state(partition).execution_index() == storage::execution_index_version;
}

void verifier::check_listed(const storage::header_row& row, const place& where) {
  if (workflow::locks::is_reserved(row.workflow_id) || !has_index(row.partition)) return;
  const auto listed = storage::has_execution(store_, storage::execution_row_of(row.partition, row.workflow_id, row.header));
  if (!listed) return;  // check_executions tells
  if (!*listed) return problem(where, "lists would not show it: it is not in the index of executions as its header says", advice::rebuild);
  ++listed_;
}

void verifier::check_executions() {
  std::uint64_t there = 0;
  walk(family::executions, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::execution_row>(any);
    where.workflow_id = row.at.workflow_id;
    if (known_partition(row.partition, where) && has_index(row.partition)) ++there;
  });
  if (there != listed_) find_executions_without_header();
}

/// There are more rows than headers: looks for the header of each.
void verifier::find_executions_without_header() {
  walk_again(family::executions, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::execution_row>(any);
    where.workflow_id = row.at.workflow_id;
    if (row.partition.value >= partitions_ || !has_index(row.partition)) return;
    const auto header = storage::find_header(store_, row.partition, row.at.workflow_id);
    if (!header) return;  // check_headers tells
    if (!*header) return problem(where, "the index of executions has one that does not exist", advice::restore);
    if (storage::execution_row_of(row.partition, row.at.workflow_id, **header) != row) {
      problem(where, "the index of executions says something else than the header", advice::rebuild);
    }
  });
}

}  // namespace evermill::verification
