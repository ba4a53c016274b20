/// @file
/// What an engine says about itself: what it can run, and how much waits for it to be run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace evermill {

/// A workflow or an activity that a process can run.
struct known_definition {
  std::string name;                   ///< what it is started or called by; of a file its own name, "order.shop"
  std::vector<std::string> versions;  ///< "" is one without a version; in the order in which they were registered or read
  std::string default_version;        ///< for those who name none: the last of `versions`
  /// It is a workflow file that the process has read. Files are started by their text (dsl.hpp), not by their name.
  bool from_file = false;
};

/// What a process can run.
struct known_definitions {
  std::vector<known_definition> workflows;   ///< by name; registered ones, then files
  std::vector<known_definition> activities;  ///< by name; without those of evermill's own backends ("http", "shell", …)
};

/// A task queue as a process has it. The numbers are of one moment each.
struct task_queue_description {
  std::string name;            ///< "default": of the activities that name none
  std::uint32_t concurrency = 0;   ///< attempts that may run at once; 0: as many as there is room for
  double rate_per_second = 0;      ///< attempts that may start per second, in the long run; 0: no limit
  std::uint64_t waiting = 0;       ///< attempts that wait for the queue's limits, for a free thread or process, or for a worker
  std::uint64_t running = 0;       ///< attempts that run here, or that a connected worker has
  std::uint64_t workers = 0;       ///< connected workers that serve it
};

}  // namespace evermill
