#include "engine/locks.hpp"

#include <algorithm>
#include <utility>

#include "base/namespaces.hpp"
#include "engine/incarnation.hpp"
#include "evermill/exceptions.hpp"
#include "storage/journal.hpp"
#include "storage/rows.hpp"

namespace evermill::inspection {
namespace {

namespace keeper = workflow::locks;
constexpr std::size_t keepers_per_page = 256;

lock_description::user user_of(const keeper::claim& who) { return {who.workflow_id, who.run, who.requested}; }

}  // namespace

/// A run that continues another one may still wait for its first turn: its start is parked.
keeper::lock_state lock_state_of(const storage::key_value_store& store, partition_id partition,
                                 const messages::InstanceHeader& header) {
  const run_number run(header.run_number());
  keeper::lock_reader reader;
  try {
    storage::journal_reader journal(store, partition, run);
    storage::stored_turn turn;
    bool empty = true;
    for (; must(journal.next(turn)); empty = false) reader.add(turn.record.events(0));
    if (empty) {
      for (const auto& [index, parked] : must(storage::scan_parked(store, partition, run))) reader.add(parked.event());
    }
  } catch (const payload_error& error) {
    throw engine_error(engine_errc::storage, "run " + std::to_string(run.value) + " of a lock was told something else: " +
                                                 error.what());
  }
  return reader.state();
}

std::vector<lock_description> locks(const storage::key_value_store& store, partition_id partition, std::string_view after,
                                    std::size_t limit) {
  std::vector<lock_description> found;
  const std::string space(namespaces::prefix_in(after));
  std::string from = std::max(std::string(after), space + std::string(keeper::reserved_prefix));
  while (found.size() < limit) {
    const auto rows = must(storage::list_instances(store, partition, from, keepers_per_page));
    for (const storage::listed_instance& row : rows) {
      if (!keeper::is_reserved(row.workflow_id) || namespaces::prefix_in(row.workflow_id) != space) return found;
      from = row.workflow_id;
      if (!keeper::is_lock(from) || found.size() == limit) continue;
      const keeper::lock_state state = lock_state_of(store, partition, row.header);
      if (state.holders.empty() && state.waiters.empty()) continue;
      auto [name, semaphore] = keeper::name_of(from);
      lock_description& lock = found.emplace_back();
      lock.id = from;
      lock.name = std::move(name);
      lock.semaphore = semaphore;
      lock.permits = state.permits;
      for (const keeper::claim& who : state.holders) lock.holders.push_back(user_of(who));
      for (const keeper::claim& who : state.waiters) lock.waiters.push_back(user_of(who));
    }
    if (rows.size() < keepers_per_page) break;
  }
  return found;
}

}  // namespace evermill::inspection
