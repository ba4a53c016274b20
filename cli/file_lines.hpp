// A file that is followed as lines for a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/followed_file.hpp"
#include "cli/screen.hpp"

namespace evermill::cli {

/// At most so many lines of so many columns: where the tree is longer, what is done is summed up first, then what is to come,
/// and at last only what surrounds that which is being done is left. `now` is what unfinished durations are counted to.
std::vector<screen_line> lines_of(const followed_file& file, const screen_size& size, followed_file::time_point now);

/// What happens to tasks that take time, as lines to print one after the other where there is no terminal.
class change_lines {
 public:
  /// Of what has changed since it was asked last. A task that is done again and again is told of once a second at most, unless
  /// it fails.
  std::vector<std::string> of(const followed_file& file, followed_file::time_point now);

 private:
  struct told {
    task_state is = task_state::pending;
    std::int64_t times = 0;
    std::int64_t attempt = 1;
    followed_file::time_point at{};
  };
  std::vector<told> told_;
};

}  // namespace evermill::cli
