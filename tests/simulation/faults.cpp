// What goes wrong in a simulated life, and what is expected of a store on a damaged disk.
#include <utility>

#include "simulation.hpp"
#include "storage/rows.hpp"

namespace evermill::simulation {
namespace {

constexpr std::uint64_t operations_until_fault = 30;
constexpr std::uint64_t slow_writes = 12;
constexpr std::uint64_t slow_write_us = 800'000;
constexpr int damages_at_once = 4;  // each to the whole disk, one after the other

}  // namespace

void simulation::inject_fault() {
  const std::uint64_t which = below(100);
  if (which < 35) return crash();
  if (which < 42) return stop_cleanly();
  if (which < 48) {
    record_.count("fault: slow disk");
    slow_writes_left_ = 1 + below(slow_writes);
    return;
  }
  if (which < 62) return inject_storage_fault(which);
  change_what_is_registered(which);
  for (const std::string& id : workflow_ids_) {
    if (chance(50)) clients_->send(*queue_, {request::kind::taint, id, {}, {}});
  }
}

void simulation::inject_storage_fault(std::uint64_t which) {
  if (!settings_.on_disk) {
    if (which < 56) store_.fail_next_write(chance(50));
  } else if (which < 57) {
    const auto what = static_cast<simulated_disk::fault>(1 + below(3));
    constexpr const char* names[] = {"fault: disk error", "fault: disk full", "fault: power cut in an operation"};
    record_.count(names[static_cast<int>(what) - 1]);
    disk_.plan_fault(what, below(operations_until_fault), choose_);
  } else if (which < 60) {
    record_.count("compaction");
    static_cast<void>(store_.compact());
  } else {
    record_.count("flush of one family");
    static_cast<void>(store_.flush(static_cast<storage::family>(below(storage::family_count))));
  }
}

void simulation::change_what_is_registered(std::uint64_t which) {
  if (which < 73) {
    record_.count("fault: code missing");
    definitions_ = chance(50) ? no_definitions_ : all_definitions_;
  } else if (which < 78) {
    record_.count("fault: activity missing");
    backend_.set_serves(chance(70));
  } else if (which < 90) {
    record_.count("fault: code changed");
    hooks().changed_from_leaf = chance(50) ? static_cast<std::int64_t>(1 + below(6)) : -1;
  }
}

/// While the disk is slow a commit waits, and everything else goes on.
void simulation::keep_disk_busy() {
  if (calm_) slow_writes_left_ = 0;
  if (slow_writes_left_ == 0 || std::exchange(commits_seen_, store_.commits()) == store_.commits()) return;
  --slow_writes_left_;
  disk_busy_until_ = clock_.now() + std::chrono::microseconds(1 + below(slow_write_us));
}

/// A bit flips in what was synced, or a file loses its end, or is gone: opening and reading the store either says so or
/// still gives everything. Afterwards the disk is as it was before, as if restored from a backup.
void simulation::try_a_damaged_disk() {
  if (!power_was_cut_) return;
  const auto whole = disk_.save();
  for (int n = 0; n < damages_at_once && !wrong(); ++n) {
    const simulated_disk::harm harm = disk_.do_damage(choose_);
    if (!harm.file.empty()) judge_damaged_disk(harm);
    disk_.restore(*whole);
  }
}

void simulation::judge_damaged_disk(const simulated_disk::harm& harm) {
  constexpr const char* kinds[] = {"fault: bit flipped", "fault: file cut", "fault: file lost", "fault: sector lost"};
  record_.count(kinds[static_cast<int>(harm.what)]);
  const std::string name = std::string(kinds[static_cast<int>(harm.what)]) + ": " + harm.file + " at byte " +
                           std::to_string(harm.at);
  record_.trace(name);
  const auto opened = storage::open_rocksdb_store(store_options());
  if (!opened) {
    record_.count("damage: the store does not open");
    if (opened.error().message.empty()) record_.finding(name + ": an error without a message");
    return;
  }
  std::string where;
  switch (store_.judge(**opened, where)) {
    case observed_store::contents::right: return record_.count("damage: harmless");
    case observed_store::contents::unreadable: return record_.count("damage: found when read");
    case observed_store::contents::without_last_write:
      return record_.finding(name + ": the last commit is gone, and nobody says so: " + where);
    case observed_store::contents::wrong:
      return record_.finding(name + ": rows have changed, and nobody says so: " + where);
  }
}

/// The row that was damaged is mended when the process that met it, or did not, has ended.
void simulation::look_at_damage() {
  if (!store_.is_damaged()) return;
  record_.count("fault: row damaged");
  if (store_.damage_was_read()) record_.count("damage: found by the node");
  store_.mend();
}

}  // namespace evermill::simulation
