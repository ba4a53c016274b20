#include "plugins/task/shell/memory_group.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

namespace evermill::tasks {
namespace {

constexpr std::string_view group_prefix = "evermill-";

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool write_text(const std::string& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return written;
}

bool exists(const std::string& file) { return ::access(file.c_str(), F_OK) == 0; }

bool has_word(const std::string& text, std::string_view word, char between) {
  std::istringstream words(text);
  for (std::string each; std::getline(words, each, between);) {
    if (each.substr(0, each.find_last_not_of('\n') + 1) == word) return true;
  }
  return false;
}

/// The path of this process in the hierarchy that has the memory controller: version 1, or else version 2.
std::optional<std::string> own_path(std::string_view cgroup, bool& unified) {
  std::istringstream lines{std::string(cgroup)};
  std::optional<std::string> path;
  for (std::string line; std::getline(lines, line);) {  // NUMBER:CONTROLLERS:PATH
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool is_unified = controllers.empty();
    if (!is_unified && !has_word(controllers, "memory", ',')) continue;
    if (path && is_unified) continue;
    path = line.substr(second + 1);
    unified = is_unified;
  }
  return path;
}

/// Of processes that are gone, as nobody else removes them. A group that is still used can't be removed.
void remove_leftovers(const std::string& parent) {
  std::error_code ignored;
  for (const auto& each : std::filesystem::directory_iterator(parent, ignored)) {
    const std::string name = each.path().filename();
    if (!name.starts_with(group_prefix)) continue;
    const pid_t maker = static_cast<pid_t>(std::strtol(name.c_str() + group_prefix.size(), nullptr, 10));
    if (maker > 0 && ::kill(maker, 0) != 0 && errno == ESRCH) ::rmdir(each.path().c_str());
  }
}

/// Where groups can be made; "": nowhere. Looked for once.
const std::string& parent_group() {
  static const std::string found = [] {
    const char* const given = std::getenv("EVERMILL_CGROUP");
    std::string parent = given != nullptr && *given != '\0'
                             ? std::string(given)
                             : own_memory_group(text_of("/proc/self/cgroup"), text_of("/proc/self/mountinfo"));
    const std::string children = parent + "/cgroup.subtree_control";
    if (!parent.empty() && exists(children) && !has_word(text_of(children), "memory", ' ')) return std::string();
    if (!parent.empty()) remove_leftovers(parent);
    return parent;
  }();
  return found;
}

/// Groups whose processes were not gone yet when they were to be removed.
struct unremoved_groups {
  std::mutex mutex;
  std::set<std::string> all;

  void remove(std::string next = {}) {
    const std::lock_guard lock(mutex);
    if (!next.empty()) all.insert(std::move(next));
    std::erase_if(all, [](const std::string& each) { return ::rmdir(each.c_str()) == 0 || errno == ENOENT; });
  }
};

unremoved_groups& unremoved() {
  static auto& groups = *new unremoved_groups;
  return groups;
}

}  // namespace

std::string own_memory_group(std::string_view cgroup, std::string_view mountinfo) {
  bool unified = false;
  const auto path = own_path(cgroup, unified);
  if (!path) return {};
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // ID PARENT DEVICE ROOT PLACE OPTIONS [TAGS…] - TYPE SOURCE SUPER-OPTIONS
    std::istringstream words(line);
    const std::vector<std::string> all{std::istream_iterator<std::string>(words), {}};
    const auto dash = std::find(all.begin(), all.end(), "-");
    if (all.size() < 6 || all.end() - dash < 4) continue;
    if (*(dash + 1) != (unified ? "cgroup2" : "cgroup")) continue;
    if (!unified && !has_word(*(dash + 3), "memory", ',')) continue;
    const std::string root = all[3] == "/" ? "" : all[3];
    if (!path->starts_with(root)) continue;
    const std::string below = path->substr(root.size());
    return all[4] + (below == "/" ? "" : below);
  }
  return {};
}

std::optional<memory_group> memory_group::make(std::int64_t bytes) {
  static std::atomic<std::uint64_t> made{0};
  const std::string& parent = parent_group();
  if (parent.empty()) return std::nullopt;
  unremoved().remove();
  std::string directory = parent;
  directory.append("/").append(group_prefix).append(std::to_string(::getpid())).append("-").append(std::to_string(++made));
  if (::mkdir(directory.c_str(), 0755) != 0) return std::nullopt;
  memory_group group(std::move(directory));
  if (!group.limit(bytes)) return std::nullopt;
  group.procs_ = ::open((group.directory_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  if (group.procs_ < 0) return std::nullopt;
  return group;
}

bool memory_group::limit(std::int64_t bytes) const {
  const std::string text = std::to_string(bytes);
  if (exists(directory_ + "/memory.max")) {
    write_text(directory_ + "/memory.swap.max", "0");  // where there is swap
    write_text(directory_ + "/memory.oom.group", "1");
    return write_text(directory_ + "/memory.max", text);
  }
  const bool limited = write_text(directory_ + "/memory.limit_in_bytes", text);
  write_text(directory_ + "/memory.memsw.limit_in_bytes", text);  // where there is swap
  return limited;
}

bool memory_group::ran_out() const {
  std::string events = text_of(directory_ + "/memory.events");
  if (events.empty()) events = text_of(directory_ + "/memory.oom_control");
  std::istringstream lines(events);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("oom_kill ")) return line != "oom_kill 0";
  }
  return false;
}

memory_group::memory_group(memory_group&& other) noexcept
    : directory_(std::exchange(other.directory_, {})), procs_(std::exchange(other.procs_, -1)) {}

memory_group::~memory_group() {
  if (procs_ >= 0) ::close(procs_);
  if (directory_.empty()) return;
  std::istringstream left(text_of(directory_ + "/cgroup.procs"));  // what has left the process's own group
  for (pid_t pid = 0; left >> pid;) ::kill(pid, SIGKILL);
  unremoved().remove(directory_);
}

}  // namespace evermill::tasks
