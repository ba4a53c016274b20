// The store under test, watched: what its successful writes made durable is kept a second time, and the journals are
// checked as they grow. After a restart the store must hold just that.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consumption.hpp"
#include "durable_journal.hpp"
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

class observed_store final : public storage::key_value_store {
 public:
  explicit observed_store(run_record& record);

  /// A store was opened on `disk`: it must hold what was durable, and perhaps the write whose outcome is unknown.
  void attach(std::unique_ptr<storage::key_value_store> real, const simulated_disk* disk);
  /// Without a disk: what is durable outlives the process by itself.
  void attach_memory();
  /// The process dies: nothing is written any more.
  void detach();

  // Faults of a store without a disk.
  /// The next write fails, and is durable or not.
  void fail_next_write(bool durable) { planned_failure_ = durable; }
  /// Reads find a flipped bit in one of the rows, which is as it was when the damage is mended.
  void damage_a_row(const chooser& choose);
  void mend() { damaged_.reset(); }
  bool is_damaged() const noexcept { return damaged_ != nullptr; }
  /// Did a reader meet the damage? Then it must not go on.
  bool damage_was_read() const noexcept { return damaged_ && damaged_->read; }
  bool failed() const noexcept { return failed_; }

  storage::storage_result<void> write(const storage::write_batch& batch) override;
  storage::storage_result<bool> get(storage::family f, std::string_view key, std::string& value) const override;
  std::unique_ptr<storage::cursor> scan(storage::family f, std::string_view from, std::string_view to) const override;
  bool durable() const override { return true; }
  storage::store_statistics statistics() const override { return {}; }
  storage::storage_result<void> compact() override;
  /// On a disk only.
  storage::storage_result<void> flush(storage::family f);

  /// Compares the store with what must be in it.
  void check_contents();

  /// What a store on a damaged disk turned out to hold.
  enum class contents : std::uint8_t {
    right,               ///< what was durable
    unreadable,          ///< that, as far as it says nothing is wrong
    without_last_write,  ///< what was durable before the last write
    wrong,
  };
  contents judge(const storage::key_value_store& other, std::string& where) const;

  std::uint64_t commits() const noexcept { return commits_; }
  const storage::key_value_store& durable_rows() const { return *twin_; }
  const std::map<run_id, durable_journal>& journals() const { return journals_; }
  const durable_journal* journal(std::uint16_t partition, std::uint64_t run) const;
  /// The run for which the event was put aside last, because it took no turns then; null: never.
  const run_id* last_parked_for(const messages::Event& event) const;

  // Of what is durable.
  /// Has the run not ended, and its command, by number, neither?
  bool is_open(std::uint16_t partition, std::uint64_t run, std::uint64_t seq) const;
  /// Is the end of the command put aside for the run?
  bool is_parked(std::uint16_t partition, std::uint64_t run, std::uint64_t seq) const;
  /// Which attempt of an open activity counts.
  attempt_id current_attempt(std::uint16_t partition, std::uint64_t run, std::uint64_t seq) const;
  /// Is the client's request in a journal or an inbox of the workflow id?
  bool holds(std::uint16_t partition, const std::string& workflow_id, const messages::Event& request) const;

  consumption& consumed() { return consumed_; }

 private:
  struct place {
    storage::family family{};
    std::string key;
    friend auto operator<=>(const place&, const place&) = default;
  };
  struct damaged_row {
    place where;
    std::size_t byte = 0;
    char flip = 0;
    mutable bool read = false;
  };
  class damaged_cursor;

  storage::storage_result<void> write_to_memory(const storage::write_batch& batch);
  void apply(const storage::write_batch& batch);
  void apply_put(storage::family f, std::string_view key, std::string_view value);
  void index_turn(std::string_view key, std::string_view value);
  void index_parked(std::string_view key, std::string_view value);
  void index_header(std::string_view key, std::string_view value);
  void index_state(std::string_view key, std::string_view value);
  void check_attempt(const run_id& id, const messages::Event& end, const std::string& name);
  std::optional<std::string> difference() const;
  std::unique_ptr<storage::key_value_store> twin_and(const storage::write_batch& more) const;

  run_record& record_;
  consumption consumed_;
  std::unique_ptr<storage::key_value_store> real_;
  std::unique_ptr<storage::key_value_store> twin_;
  const simulated_disk* disk_ = nullptr;
  bool alive_ = false;
  bool failed_ = false;
  std::optional<bool> planned_failure_;
  std::shared_ptr<const damaged_row> damaged_;  // shared with cursors
  std::optional<storage::write_batch> unknown_;
  std::set<std::uint64_t> failed_batches_;                       // digests
  std::map<place, std::optional<std::string>> before_last_write_;  // the rows that it changed
  std::map<run_id, durable_journal> journals_;
  std::map<std::string, run_id> parked_for_;  // by event
  std::uint64_t commits_ = 0;
};

}  // namespace evermill::simulation
