// Judges the records of a partition's commit log. Owner, standby and verification all see the same log and judge by this alone,
// so they agree on what was committed, whatever else they believe: a process that was taken for dead and wakes up writes behind
// the claim of the one that followed it, and nobody counts what it writes.
//
//   - the first description holds, later ones are ignored;
//   - a claim holds where its epoch is the reigning one plus one, at the place where it lies: of two, the first wins. A higher one
//     is corruption: it has seen a claim that is missing;
//   - a commit holds where its owner reigns and its number is the last one plus one. One of the reigning owner that skips a number,
//     or of an owner whose claim is not there, is corruption: something is missing, as it is where a claim or a release has seen
//     more commits than there are. One that was written twice is ignored;
//   - a release ends its owner's reign; the epoch stays.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "messages/commit_log.pb.h"
#include "storage/key_value_store.hpp"

namespace evermill::storage {

/// Appends the record's stored form: the frame of messages/record.hpp over the partition.
void append_log_record(std::string& out, partition_id partition, const messages::LogRecord& record);
storage_result<messages::LogRecord> parse_log_record(partition_id partition, std::string_view bytes);

struct log_verdict {
  enum class kind : std::uint8_t {
    described,  ///< the description holds
    claimed,    ///< a new owner reigns
    part,       ///< of a commit that is not whole yet
    committed,  ///< `batch` holds what the commit says
    released,   ///< nobody reigns
    ignored,    ///< `reason` says why
    corrupt,    ///< the log is not what it was, or a writer is wrong: nothing behind may be relied upon. `reason`
  };
  kind what = kind::ignored;
  std::string reason;
  write_batch batch;
};

/// Not thread-safe. Deterministic: the same records give the same verdicts.
class log_judge {
 public:
  /// `from` is where an earlier judge of the same log was; default: at the log's beginning.
  explicit log_judge(partition_id partition, messages::LogPosition from = {});

  /// Records are given in the order in which they lie, `at` is where. One that lies at or before the last one is a repeat.
  log_verdict judge(std::uint64_t at, messages::LogRecord&& record);

  /// Where it is: what a store keeps, and another judge starts from. A commit that is not whole counts as not seen.
  const messages::LogPosition& position() const noexcept { return position_; }
  /// The last record it was given.
  std::uint64_t last_seen() const noexcept { return last_seen_; }
  bool reigns(const messages::Ownership& owner) const;

 private:
  log_verdict describe(const messages::LogDescription& description);
  log_verdict claim(const messages::Claim& claim);
  log_verdict commit(messages::CommitPart&& part);
  log_verdict release(const messages::Release& release);
  bool has_no_claim(const messages::Ownership& by) const;
  log_verdict missing_before(std::uint64_t number, const std::string& what) const;

  partition_id partition_;
  messages::LogPosition position_;
  std::uint64_t last_seen_;
  std::string gathered_;  ///< operations of the parts of the next commit
  std::uint32_t parts_ = 0;
};

bool same_ownership(const messages::Ownership& a, const messages::Ownership& b);

// --- log positions: partition → LogPosition. In stores that follow a commit log.

void put_log_position(write_batch& batch, partition_id partition, const messages::LogPosition& position);
void erase_log_position(write_batch& batch, partition_id partition);
/// A store that has followed nothing has an empty one.
storage_result<messages::LogPosition> load_log_position(const key_value_store& store, partition_id partition);

}  // namespace evermill::storage
