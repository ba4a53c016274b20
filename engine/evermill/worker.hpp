/// @file
/// A worker: a process that runs activities for the nodes of a cluster, and has no workflows, partitions or directory of its own.
///
///     evermill::registry registry;
///     registry.add(render, [](const Scene& s) { … });
///     evermill::worker worker(registry, {.queue = "kafka://localhost:9092", .task_queues = {"gpu"}, .concurrency = 2});
///
/// It works from its construction to its destruction. What it has done is told until a node has made it durable; where a worker ends
/// before, its attempts are lost, and made again elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evermill/registry.hpp"

namespace spdlog {
class logger;
}

namespace evermill {

/// How a worker is set up.
struct worker_options {
  /// The cluster: as engine_options::queue.
  std::string queue;
  /// Whose activities it runs; "default" is the queue of those that name none. A name that can't be, none, or one that comes twice:
  /// invalid_argument.
  std::vector<std::string> task_queues{"default"};
  /// What runs its attempts: "native", the activities of its registry; "shell", shell commands; and the others of docs/backends.md.
  /// Empty: all of them. Another name: invalid_argument.
  std::vector<std::string> backends;
  /// As engine_options::secrets.
  std::string secrets;
  /// As engine_options::docker.
  std::string docker;
  /// Attempts that run at once. 0: four per core, at least 8.
  unsigned concurrency = 0;
  /// How long running activities may take when it stops; they are made again elsewhere afterwards.
  std::chrono::milliseconds stop_grace{5'000};
  /// A worker that the others have not heard of for this long counts as gone. At least 1 s.
  std::chrono::milliseconds session_timeout{10'000};
  /// Where log lines go. Null: warnings and errors to standard error.
  std::shared_ptr<spdlog::logger> logger;
};

/// Counted since it began.
struct worker_statistics {
  std::size_t running = 0;        ///< attempts now
  std::uint64_t attempts = 0;     ///< that have ended here
};

/// Thread-safe.
class worker {
 public:
  /// `registry` is copied: its activities are run, and shell commands. Throws engine_error: invalid_argument, unavailable,
  /// not_found (nobody has begun the cluster).
  worker(registry registry, worker_options options);
  /// Takes nothing new, waits for what runs within stop_grace, and until its ends are durable.
  ~worker();
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  /// What it does.
  worker_statistics statistics() const;
  /// The same and more for a monitoring system, as engine::metrics.
  std::string metrics() const;
  /// Nothing where it is sent work; otherwise why not, for people. Waits for nothing.
  std::optional<std::string> why_not_ready() const;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace evermill
