#include "membership.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace sqlite_queue {
namespace {

constexpr milliseconds patience{100};  // nobody who writes here waits for a disk
constexpr milliseconds pause_when_unwritable{100};

std::uint64_t to_number(steady_clock::time_point at) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(at.time_since_epoch()).count());
}

/// Those of earlier boots are removed.
std::string path_of_this_boot(const std::string& queue) {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  const std::string prefix = queue + "-members-";
  std::error_code failed;  // then they stay
  std::filesystem::directory_iterator each(std::filesystem::path(queue).parent_path(), failed);
  for (; each != std::filesystem::directory_iterator(); each.increment(failed)) {
    const std::string path = each->path().string();
    std::error_code removed_by_another;
    if (path.starts_with(prefix) && !path.starts_with(prefix + boot)) std::filesystem::remove(path, removed_by_another);
  }
  return prefix + boot;
}

class file_membership final : public membership {
 public:
  file_membership(std::shared_ptr<watcher> by, std::shared_ptr<member_row> row)
      : watcher_(std::move(by)), row_(std::move(row)) {}
  ~file_membership() override {
    watcher_->remove(*row_);
    row_->end();
  }
  membership_view view() const override { return row_->view(); }
  void describe(std::string description) override { row_->describe(std::move(description)); }

 private:
  const std::shared_ptr<watcher> watcher_;
  const std::shared_ptr<member_row> row_;
};

}  // namespace

member_file::member_file(std::shared_ptr<queue_file> of)
    : of_(std::move(of)), connection_(path_of_this_boot(of_->address.path), patience, of_->closed) {
  connection_.prepare_file(
      {"CREATE TABLE members (seniority INTEGER PRIMARY KEY AUTOINCREMENT, team TEXT NOT NULL, id TEXT NOT NULL,"
       " alive_until INTEGER NOT NULL, description BLOB NOT NULL, UNIQUE (team, id))"});
  connection_.execute("PRAGMA synchronous = OFF");
}

member_row::member_row(std::shared_ptr<member_file> file, membership_options options, std::function<void()> on_change)
    : file_(std::move(file)), options_(std::move(options)), told_(std::move(on_change)), description_(options_.description) {}

membership_view member_row::view() {
  const std::lock_guard lock(mutex_);
  lapse(steady_clock::now());
  looked_at_ = true;
  return view_;
}

void member_row::describe(std::string description) {
  const std::lock_guard lock(mutex_);
  description_ = std::move(description);
  next_move_ = {};
}

void member_row::end() {
  told_.end();
  const std::lock_guard lock(mutex_);
  if (std::exchange(left_, true)) return;
  lapse(steady_clock::now());
  static_cast<void>(attempt([&] {  // where that fails, the row runs out
    return file_->use([&](connection& by) -> broker_result<std::uint64_t> {
      return by.execute("DELETE FROM members WHERE team = ? AND id = ?", options_.group, options_.member_id);
    });
  }));
}

void member_row::look(bool) {
  const auto now = steady_clock::now();
  std::unique_lock lock(mutex_);
  if (left_) return;
  if (lapse(now)) tell(lock);
  const auto seen = file_->use([&](connection& by) -> std::optional<membership_view> {
    if (now >= next_move_) move_on(by, now);
    const std::uint64_t version = by.version();
    if (version == seen_version_ && now < changes_at_) return std::nullopt;
    auto read = read_view(by, now);
    seen_version_ = version;
    return read;
  });
  const auto same = [](const member& a, const member& b) { return a.id == b.id && a.description == b.description; };
  if (!seen || (seen->joined == view_.joined && seen->coordinator == view_.coordinator &&
                std::equal(seen->members.begin(), seen->members.end(), view_.members.begin(), view_.members.end(), same))) {
    return;
  }
  view_ = {view_.generation + 1, seen->joined, seen->members, seen->coordinator};
  tell(lock);
}

void member_row::tell(std::unique_lock<std::mutex>& lock) {
  if (!std::exchange(looked_at_, false)) return;
  lock.unlock();
  told_.make();
  lock.lock();
}

bool member_row::lapse(time_point now) {
  if (!view_.joined || (now < counts_until_ && !left_)) return false;
  view_ = {view_.generation + 1, false, {}, ""};
  return true;
}

/// A row that has run out is gone, whosever it is: who comes back after that is the youngest.
void member_row::move_on(connection& by, time_point now) {
  next_move_ = now + pause_when_unwritable;
  transaction both(by, "BEGIN IMMEDIATE");
  by.execute("DELETE FROM members WHERE alive_until <= ?", to_number(now));
  by.execute("INSERT INTO members (team, id, alive_until, description) VALUES (?, ?, ?, ?) "
             "ON CONFLICT (team, id) DO UPDATE SET alive_until = excluded.alive_until, description = excluded.description",
             options_.group, options_.member_id, to_number(now + options_.session_timeout), blob{description_});
  both.commit();
  next_move_ = now + options_.session_timeout / 3;
}

membership_view member_row::read_view(connection& by, time_point now) {
  membership_view seen;
  changes_at_ = time_point::max();
  rows alive = by.select("SELECT id, description, alive_until FROM members WHERE team = ? AND alive_until > ? "
                         "ORDER BY seniority", options_.group, to_number(now));
  while (alive.next()) {
    seen.members.push_back({alive.bytes(0), alive.bytes(1)});
    const time_point until{milliseconds(alive.number(2))};
    changes_at_ = std::min(changes_at_, until);
    if (seen.members.back().id != options_.member_id) continue;
    seen.joined = true;
    counts_until_ = until;
  }
  if (!seen.joined) return {};
  seen.coordinator = seen.members.front().id;
  std::sort(seen.members.begin(), seen.members.end(), [](const member& a, const member& b) { return a.id < b.id; });
  return seen;
}

std::unique_ptr<membership> make_membership(std::shared_ptr<watcher> by, std::shared_ptr<member_row> row) {
  return std::make_unique<file_membership>(std::move(by), std::move(row));
}

}  // namespace sqlite_queue
