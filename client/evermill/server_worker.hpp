/// @file
/// A worker: runs activities for a server that it connects to.
///
///     evermill::registry registry;
///     registry.add(render, [](const Scene& s) { … });
///     evermill::server_worker worker(registry, {.server = {.address = "evermill.example:7466"}, .task_queues = {"gpu"}});
///
/// It works from its construction to its destruction, and connects again whenever the connection breaks: what it runs goes on
/// meanwhile, and how it ended is told until the server says that it is durable.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evermill/registry.hpp"
#include "evermill/server_address.hpp"
#include "evermill/worker.hpp"

namespace evermill {

/// How it is set up.
struct server_worker_options {
  server_address server;  ///< where it connects to; its namespace's activities are run
  /// Whose activities it runs; "default" is the queue of those that name none. A name that can't be, none, or one that comes twice:
  /// invalid_argument.
  std::vector<std::string> task_queues{"default"};
  /// As worker_options::backends.
  std::vector<std::string> backends;
  /// As engine_options::secrets.
  std::string secrets;
  /// As engine_options::docker.
  std::string docker;
  /// Attempts that run at once. 0: four per core, at least 8.
  unsigned concurrency = 0;
  /// How long running activities may take when it stops; they are made again elsewhere afterwards.
  std::chrono::milliseconds stop_grace{5'000};
  /// Where log lines go. Null: warnings and errors to standard error.
  std::shared_ptr<spdlog::logger> logger;
};

/// Thread-safe.
class server_worker {
 public:
  /// `registry` is copied: its activities are run, and what the backends run. Does not wait for the server. Throws engine_error
  /// (invalid_argument).
  server_worker(registry registry, server_worker_options options);
  /// Takes nothing new, waits for what runs within stop_grace, and until its ends are durable.
  ~server_worker();
  server_worker(const server_worker&) = delete;
  server_worker& operator=(const server_worker&) = delete;

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
