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
/// header of zeroes or one that seems to be of a recycled log for the end, and drops what follows. A block has 32 KiB, the
/// last one perhaps less. True where a good record follows such a one, or it is whole but for its length, or no write could
/// have left it: then it was damaged, and what it held was acknowledged.
bool hides_a_good_record(std::string_view block, log_kind kind);

/// The same for a file, in all its blocks. A file that is gone hides nothing.
rocksdb::Status check_log_tail(rocksdb::Env& env, const std::string& file, log_kind kind);

}  // namespace evermill::storage
