// A disk that refuses: the store says so, writes nothing more, and a new opening tells what is there.
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>

#include "stores.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

using rocksdb::IOStatus;
using storage::family;
using storage::storage_errc;

enum class fault { none, append, append_no_space, sync };

class failing_log final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  failing_log(std::unique_ptr<rocksdb::FSWritableFile>&& file, const std::atomic<fault>& what)
      : FSWritableFileOwnerWrapper(std::move(file)), what_(what) {}
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                  rocksdb::IODebugContext* debug) override {
    return refuses_append() ? append_error() : FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification, rocksdb::IODebugContext* debug) override {
    return refuses_append() ? append_error() : FSWritableFileOwnerWrapper::Append(data, options, verification, debug);
  }
  IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    if (what_ == fault::sync) return IOStatus::IOError("fdatasync", "injected");
    return FSWritableFileOwnerWrapper::Sync(options, debug);
  }

 private:
  bool refuses_append() const { return what_ == fault::append || what_ == fault::append_no_space; }
  IOStatus append_error() const {
    return what_ == fault::append ? IOStatus::IOError("write", "injected") : IOStatus::NoSpace("write", "injected");
  }
  const std::atomic<fault>& what_;
};

/// Its write-ahead logs fail as told; everything else works.
class failing_file_system final : public rocksdb::FileSystemWrapper {
 public:
  failing_file_system() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FailingFileSystem"; }
  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file, rocksdb::IODebugContext* debug) override {
    IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    if (status.ok() && name.ends_with(".log")) *file = std::make_unique<failing_log>(std::move(*file), what);
    return status;
  }
  std::atomic<fault> what = fault::none;
};

class WriteFailure : public testing::TestWithParam<std::pair<fault, storage_errc>> {};

TEST_P(WriteFailure, IsReportedAndTheStoreTakesNoMoreWrites) {
  const temporary_directory directory;
  const auto disk = std::make_shared<failing_file_system>();
  const auto env = rocksdb::NewCompositeEnv(disk);
  auto store = open(directory.path(), env.get());
  put(*store, family::timers, "before", "1");
  storage::write_batch batch;
  batch.put(family::timers, "failed", "1");
  disk->what = GetParam().first;
  const auto failed = store->write(batch);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, GetParam().second) << failed.error().message;
  EXPECT_NE(failed.error().message.find(directory.path().string()), std::string::npos);

  disk->what = fault::none;  // although the disk is well again
  const std::uint64_t commits = store->statistics().commits;
  const auto refused = store->write(batch);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("an earlier write failed; open the store anew"), std::string::npos);
  EXPECT_EQ(store->statistics().commits, commits);

  store.reset();
  store = open(directory.path(), env.get());
  row_map rows = rows_of(*store, family::timers);
  rows.erase("failed");  // its outcome is open
  EXPECT_EQ(rows, (row_map{{"before", "1"}}));
  put(*store, family::timers, "after", "1");
}

INSTANTIATE_TEST_SUITE_P(, WriteFailure,
                         testing::Values(std::pair(fault::append, storage_errc::io),
                                         std::pair(fault::append_no_space, storage_errc::no_space),
                                         std::pair(fault::sync, storage_errc::io)));

}  // namespace
}  // namespace evermill::tests
