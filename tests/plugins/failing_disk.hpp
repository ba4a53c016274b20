// Stands between SQLite and the disk, for all that this process opens: counts the syncs of write-ahead logs, and lets SQLite
// fail as a disk does that is away.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <atomic>
#include <map>
#include <mutex>
#include <utility>

namespace evermill::tests {

class failing_disk {
 public:
  /// Call it before the first file is opened.
  static failing_disk& installed() {
    static auto& only = *new failing_disk;
    return only;
  }

  /// While it is away no transaction begins.
  void set_away(bool away) { away_ = away; }
  /// Whatever this thread opens from here on is, or is not, lost by the next `lose`.
  void open_losable(bool losable) {
    opens_losable() = losable;
    if (losable) lost_ = false;
  }
  void lose() { lost_ = true; }
  int log_syncs() const { return log_syncs_; }
  void fail_next_log_sync() { fails_sync_ = true; }

 private:
  enum class kind { file, losable_file, log };
  struct methods {
    sqlite3_io_methods changed;  // first: SQLite holds a pointer to it
    const sqlite3_io_methods* original;
    kind is;
  };

  failing_disk() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
    vfs_.zName = "failing disk";
    vfs_.pNext = nullptr;
    vfs_.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* given) {
      return installed().open(name, file, flags, given);
    };
    EXPECT_EQ(sqlite3_vfs_register(&vfs_, 1), SQLITE_OK);
  }

  static bool& opens_losable() {
    thread_local bool losable = false;
    return losable;
  }
  static const methods& methods_of(const sqlite3_file* file) { return *reinterpret_cast<const methods*>(file->pMethods); }

  int open(const char* name, sqlite3_file* file, int flags, int* given) {
    const int code = real_->xOpen(real_, name, file, flags, given);
    if (code != SQLITE_OK || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0) return code;
    const kind is = (flags & SQLITE_OPEN_WAL) != 0 ? kind::log : opens_losable() ? kind::losable_file : kind::file;
    const std::lock_guard lock(mutex_);
    const auto [found, is_new] = methods_.try_emplace({file->pMethods, is});
    if (is_new) {
      found->second = {*file->pMethods, file->pMethods, is};
      found->second.changed.xSync = sync;
      found->second.changed.xShmLock = lock_index;
    }
    file->pMethods = &found->second.changed;
    return code;
  }

  static int sync(sqlite3_file* file, int flags) {
    const methods& of = methods_of(file);
    if (of.is == kind::log) {
      ++installed().log_syncs_;
      if (installed().fails_sync_.exchange(false)) return SQLITE_IOERR_FSYNC;
    }
    return of.original->xSync(file, flags);
  }

  /// Every transaction begins with such a lock.
  static int lock_index(sqlite3_file* file, int offset, int count, int flags) {
    const methods& of = methods_of(file);
    const bool fails = installed().away_ || (of.is == kind::losable_file && installed().lost_);
    if (fails && (flags & SQLITE_SHM_LOCK) != 0) return SQLITE_IOERR_SHMLOCK;
    return of.original->xShmLock(file, offset, count, flags);
  }

  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
  std::mutex mutex_;
  std::map<std::pair<const sqlite3_io_methods*, kind>, methods> methods_;
  std::atomic<bool> away_ = false;
  std::atomic<bool> lost_ = false;
  std::atomic<bool> fails_sync_ = false;
  std::atomic<int> log_syncs_ = 0;
};

}  // namespace evermill::tests
