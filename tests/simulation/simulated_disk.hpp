// A disk in memory that forgets what was not synced: a RocksDB file system of one directory, with power cuts and errors
// at chosen operations.
#pragma once

#include <rocksdb/env.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace evermill::simulation {

/// Any number below the bound (which is at least 1); seeded by the simulation.
using chooser = std::function<std::uint64_t(std::uint64_t below)>;

/// Thread-safe, as RocksDB flushes and compacts on threads of its own. Files only grow, as RocksDB's do.
class simulated_disk {
 public:
  /// What happens to the writing operation that a fault was planned for.
  enum class fault : std::uint8_t {
    none,
    io_error,   ///< it fails, perhaps half done; later ones succeed
    no_space,   ///< it and all later ones that need space fail
    power_cut,  ///< it is perhaps half done, and nothing reaches the disk from then on
  };
  /// What becomes of data and directory entries that were not synced when the power went.
  enum class loss : std::uint8_t {
    all,   ///< all of them are gone
    some,  ///< of each file a prefix is there; of the changes of the directory the first few
    none,  ///< only the process died: the operating system still has everything, and may lose it later
  };
  /// What a disk may do to bytes that it had promised to keep.
  enum class damage : std::uint8_t {
    flipped_bit,
    cut_file,   ///< its end is gone
    lost_file,  ///< all of it is gone
    lost_sector,  ///< some of its bytes are zeroes; only of a log before the newest one
  };
  /// What was damaged; `file` is empty where there was nothing to damage.
  struct harm {
    damage what = damage::flipped_bit;
    std::string file;
    std::uint64_t at = 0;  ///< the byte
  };

  simulated_disk();
  ~simulated_disk();

  rocksdb::Env* env() { return env_.get(); }

  /// The power goes and comes back. Files that are open stay useless for ever.
  void cut_power(loss how, const chooser& choose);

  /// Damages one durable file. While the disk is used by nobody.
  harm do_damage(const chooser& choose);
  /// As it is now, to be put back later; also while it is used by nobody. Putting it back makes open files useless.
  class snapshot;
  std::shared_ptr<const snapshot> save() const;
  void restore(const snapshot& saved);

  /// RocksDB writes a file of its options at each opening, and reads it back: a fifth of a life's time, for a file that
  /// it does without. False: it can't be created.
  void keep_options_files(bool kept) { keeps_options_files_ = kept; }

  /// Plans a fault for the operation `after` operations from now (0: the next one). Replaces an earlier plan.
  void plan_fault(fault what, std::uint64_t after, const chooser& choose);
  void clear_fault();
  /// Has the planned fault struck?
  bool fault_struck() const;

  /// Writing operations so far: appends, syncs, creations, renames, removals.
  std::uint64_t operations() const;
  /// Bytes that this process has written to logs (`*.log`) and a power cut now could take.
  std::uint64_t unsynced_log_bytes() const;

 private:
  struct inode {
    std::string data;
    std::size_t synced = 0;
    std::uint64_t written_in = 0;  // by its generation: the process that wrote to it last
  };
  using inode_ptr = std::shared_ptr<inode>;
  struct change {  // of the directory, not synced yet
    std::string name;
    inode_ptr file;  // null: removed
  };
  struct verdict {
    fault what = fault::none;
    std::uint64_t part = 0;  // of what was to be written, in 1/256
  };

  class file_system;
  class writable_file;
  class readable_file;
  class directory;

  verdict begin_operation(std::uint64_t generation, bool needs_space);
  void enter(const std::string& name, inode_ptr file);
  void forget_open_files();

  mutable std::mutex mutex_;
  std::map<std::string, inode_ptr> entries_;          // as the running process sees them
  std::map<std::string, inode_ptr> durable_entries_;  // as a power cut leaves them
  std::vector<change> changes_;                       // between the two, in order
  std::uint64_t generation_ = 1;
  std::uint64_t operations_ = 0;
  std::uint64_t locked_generation_ = 0;

  fault planned_ = fault::none;
  std::uint64_t planned_at_ = 0;
  std::uint64_t planned_part_ = 0;
  bool struck_ = false;
  bool keeps_options_files_ = true;

  std::shared_ptr<file_system> file_system_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace evermill::simulation
