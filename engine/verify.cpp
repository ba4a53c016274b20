#include "evermill/verify.hpp"

#include "engine/advice.hpp"
#include "engine/incarnation.hpp"
#include "engine/verification.hpp"
#include "storage/lock_holder.hpp"
#include "storage/rocksdb_store.hpp"

namespace evermill {
namespace {

/// While it is written to, its files come and go under whoever reads them.
void refuse_while_open(const std::filesystem::path& data_directory) {
  const long holder = storage::lock_holder(data_directory);
  if (holder == 0) return;
  throw engine_error(engine_errc::locked, "data directory \"" + data_directory.string() + "\" is open in process " +
                                              std::to_string(holder) + "; end that one, or verify a copy of the directory");
}

}  // namespace

verify_report verify(const std::filesystem::path& data_directory, const std::function<void(const verify_problem&)>& found) {
  refuse_while_open(data_directory);
  storage::rocksdb_options options;
  options.directory = data_directory;
  options.read_only = true;
  const auto store = storage::open_rocksdb_store(options);
  if (store) return verification::verify_store(**store, found);
  const bool newer = store.error().code == storage::storage_errc::newer_format;
  if (store.error().code != storage::storage_errc::corrupt && !newer) throw_storage_error(store.error());
  verify_report report;
  report.problems = 1;
  const auto advice = newer ? verification::advice::newer : verification::advice::restore;
  if (found) found({.what = store.error().message, .advice = std::string(advice)});
  return report;
}

}  // namespace evermill
