// A partition's journal and its rows to publish, as a partition writes them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage/journal.hpp"
#include "storage/memory_store.hpp"
#include "storage/rows.hpp"

namespace evermill::publishing {

class journal_writer {
 public:
  explicit journal_writer(storage::key_value_store& store, partition_id partition = partition_id(1))
      : store_(store), partition_(partition) {}

  /// One commit: a run of one turn with so many events. Returns the number of its row.
  std::uint64_t add(std::uint32_t events, const std::string& workflow_type = "orders", std::size_t payload = 0) {
    storage::write_batch batch;
    messages::TurnRecord record;
    record.set_time_us(1'000'000);
    record.add_events()->mutable_workflow_execution_started()->set_workflow_id("w");
    for (std::uint32_t n = 1; n < events; ++n) {
      record.add_events()->mutable_activity_task_scheduled()->mutable_input()->set_data(std::string(payload, '7'));
    }
    storage::append_turn(batch, partition_, run_number(++runs_), event_seq(1), record);
    messages::CommittedTurns turns;
    messages::CommittedTurns::Turn& turn = *turns.add_turns();
    turn.set_run_number(runs_);
    turn.set_first_seq(1);
    turn.set_events(events);
    turn.set_workflow_id("w" + std::to_string(runs_));
    turn.set_workflow_type(workflow_type);
    storage::put_published(batch, partition_, ++last_, turns);
    EXPECT_TRUE(store_.write(batch));
    return last_;
  }
  /// The rows up to `through` are given up.
  void give_up(std::uint64_t through, std::uint64_t events) {
    storage::write_batch batch;
    for (std::uint64_t n = 1; n < through; ++n) storage::erase_published(batch, partition_, n);
    messages::CommittedTurns instead;
    instead.set_lost_events(events);
    instead.set_lost_since(1);
    storage::put_published(batch, partition_, through, instead);
    EXPECT_TRUE(store_.write(batch));
  }

 private:
  storage::key_value_store& store_;
  const partition_id partition_;
  std::uint64_t runs_ = 0;
  std::uint64_t last_ = 0;
};

}  // namespace evermill::publishing
