#include "simulated_disk.hpp"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace evermill::simulation {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::uint64_t parts = 256;

IOStatus power_is_off() { return IOStatus::IOError("the power was cut"); }
IOStatus disk_is_full() { return IOStatus::NoSpace("no space left on the simulated disk"); }
IOStatus disk_error() { return IOStatus::IOError("the simulated disk failed"); }

/// Of RocksDB's logs: blocks of 32 KiB; a record is checksum (4 bytes), length (2), type (1), payload.
constexpr std::size_t log_block_bytes = 32u << 10;
constexpr std::size_t log_header_bytes = 7;
constexpr std::size_t sector_bytes = 512;

/// Where the records of a log begin. What their headers say decides where the log ends, and they are few of its bytes.
std::vector<std::size_t> record_headers(const std::string& name, const std::string& data) {
  std::vector<std::size_t> found;
  if (!name.ends_with(".log") && name.find("/MANIFEST-") == std::string::npos) return found;
  for (std::size_t at = 0; at + log_header_bytes <= data.size();) {
    const std::size_t left = log_block_bytes - at % log_block_bytes;
    if (left < log_header_bytes) {
      at += left;
      continue;
    }
    found.push_back(at);
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(data[at + i])); };
    at += log_header_bytes + (byte(4) | byte(5) << 8);
  }
  return found;
}

std::string without_trailing_slash(const std::string& path) {
  return !path.empty() && path.back() == '/' ? path.substr(0, path.size() - 1) : path;
}

class silent_logger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

/// The last byte of a table's properties block, as its meta index says; the file's size where that can't be read.
/// https://github.com/facebook/rocksdb/wiki/Rocksdb-BlockBasedTable-Format
std::size_t end_of_properties(const std::string& table) {
  constexpr std::string_view name = "rocksdb.properties";
  const std::size_t found = table.rfind(name);
  if (found == std::string::npos) return table.size();
  std::size_t at = found + name.size();
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0; at < table.size() && shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(table[at++]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  const std::uint64_t begin = varint();
  return static_cast<std::size_t>(begin + varint() - 1);
}

}  // namespace

// --- files

class simulated_disk::writable_file final : public rocksdb::FSWritableFile {
 public:
  writable_file(simulated_disk& disk, inode_ptr file) : disk_(disk), file_(std::move(file)), generation_(disk.generation_) {}

  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    const verdict v = disk_.begin_operation(generation_, true);
    if (generation_ != disk_.generation_) return power_is_off();
    const std::size_t written = v.what == fault::none ? data.size() : data.size() * v.part / parts;
    file_->data.append(data.data(), written);
    file_->written_in = generation_;
    return status_of(v.what);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    if (generation_ != disk_.generation_) return power_is_off();
    if (size < file_->data.size()) file_->data.resize(size);
    file_->synced = std::min<std::size_t>(file_->synced, size);
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    const verdict v = disk_.begin_operation(generation_, false);
    if (generation_ != disk_.generation_) return power_is_off();
    if (v.what == fault::none) file_->synced = file_->data.size();
    return status_of(v.what);
  }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    return file_->data.size();
  }

  static IOStatus status_of(fault what) {
    switch (what) {
      case fault::none: return IOStatus::OK();
      case fault::io_error: return disk_error();
      case fault::no_space: return disk_is_full();
      case fault::power_cut: return power_is_off();
    }
    return IOStatus::OK();
  }

 private:
  simulated_disk& disk_;
  const inode_ptr file_;
  const std::uint64_t generation_;
};

class simulated_disk::readable_file final : public rocksdb::FSRandomAccessFile, public rocksdb::FSSequentialFile {
 public:
  readable_file(simulated_disk& disk, inode_ptr file) : disk_(disk), file_(std::move(file)), generation_(disk.generation_) {}

  IOStatus Read(std::uint64_t offset, std::size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    const std::lock_guard lock(disk_.mutex_);
    if (generation_ != disk_.generation_) return power_is_off();
    const std::size_t size = file_->data.size();
    const std::size_t count = offset < size ? std::min<std::size_t>(n, size - offset) : 0;
    if (count > 0) std::memcpy(scratch, file_->data.data() + offset, count);
    *result = Slice(scratch, count);
    return IOStatus::OK();
  }
  IOStatus Read(std::size_t n, const IOOptions& options, Slice* result, char* scratch, IODebugContext* debug) override {
    IOStatus status = static_cast<const readable_file*>(this)->Read(place_, n, options, result, scratch, debug);
    if (status.ok()) place_ += result->size();
    return status;
  }
  IOStatus Skip(std::uint64_t n) override {
    place_ += n;
    return IOStatus::OK();
  }
  bool use_direct_io() const override { return false; }
  std::size_t GetRequiredBufferAlignment() const override { return 1; }
  IOStatus InvalidateCache(std::size_t, std::size_t) override { return IOStatus::OK(); }

 private:
  simulated_disk& disk_;
  const inode_ptr file_;
  const std::uint64_t generation_;
  std::uint64_t place_ = 0;
};

class simulated_disk::directory final : public rocksdb::FSDirectory {
 public:
  explicit directory(simulated_disk& disk) : disk_(disk), generation_(disk.generation_) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    const verdict v = disk_.begin_operation(generation_, false);
    if (generation_ != disk_.generation_) return power_is_off();
    if (v.what == fault::none) {
      disk_.durable_entries_ = disk_.entries_;
      disk_.changes_.clear();
    }
    return writable_file::status_of(v.what);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  simulated_disk& disk_;
  const std::uint64_t generation_;
};

// --- the file system

class simulated_disk::file_system final : public rocksdb::FileSystem {
 public:
  explicit file_system(simulated_disk& disk) : disk_(disk) {}
  const char* Name() const override { return "SimulatedDisk"; }

  IOStatus NewSequentialFile(const std::string& name, const FileOptions&, std::unique_ptr<rocksdb::FSSequentialFile>* out,
                             IODebugContext*) override {
    return open_for_reading(name, out);
  }
  IOStatus NewRandomAccessFile(const std::string& name, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* out, IODebugContext*) override {
    return open_for_reading(name, out);
  }
  IOStatus NewWritableFile(const std::string& name, const FileOptions&, std::unique_ptr<rocksdb::FSWritableFile>* out,
                           IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    if (!disk_.keeps_options_files_ && name.find("/OPTIONS-") != std::string::npos) return disk_error();
    const verdict v = disk_.begin_operation(disk_.generation_, true);
    if (v.what != fault::none) return writable_file::status_of(v.what);
    auto file = std::make_shared<inode>();
    disk_.enter(name, file);
    *out = std::make_unique<writable_file>(disk_, std::move(file));
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* out, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    const auto found = disk_.entries_.find(name);
    if (found == disk_.entries_.end()) return IOStatus::NotFound(name);
    *out = std::make_unique<writable_file>(disk_, found->second);
    return IOStatus::OK();
  }
  IOStatus NewDirectory(const std::string&, const IOOptions&, std::unique_ptr<rocksdb::FSDirectory>* out,
                        IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    *out = std::make_unique<directory>(disk_);
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& name, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    return disk_.entries_.contains(name) ? IOStatus::OK() : IOStatus::NotFound(name);
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* out,
                       IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    const std::string prefix = without_trailing_slash(path) + "/";
    out->clear();
    for (const auto& [name, file] : disk_.entries_) {
      if (name.starts_with(prefix)) out->push_back(name.substr(prefix.size()));
    }
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    const verdict v = disk_.begin_operation(disk_.generation_, false);
    if (v.what != fault::none) return writable_file::status_of(v.what);
    if (!disk_.entries_.contains(name)) return IOStatus::NotFound(name);
    disk_.enter(name, nullptr);
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    const verdict v = disk_.begin_operation(disk_.generation_, true);
    if (v.what != fault::none) return writable_file::status_of(v.what);
    const auto found = disk_.entries_.find(from);
    if (found == disk_.entries_.end()) return IOStatus::NotFound(from);
    const inode_ptr file = found->second;
    disk_.enter(to, file);  // the two changes of a rename are one to a real file system; this order loses nothing
    disk_.enter(from, nullptr);
    return IOStatus::OK();
  }
  IOStatus GetFileSize(const std::string& name, const IOOptions&, std::uint64_t* size, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    const auto found = disk_.entries_.find(name);
    if (found == disk_.entries_.end()) return IOStatus::NotFound(name);
    *size = found->second->data.size();
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, std::uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus CreateDir(const std::string&, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus CreateDirIfMissing(const std::string&, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus DeleteDir(const std::string&, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus LockFile(const std::string& name, const IOOptions&, rocksdb::FileLock** lock, IODebugContext*) override {
    const std::lock_guard guard(disk_.mutex_);
    *lock = nullptr;
    if (disk_.locked_generation_ == disk_.generation_) return IOStatus::IOError(name, "lock is already held");
    disk_.locked_generation_ = disk_.generation_;
    *lock = new rocksdb::FileLock();
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    const std::lock_guard guard(disk_.mutex_);
    disk_.locked_generation_ = 0;
    delete lock;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    path->assign(1, '/');
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* out,
                     IODebugContext*) override {
    *out = std::make_shared<silent_logger>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* out, IODebugContext*) override {
    *out = path;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& name, const IOOptions&, bool* is_directory, IODebugContext*) override {
    const std::lock_guard lock(disk_.mutex_);
    *is_directory = !disk_.entries_.contains(name);
    return IOStatus::OK();
  }

 private:
  template <class File>
  IOStatus open_for_reading(const std::string& name, std::unique_ptr<File>* out) {
    const std::lock_guard lock(disk_.mutex_);
    const auto found = disk_.entries_.find(name);
    if (found == disk_.entries_.end()) return IOStatus::NotFound(name);
    *out = std::make_unique<readable_file>(disk_, found->second);
    return IOStatus::OK();
  }

  simulated_disk& disk_;
};

// --- the disk

simulated_disk::simulated_disk()
    : file_system_(std::make_shared<file_system>(*this)), env_(rocksdb::NewCompositeEnv(file_system_)) {}

simulated_disk::~simulated_disk() = default;

/// With the mutex held.
simulated_disk::verdict simulated_disk::begin_operation(std::uint64_t generation, bool needs_space) {
  if (generation != generation_) return {};
  const std::uint64_t number = operations_++;
  if (planned_ == fault::none || number < planned_at_) return {};
  if (planned_ == fault::no_space && !needs_space) return {};
  const std::uint64_t part = std::exchange(struck_, true) ? 0 : planned_part_;
  return {planned_ == fault::io_error ? std::exchange(planned_, fault::none) : planned_, part};
}

/// With the mutex held.
void simulated_disk::enter(const std::string& name, inode_ptr file) {
  if (file) {
    entries_[name] = file;
  } else {
    entries_.erase(name);
  }
  changes_.push_back({name, std::move(file)});
}

void simulated_disk::cut_power(loss how, const chooser& choose) {
  const std::lock_guard lock(mutex_);
  forget_open_files();
  if (how == loss::none) return;
  const std::uint64_t kept = how == loss::all ? 0 : choose(changes_.size() + 1);
  for (std::uint64_t i = 0; i < kept; ++i) {
    if (changes_[i].file) {
      durable_entries_[changes_[i].name] = changes_[i].file;
    } else {
      durable_entries_.erase(changes_[i].name);
    }
  }
  changes_.clear();
  for (auto& [name, file] : durable_entries_) {
    auto left = std::make_shared<inode>();  // open handles keep the old one
    left->data = file->data;
    const std::size_t unsynced = file->data.size() - file->synced;
    if (unsynced > 0) {
      const std::uint64_t luck = how == loss::all ? 0 : choose(3);  // nothing, everything, a part
      const std::size_t survives = luck == 0 ? 0 : luck == 1 ? unsynced : choose(unsynced + 1);
      left->data.resize(file->synced + survives);
    }
    left->synced = left->data.size();
    file = std::move(left);
  }
  entries_ = durable_entries_;
}

/// With the mutex held. The process that had them is gone.
void simulated_disk::forget_open_files() {
  planned_ = fault::none;
  struck_ = false;
  ++generation_;
}

simulated_disk::harm simulated_disk::do_damage(const chooser& choose) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  std::string newest_log;
  std::string older_log;
  for (const auto& [name, file] : entries_) {
    if (file->data.empty()) continue;
    names.push_back(name);
    if (name.ends_with(".log")) older_log = std::exchange(newest_log, name);  // they are numbered
  }
  if (names.empty()) return {};
  harm done;
  done.file = names[choose(names.size())];
  const std::uint64_t luck = choose(10);
  // The ends of the newest log and of the manifest have no witness but themselves: a file that ends too early looks like
  // one that was torn.
  const bool manifest = done.file.find("/MANIFEST-") != std::string::npos;
  done.what = done.file == newest_log || luck < 6 ? damage::flipped_bit : luck < 8 ? damage::cut_file : damage::lost_file;
  if (manifest && done.what == damage::cut_file) done.what = damage::flipped_bit;
  if (luck < 5 && !older_log.empty()) {  // there are two seldom
    done.file = older_log;
    done.what = damage::lost_sector;
  }
  inode& file = *entries_[done.file];
  done.at = choose(file.data.size());
  const std::vector<std::size_t> headers = record_headers(done.file, file.data);
  if (!headers.empty() && choose(2) == 0) done.at = headers[choose(headers.size())] + choose(log_header_bytes);
  if (done.what == damage::flipped_bit) {
    const std::uint64_t bit = choose(8);
    // RocksDB looks at this bit before it looks at the checksum, and Debian's, which has assertions, ends the process.
    const bool fatal = bit == 7 && done.file.ends_with(".sst") && done.at == end_of_properties(file.data);
    file.data[done.at] ^= static_cast<char>(1 << (fatal ? 6 : bit));
  }
  if (done.what == damage::lost_sector) {
    const std::size_t lost = std::min<std::size_t>(sector_bytes, file.data.size() - done.at);
    file.data.replace(done.at, lost, lost, '\0');
  }
  if (done.what == damage::cut_file) {
    file.data.resize(done.at);
    file.synced = std::min<std::size_t>(file.synced, done.at);
  }
  if (done.what == damage::lost_file) {
    durable_entries_.erase(done.file);
    entries_.erase(done.file);
  }
  return done;
}

/// Copies of the files as the process sees them, as directory and data are durable.
class simulated_disk::snapshot {
 public:
  std::map<std::string, inode> files;
};

std::shared_ptr<const simulated_disk::snapshot> simulated_disk::save() const {
  const std::lock_guard lock(mutex_);
  auto saved = std::make_shared<snapshot>();
  for (const auto& [name, file] : entries_) saved->files.emplace(name, *file);
  return saved;
}

void simulated_disk::restore(const snapshot& saved) {
  const std::lock_guard lock(mutex_);
  forget_open_files();
  entries_.clear();
  changes_.clear();
  for (const auto& [name, file] : saved.files) entries_.emplace(name, std::make_shared<inode>(file));
  durable_entries_ = entries_;
}

void simulated_disk::plan_fault(fault what, std::uint64_t after, const chooser& choose) {
  const std::lock_guard lock(mutex_);
  planned_ = what;
  planned_at_ = operations_ + after;
  planned_part_ = choose(parts);
  struck_ = false;
}

void simulated_disk::clear_fault() {
  const std::lock_guard lock(mutex_);
  planned_ = fault::none;
}

bool simulated_disk::fault_struck() const {
  const std::lock_guard lock(mutex_);
  return struck_;
}

std::uint64_t simulated_disk::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::uint64_t simulated_disk::unsynced_log_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& [name, file] : entries_) {
    if (!name.ends_with(".log") || file->written_in != generation_) continue;
    const auto durable = durable_entries_.find(name);
    bytes += durable != durable_entries_.end() && durable->second == file ? file->data.size() - file->synced
                                                                         : file->data.size();
  }
  return bytes;
}

}  // namespace evermill::simulation
