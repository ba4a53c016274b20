// The store under test, watched: what its successful writes made durable is kept a second time, and the journals are
// checked as they grow. After a restart the store must hold just that.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "messages/journal.pb.h"
#include "record.hpp"
#include "simulated_disk.hpp"
#include "storage/key_value_store.hpp"

namespace evermill::simulation {

struct run_id {
  std::uint16_t partition = 0;
  std::uint64_t run = 0;
  friend auto operator<=>(const run_id&, const run_id&) = default;
};

/// One run's journal as far as it is durable.
struct durable_journal {
  std::string workflow_id;
  std::vector<messages::TurnRecord> turns;
  std::uint64_t last = 0;
  bool ended = false;

  const messages::Event* event(std::uint64_t seq) const;
  const messages::Event& last_event() const { return turns.back().events(turns.back().events_size() - 1); }
};

class observed_store final : public storage::key_value_store {
 public:
  explicit observed_store(run_record& record);

  /// A store was opened on `disk`: it must hold what was durable, and perhaps the write whose outcome is unknown.
  void attach(std::unique_ptr<storage::key_value_store> real, const simulated_disk* disk);
  /// Without a disk: what is durable outlives the process by itself.
  void attach_memory();
  /// The process dies: nothing is written any more.
  void detach();

  storage::storage_result<void> write(const storage::write_batch& batch) override;
  storage::storage_result<bool> get(storage::family f, std::string_view key, std::string& value) const override;
  std::unique_ptr<storage::cursor> scan(storage::family f, std::string_view from, std::string_view to) const override;
  bool durable() const override { return true; }
  storage::store_statistics statistics() const override { return {}; }
  storage::storage_result<void> compact() override;

  /// Compares the store with what must be in it.
  void check_contents();

  std::uint64_t commits() const noexcept { return commits_; }
  const storage::key_value_store& durable_rows() const { return *twin_; }
  const std::map<run_id, durable_journal>& journals() const { return journals_; }
  const durable_journal* journal(std::uint16_t partition, std::uint64_t run) const;
  /// The run for which the event was put aside last, because it took no turns then; null: never.
  const run_id* last_parked_for(const messages::Event& event) const;

 private:
  void apply(const storage::write_batch& batch);
  void index(std::string_view key, std::string_view value);
  void index_parked(std::string_view key, std::string_view value);
  void index_all();
  std::optional<std::string> difference() const;

  run_record& record_;
  std::unique_ptr<storage::key_value_store> real_;
  std::unique_ptr<storage::key_value_store> twin_;
  const simulated_disk* disk_ = nullptr;
  bool alive_ = false;
  std::optional<storage::write_batch> unknown_;
  std::map<run_id, durable_journal> journals_;
  std::map<std::string, run_id> parked_for_;  // by event
  std::uint64_t commits_ = 0;
};

}  // namespace evermill::simulation
