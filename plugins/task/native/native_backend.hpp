// Runs activities that are C++ functions of this process, on a bounded pool of threads.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "evermill/registry.hpp"
#include "plugins/task/secrets.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// Four per core, at least 8: activities wait more than they compute.
unsigned default_native_threads();

struct native_options {
  unsigned threads = 8;
  evermill::clock* time = nullptr;  ///< outlives the backend
  on_attempt_heartbeat on_heartbeat;  ///< may be empty
  on_attempt_start on_start{};        ///< may be empty
  std::shared_ptr<const secret_source> secrets{};  ///< null: there are none
};

/// A function can't be interrupted: when its attempt times out or is canceled, its stop token is set, its late result
/// is dropped, and while it goes on another thread takes its place, up to `threads` more.
class native_backend : public task_backend {
 public:
  /// Runs `work` on the pool, in order of arrival with the tasks. After `stop` it is dropped.
  virtual void run_function(std::function<void()> work) = 0;
};

std::unique_ptr<native_backend> make_native_backend(registry definitions, const native_options& options,
                                                    on_attempt_end report);

}  // namespace evermill::tasks
