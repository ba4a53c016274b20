// RocksDB's warnings and errors as lines of evermill's log.
#pragma once

#include <memory>

#include "base/log.hpp"

namespace rocksdb {
class Logger;
}

namespace evermill::storage {

/// RocksDB's own log file asserts when it is written to again after a failed write (Debian's library has assertions on),
/// which would end the process when the disk is full: its lines go into ours.
std::shared_ptr<rocksdb::Logger> make_rocksdb_lines(log lines);

}  // namespace evermill::storage
