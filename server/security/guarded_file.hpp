// Files that security rests on: read only where nobody else can, seen to change, replaced at once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "evermill/result.hpp"

namespace evermill::server::security {

enum class file_rule : std::uint8_t {
  any,     ///< may be read by everybody: certificates, public keys
  secret,  ///< its owner alone has it: mode 0600, or 0640 where it is root's (so that a group can be given it); never a
           ///< stranger's file
};

/// All bytes of a regular file, or why not ("\"tokens.json\" can be read by others (mode 0644); run: chmod 600 tokens.json").
/// The file that is checked is the one that is read.
result<std::string, std::string> read_guarded_file(const std::filesystem::path& path, file_rule rule,
                                                   std::size_t max_bytes = std::size_t{4} << 20);

/// Writes a file of mode 0600 beside it, syncs it, and puts it in its place: there is always a whole one. Or why not.
result<void, std::string> replace_file(const std::filesystem::path& path, std::string_view content);

/// Keeps others that do the same out of the directory of a file while it lives: processes, and threads.
class directory_lock {
 public:
  /// Waits. Throws std::runtime_error where the directory can't be opened.
  explicit directory_lock(const std::filesystem::path& of_file);
  ~directory_lock();
  directory_lock(const directory_lock&) = delete;
  directory_lock& operator=(const directory_lock&) = delete;

 private:
  int directory_ = -1;
};

/// Whether files have changed, asked at most once per interval, by whoever comes first: no thread of its own, and nobody waits
/// for another's look. Thread-safe.
class file_watch {
 public:
  /// `time` outlives it.
  file_watch(std::vector<std::filesystem::path> files, const clock& time, std::chrono::milliseconds interval);

  /// True: they are other files than at the last true, or than when it was made. Call it before the files are read, so that
  /// what is written meanwhile is a change again.
  bool changed();
  /// The next question looks, however soon it comes.
  void hasten() { next_.store(0, std::memory_order_relaxed); }

 private:
  struct stamp {
    std::uint64_t device = 0, inode = 0;
    std::int64_t bytes = -1, modified_ns = 0, changed_ns = 0;
    friend bool operator==(const stamp&, const stamp&) = default;
  };
  static stamp look_at(const std::filesystem::path& file);
  std::vector<stamp> look() const;

  const std::vector<std::filesystem::path> files_;
  const clock& clock_;
  const std::chrono::microseconds interval_;
  std::atomic<std::int64_t> next_;
  std::mutex mutex_;
  std::vector<stamp> seen_;
};

}  // namespace evermill::server::security
