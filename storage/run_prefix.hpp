// RocksDB's notion of "the rows of one run", for memtables that are ordered within a run only.
#pragma once

#include <rocksdb/slice_transform.h>

#include <memory>
#include <string_view>

namespace evermill::storage {

/// The first part of a key of the journal: partition and run, without what follows. Shorter or malformed keys are taken
/// whole.
std::string_view run_prefix_of(std::string_view key);

/// Does everything from `from` up to `to` belong to the run that `from` names? Then a scan needs no order among runs.
bool within_one_run(std::string_view from, std::string_view to);

std::shared_ptr<const rocksdb::SliceTransform> make_run_prefix();

}  // namespace evermill::storage
