// Tells a torn log from a damaged one where RocksDB does not. Internal to storage/.
#pragma once

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
/// header of zeroes for the end, and drops what follows. `last_block` is what lies behind the last multiple of 32 KiB.
/// True where a good record follows such a one: then it was damaged, and what follows was acknowledged.
bool hides_a_good_record(std::string_view last_block, log_kind kind);

/// The same for a file. A file that is gone, or ends with its block, hides nothing.
rocksdb::Status check_log_tail(rocksdb::Env& env, const std::string& file, log_kind kind);

}  // namespace evermill::storage
