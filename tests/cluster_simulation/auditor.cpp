#include "auditor.hpp"

#include "cluster/snapshot.hpp"
#include "cluster/streams.hpp"
#include "storage/journal.hpp"
#include "storage/memory_store.hpp"
#include "storage/rows.hpp"
#include "storage/stored_row.hpp"
#include "tests/simulation/durable_journal.hpp"

namespace evermill::cluster_simulation {

bool journal_of_run::ended() const {
  if (turns.empty()) return false;
  const messages::TurnRecord& last = turns.back();
  return simulation::ends_run(last.events(last.events_size() - 1));
}

auditor::auditor(std::shared_ptr<queue::memory_server> server, const messages::ClusterDescription& of, random_source& random)
    : partitions_(of.partition_count()),
      broker_(queue::make_memory_broker(std::move(server))),
      store_(storage::make_memory_store()),
      logs_({"auditor", of.cluster_id(), of.partition_count()}, *store_, *broker_, random, *this, loop_.poster(), log()) {
  static_cast<void>(storage::boot_store(*store_, static_cast<std::uint16_t>(partitions_), [] { return std::string("auditor"); }));
  for (std::uint32_t id = 0; id < partitions_; ++id) {
    const auto followed = logs_.follow(partition_id(static_cast<std::uint16_t>(id)));
    if (!followed) problem_ = followed.error().message;
  }
}

auditor::~auditor() { logs_.unfollow_all(); }

void auditor::read() {
  while (loop_.run_one()) {
  }
}

void auditor::on_stopped(partition_id id, const storage::storage_error& why) {
  problem_ = "the log of partition " + std::to_string(id.value) + " can't be followed: " + why.message;
}

bool auditor::has_event(partition_id partition, std::uint64_t run, std::uint64_t seq) const {
  storage::journal_reader reader(*store_, partition, run_number(run));
  storage::stored_turn turn;
  for (auto read = reader.next(turn); read && *read; read = reader.next(turn)) {
    if (turn.last().value >= seq) return true;
  }
  return false;
}

bool auditor::has_text(partition_id partition, const std::string& text) const {
  return rows_of(*store_, partition).find(text) != std::string::npos;
}

std::map<std::pair<std::uint16_t, std::uint64_t>, journal_of_run> auditor::journals() const {
  std::map<std::pair<std::uint16_t, std::uint64_t>, journal_of_run> all;
  for (auto rows = store_->scan(storage::family::journal, "", ""); rows->valid(); rows->next()) {
    auto row = storage::parse_row(storage::family::journal, rows->key(), rows->value());
    if (!row) continue;  // `verify` says so
    auto& turn = std::get<storage::turn_row>(*row);
    journal_of_run& journal = all[{turn.partition.value, turn.run.value}];
    if (journal.turns.empty() && turn.record.events_size() > 0) journal.workflow_id = turn.record.events(0).workflow_execution_started().workflow_id();
    journal.turns.push_back(std::move(turn.record));
  }
  return all;
}

std::string auditor::rows_of(const storage::key_value_store& store, partition_id partition) {
  std::string text;
  const auto found = cluster::look_at_rows(store, partition);
  if (!found || !*found) return text;
  for (const auto& family : (*found)->families) {
    for (; family.rows->valid(); family.rows->next()) {
      text.append(std::to_string(static_cast<int>(family.of))).append(" ");
      text.append(family.rows->key()).append("=").append(family.rows->value()).append("\n");
    }
  }
  return text;
}

}  // namespace evermill::cluster_simulation
