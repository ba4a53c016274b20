// What Redis does at one go. All keys of a script share one hash tag, so that they lie in one slot.
#pragma once

#include <string_view>

namespace evermill::queue {

struct redis_script {
  std::string_view text;
};

/// Appends a batch once. KEYS: records, fence, incarnation, writer. ARGV: number of the batch, fence (20 digits; all zero:
/// none), milliseconds for which the writer is remembered, count of records, and for each how many words and these.
/// {"ok", last}, {"refused", fence seen} or {"not_found"}.
extern const redis_script append_script;

/// Records behind a position. KEYS: records, incarnation. ARGV: incarnation, position, bytes, written (of the record at the
/// position, or ""). {"ok", reached the end, entries}, {"trimmed"} or {"regressed", why}.
extern const redis_script fetch_script;

/// KEYS: records, incarnation. {incarnation, first, last}, or {} where there is no such partition.
extern const redis_script bounds_script;

/// KEYS: records, incarnation. ARGV: the first position to keep. 1, or 0 where there is no such partition.
extern const redis_script trim_script;

/// KEYS: members, descriptions, changes, coordinator. ARGV: id, milliseconds, may take the lease (1), changes seen,
/// description ("": as it was said), renews (1; otherwise it only looks). {changes, coordinator} where nothing has changed;
/// {changes, coordinator, members} where something has, members as id, description, …; {-1}: say the description again.
extern const redis_script heartbeat_script;

/// KEYS as above. ARGV: id, gives up only the lease (1).
extern const redis_script leave_script;

}  // namespace evermill::queue
