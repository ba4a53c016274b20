#include "plugins/task/docker/docker_backend.hpp"

#include <utility>

#include "plugins/task/attempt_threads.hpp"
#include "plugins/task/docker/docker_attempt.hpp"

namespace evermill::tasks {
namespace {

/// A thread per container: it waits in one request to the engine at a time, which is what there is to wait for.
class docker_backend final : public task_backend {
 public:
  docker_backend(const docker_options& options, on_attempt_end report)
      : options_(options), client_(options.host), janitor_(client_, options_) {
    attempt_threads_options threads;
    threads.activity_type = docker.name;
    threads.threads = options.max_containers;
    threads.time = options.time;
    threads.kill_grace = options.kill_grace;
    threads.on_heartbeat = options.on_heartbeat;
    threads.on_start = options.on_start;
    attempts_ = make_attempt_threads(
        threads,
        [this](const auto& task, attempt_signal& signal, attempt_watch& watch) {
          return docker_attempt(client_, options_, janitor_, task, signal, watch).run();
        },
        std::move(report));
  }
  ~docker_backend() override { stop(std::chrono::milliseconds(0)); }

  std::string_view name() const override { return attempts_->name(); }
  bool serves(std::string_view activity_type) const override { return attempts_->serves(activity_type); }
  std::vector<std::string> activity_types() const override { return attempts_->activity_types(); }
  void run(std::vector<std::shared_ptr<const messages::ActivityTask>> tasks) override { attempts_->run(std::move(tasks)); }
  void cancel(const dispatch_id& id) override { attempts_->cancel(id); }
  void request_stop(const dispatch_id& id) override { attempts_->request_stop(id); }
  void expire(const dispatch_id& id) override { attempts_->expire(id); }
  void stop(std::chrono::milliseconds grace) override {
    attempts_->stop(grace);
    janitor_.stop();
  }

 private:
  const docker_options options_;
  const docker_client client_;
  container_janitor janitor_;
  std::unique_ptr<task_backend> attempts_;  // ended first
};

}  // namespace

std::unique_ptr<task_backend> make_docker_backend(const docker_options& options, on_attempt_end report) {
  return std::make_unique<docker_backend>(options, std::move(report));
}

}  // namespace evermill::tasks
