#include "engine_client.hpp"

#include <condition_variable>
#include <mutex>

#include "partitions.hpp"

namespace evermill::semantics {
namespace {

/// Followers may miss events: what they wait for is looked for again after this time.
constexpr std::chrono::milliseconds look_again{20};

void run_until_stopped(activity_context& about) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, about.stop_token(), [] { return false; });
  throw canceled_error();
}

}  // namespace

engine_client::engine_client(const scenario& what, std::filesystem::path data_directory)
    : data_directory_(std::move(data_directory)) {
  what.define(definitions_);
  for (const std::string& name : what.hanging) definitions_.add(activity<void()>{.name = name}, run_until_stopped);
  restart();
}

void engine_client::restart() {
  engine_.reset();
  engine_ = std::make_unique<engine>(definitions_, engine_options{.data_directory = data_directory_,
                                                                  .partitions = partitions,
                                                                  .native_threads = 2,
                                                                  .task_queues = {{.name = "gpu", .concurrency = 2}}});
}

void engine_client::start(std::string_view workflow_type, payload input, const start_options& options) {
  engine_->start(workflow_type, std::move(input), options);
}

void engine_client::until(const std::function<bool()>& reached) {
  std::mutex mutex;
  std::condition_variable progress;
  bool news = false;
  const auto following = engine_->follow("", [&](const execution_progress&) {
    const std::lock_guard lock(mutex);
    news = true;
    progress.notify_all();
  });
  while (!reached()) {
    std::unique_lock lock(mutex);
    progress.wait_for(lock, look_again, [&] { return news; });
    news = false;
  }
}

}  // namespace evermill::semantics
