// Tells a torn log from a damaged one where RocksDB does not. Internal to storage/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rocksdb {
class Env;
class Status;
}

namespace evermill::storage {

/// What may lie at the end of a log that was not closed.
enum class log_kind {
  commits,   ///< one synced record after the other: nothing may follow one that is not whole
  manifest,  ///< several records may be synced together, so that a crash can leave zeroes before one
};

/// RocksDB takes a record of a log's last block that seems to reach beyond the end for one that a crash has torn, and a
/// header of zeroes or one that seems to be of a recycled log for the end, and drops what follows. A block has 32 KiB, the
/// last one perhaps less. True where a good record follows such a one, or it is whole but for its length, or no write could
/// have left it: then it was damaged, and what it held was acknowledged.
bool hides_a_good_record(std::string_view block, log_kind kind);

/// What a log of commits holds. RocksDB numbers the rows it is given, over all its logs.
struct log_contents {
  bool ends_whole = true;                      ///< there is nothing behind its last whole batch
  /// The number of its first row; 0: zeroes are in its place; nothing: it has no batch, or the beginning of one at most.
  std::optional<std::uint64_t> first_sequence;
  std::uint64_t next_sequence = 0;              ///< the one behind its last whole batch
};

/// The same for a file, in all its blocks, and what it holds. A file that is gone hides nothing.
rocksdb::Status check_log(rocksdb::Env& env, const std::string& file, log_kind kind, log_contents& contents);

/// RocksDB takes the damaged end of a log for torn although a later log goes on behind it, and leaves a hole between them. Do the rows
/// of `next` begin behind those that `before` must have had? Where a crash has torn `before`, they begin with the one that was lost.
bool lacks_its_end(const log_contents& before, const log_contents& next);

}  // namespace evermill::storage
