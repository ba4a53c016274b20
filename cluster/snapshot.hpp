// Snapshots of a partition: its rows as of a place in its log, in a stream of their own. With one a log need not be kept from its
// beginning: who has nothing reads the newest snapshot, and follows the log from there.
//
//   rows ─▶ begin, parts, end ─▶ read back and checked ─▶ the log, and older snapshots, are trimmed below
//
// All of it blocks, and belongs on a thread that may.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "evermill/broker.hpp"
#include "messages/commit_log.pb.h"
#include "storage/key_value_store.hpp"

namespace evermill::cluster {

/// What a partition's rows were at one moment. The cursors see that moment, however long they are read.
struct snapshot_rows {
  partition_id partition;
  messages::LogPosition position;
  struct family_rows {
    storage::family of{};
    std::unique_ptr<storage::cursor> rows;
  };
  std::vector<family_rows> families;
};

/// To be called while nothing is written to the partition's rows. Nothing: the store has not followed the partition's log.
storage::storage_result<std::optional<snapshot_rows>> look_at_rows(const storage::key_value_store& store, partition_id partition);

/// Writes it, reads it back and checks it, and trims what snapshots make needless: the log through the place of the one that goes on
/// furthest, and what lies before that one. Mostly it is this one; of somebody who has lost the partition and does not know, it is
/// not. Returns the size in bytes of the one that was written.
queue::broker_result<std::uint64_t> write_snapshot(queue::broker& broker, snapshot_rows&& rows, const std::string& member,
                                                   random_source& random);

/// Replaces all rows of the partition by those of the whole snapshot that goes on furthest in the log. Until it returns, and where it fails, the store has
/// followed nothing. missing: there is no snapshot.
storage::storage_result<void> load_snapshot(queue::broker& broker, partition_id partition, storage::key_value_store& store);

}  // namespace evermill::cluster
