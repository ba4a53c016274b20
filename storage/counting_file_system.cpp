#include "storage/counting_file_system.hpp"

#include <utility>

namespace evermill::storage {
namespace {

using rocksdb::FSDirectory;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class counting_file final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  counting_file(std::unique_ptr<FSWritableFile>&& file, file_counters& counters)
      : FSWritableFileOwnerWrapper(std::move(file)), counters_(counters) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options, IODebugContext* debug) override {
    counters_.bytes_written += data.size();
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification, IODebugContext* debug) override {
    counters_.bytes_written += data.size();
    return FSWritableFileOwnerWrapper::Append(data, options, verification, debug);
  }
  IOStatus PositionedAppend(const rocksdb::Slice& data, std::uint64_t offset, const IOOptions& options,
                            IODebugContext* debug) override {
    counters_.bytes_written += data.size();
    return FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, debug);
  }
  IOStatus PositionedAppend(const rocksdb::Slice& data, std::uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo& verification, IODebugContext* debug) override {
    counters_.bytes_written += data.size();
    return FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, verification, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    ++counters_.syncs;
    return FSWritableFileOwnerWrapper::Sync(options, debug);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    ++counters_.syncs;
    return FSWritableFileOwnerWrapper::Fsync(options, debug);
  }
  IOStatus RangeSync(std::uint64_t offset, std::uint64_t bytes, const IOOptions& options,
                     IODebugContext* debug) override {
    ++counters_.syncs;
    return FSWritableFileOwnerWrapper::RangeSync(offset, bytes, options, debug);
  }

 private:
  file_counters& counters_;
};

class counting_directory final : public FSDirectory {
 public:
  counting_directory(std::unique_ptr<FSDirectory>&& directory, file_counters& counters)
      : directory_(std::move(directory)), counters_(counters) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    ++counters_.syncs;
    return directory_->Fsync(options, debug);
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& how) override {
    ++counters_.syncs;
    return directory_->FsyncWithDirOptions(options, debug, how);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override { return directory_->Close(options, debug); }
  std::size_t GetUniqueId(char* id, std::size_t size) const override { return directory_->GetUniqueId(id, size); }

 private:
  std::unique_ptr<FSDirectory> directory_;
  file_counters& counters_;
};

class counting_file_system final : public rocksdb::FileSystemWrapper {
 public:
  counting_file_system(std::shared_ptr<rocksdb::FileSystem> base, file_counters& counters)
      : FileSystemWrapper(std::move(base)), counters_(counters) {}

  const char* Name() const override { return "CountingFileSystem"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    return wrap(FileSystemWrapper::NewWritableFile(name, options, file, debug), file);
  }
  IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                              std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    return wrap(FileSystemWrapper::ReopenWritableFile(name, options, file, debug), file);
  }
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name, const rocksdb::FileOptions& options,
                             std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    return wrap(FileSystemWrapper::ReuseWritableFile(name, old_name, options, file, debug), file);
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options, std::unique_ptr<FSDirectory>* directory,
                        IODebugContext* debug) override {
    IOStatus status = FileSystemWrapper::NewDirectory(name, options, directory, debug);
    if (status.ok()) *directory = std::make_unique<counting_directory>(std::move(*directory), counters_);
    return status;
  }

 private:
  IOStatus wrap(IOStatus status, std::unique_ptr<FSWritableFile>* file) {
    if (status.ok()) *file = std::make_unique<counting_file>(std::move(*file), counters_);
    return status;
  }

  file_counters& counters_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_counting_file_system(std::shared_ptr<rocksdb::FileSystem> base,
                                                               file_counters& counters) {
  return std::make_shared<counting_file_system>(std::move(base), counters);
}

}  // namespace evermill::storage
