// What becomes of the attempts that a process is given to run, per task queue.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// Thread-safe, without locks.
class attempt_metrics {
 public:
  /// It waits from now on: for the limits of its queue, or for a backend's room.
  void dispatched(const messages::ActivityTask& task);
  void started(const messages::ActivityTask& task, timestamp now);
  void ended(const attempt_end& end, timestamp now);
  /// The backends are gone, and with them what waited and ran.
  void gone();

  void collect(metrics::scrape& into) const;

  /// Calls `visit(task queue, waiting, running)` for each. Of queues that are too many to be told apart nothing is said.
  void for_each_queue(const std::function<void(std::string_view, std::uint64_t, std::uint64_t)>& visit) const;

 private:
  struct of_queue {
    metrics::gauge waiting;
    metrics::gauge running;
    metrics::counter started;
    metrics::histogram until_start{metrics::work_bounds};  ///< seconds from when an attempt could have started
    metrics::histogram running_for{metrics::work_bounds};
    std::array<metrics::counter, std::variant_size_v<outcome>> ended;  ///< by the outcome's place in the variant
  };
  metrics::by_label<of_queue> queues_;
};

}  // namespace evermill::tasks
