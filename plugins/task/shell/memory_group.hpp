// A control group (cgroup) that limits the memory of a process and of all that it starts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace evermill::tasks {

/// One directory below the group of this process, or below $EVERMILL_CGROUP where that is set; removed with the object, when
/// whatever is still in it has been killed. Not thread-safe by itself.
class memory_group {
 public:
  /// Nothing where this process may make none: docs/containers.md says what it needs.
  static std::optional<memory_group> make(std::int64_t bytes);

  memory_group(memory_group&& other) noexcept;
  memory_group& operator=(memory_group&&) = delete;
  ~memory_group();

  /// A process that writes "0" there is in the group.
  int descriptor() const { return procs_; }
  /// Has the kernel ended a process of the group for its memory?
  bool ran_out() const;

 private:
  explicit memory_group(std::string directory) : directory_(std::move(directory)) {}
  bool limit(std::int64_t bytes) const;

  std::string directory_;  // "": moved from
  int procs_ = -1;
};

/// Where groups are made, or "": from the texts of /proc/self/cgroup and /proc/self/mountinfo. Versions 1 and 2.
std::string own_memory_group(std::string_view cgroup, std::string_view mountinfo);

}  // namespace evermill::tasks
