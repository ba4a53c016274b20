// What `top` shows: what a process has to do at one moment, and its rates since the moment before.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/output.hpp"
#include "cli/screen.hpp"
#include "server/control.hpp"

namespace evermill::cli {

/// Per second.
struct load_rates {
  double turns = 0;
  double activities = 0;
  double commits = 0;
  double bytes_written = 0;
};

struct load_sample {
  time_point at{};
  server::control_status status;
  std::optional<load_rates> rates;  ///< nothing: there was no moment before, or another process answered then
  execution_counts executions;
  std::vector<task_queue_description> queues;
  std::vector<listed_execution> oldest;  ///< of those that run, the oldest first
};

/// Takes samples. Counting executions looks at each of them: where that takes long, it is done less often.
class load_sampler {
 public:
  explicit load_sampler(std::size_t oldest) : most_(oldest) {}
  /// Throws control_error.
  load_sample take(server::control& control, time_point now);

 private:
  using steady = std::chrono::steady_clock;

  std::vector<listed_execution> find_oldest(server::control& control, time_point now);

  const std::size_t most_;
  std::optional<load_sample> before_;
  steady::time_point before_at_{};
  steady::time_point count_again_{};
  time_point none_before_{};  ///< no execution that runs was started before it
  std::optional<time_point> last_probe_;  ///< found enough, and not too many, the last time
};

/// One line: {"time":…,"version":…,"ready":…,"rates":{…}|null,"executions":{…},"task_queues":[…],"oldest":[…]}
std::string to_json(const load_sample& sample);
/// As many lines as the size has room for, or all where its height is 0.
std::vector<screen_line> lines_of(const load_sample& sample, const screen_size& size);

}  // namespace evermill::cli
