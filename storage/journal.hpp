// Journals: the append path and the reader. docs/storage-format.md gives the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/ids.hpp"
#include "messages/journal.pb.h"
#include "storage/key_value_store.hpp"

namespace evermill::storage {

/// The one place that appends to a journal: adds `turn`, whose first event has the number `first`, to the batch.
void append_turn(write_batch& batch, partition_id partition, run_number run, event_seq first,
                 const messages::TurnRecord& turn);

struct stored_turn {
  event_seq first;
  messages::TurnRecord record;
  event_seq last() const { return event_seq(first.value + static_cast<std::uint64_t>(record.events_size()) - 1); }
};

/// Reads one run's turns in order. A gap, a bad checksum or an empty turn is `corrupt`, and its message names partition,
/// run and event.
class journal_reader {
 public:
  /// Starts at the turn whose first event is `from`; 1 is the beginning. Another number must be a turn's first event.
  journal_reader(const key_value_store& store, partition_id partition, run_number run, event_seq from = event_seq(1));

  /// Replaces `turn` by the next one and returns true; false at the end.
  storage_result<bool> next(stored_turn& turn);

 private:
  partition_id partition_;
  run_number run_;
  event_seq expected_;
  std::size_t prefix_bytes_;
  std::unique_ptr<cursor> rows_;
};

/// The one turn that starts at `first`; `corrupt` when it is not there.
storage_result<stored_turn> read_turn(const key_value_store& store, partition_id partition, run_number run,
                                      event_seq first);

/// The first event of the turn that has the event `seq`; where the journal ends before it, `seq` itself. Reads few rows, wherever
/// that is.
storage_result<event_seq> first_of_turn(const key_value_store& store, partition_id partition, run_number run, event_seq seq);

/// Is there any turn of the run, readable or not?
/// Erases the whole journal; gives how many turns it had.
storage_result<std::size_t> erase_journal(write_batch& batch, const key_value_store& store, partition_id partition, run_number run);
storage_result<bool> has_journal(const key_value_store& store, partition_id partition, run_number run);

}  // namespace evermill::storage
