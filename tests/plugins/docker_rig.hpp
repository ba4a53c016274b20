// Attempts in containers of a fake engine.
#pragma once

#include <gmock/gmock.h>
#include <spdlog/sinks/null_sink.h>

#include <memory>
#include <mutex>
#include <string>

#include "attempt_ends.hpp"
#include "evermill/docker.hpp"
#include "fake_docker.hpp"
#include "plugins/task/docker/container_spec.hpp"
#include "plugins/task/docker/docker_backend.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {

class DockerRig : public testing::Test {
 protected:
  DockerRig() {
    engine.add_image("tool:latest");
    options.host = tasks::docker_host_of(engine.address());
    options.engine_id = "engine-of-mine";
    options.time = &time;
    options.kill_grace = std::chrono::seconds(7);
    options.patience = std::chrono::hours(1);
    options.on_output = [this](const messages::ActivityTask&, tasks::output_stream, std::string_view text) {
      std::lock_guard lock(mutex);
      heard += text;
      changed.notify_all();
    };
    options.on_heartbeat = ends.heartbeat_recorder();
    options.tails = &tails;
  }

  static container_command tool() {
    container_command command;
    command.image = "tool";
    return command;
  }
  static std::shared_ptr<messages::ActivityTask> attempt(const container_command& command, std::uint32_t number = 1,
                                                         std::uint32_t lost_from = 0, std::uint64_t seq = 1) {
    auto task = std::make_shared<messages::ActivityTask>(*make_task("docker", codec<container_command>::encode(command), seq));
    task->set_attempt(number);
    task->set_lost_from(lost_from);
    return task;
  }
  std::unique_ptr<tasks::task_backend> make() { return tasks::make_docker_backend(options, ends.recorder()); }

  /// Runs one attempt to its end, with a backend of its own.
  tasks::attempt_end end_of(const std::shared_ptr<messages::ActivityTask>& task) {
    const auto backend = make();
    backend->run({task});
    ends.wait_for(task->scheduled_seq(), ++reported[task->scheduled_seq()]);
    return ends.of(task->scheduled_seq());
  }
  failure failure_to(const std::shared_ptr<messages::ActivityTask>& task) { return failure_of(end_of(task)); }
  container_result result_of_run(const container_command& command) {
    return result_of<container_result>(end_of(attempt(command)));
  }

  void says(const std::string& out, int exit_code = 0, const std::string& err = {}) {
    engine.on_start([=](fake_docker& docker, const std::string& id) {
      if (!out.empty()) docker.write(id, 1, out);
      if (!err.empty()) docker.write(id, 2, err);
      docker.finish(id, exit_code);
    });
  }
  void wait_until_heard(const std::string& text) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return heard.find(text) != std::string::npos; });
  }
  void wait_until_running() {
    engine.wait_until([](const auto& all) { return !all.empty() && all.front().status == "running"; });
  }
  /// As an attempt of a process that is gone has left it.
  std::string left_behind(const container_command& command, std::uint32_t number, const std::string& status,
                          const std::function<void(nlohmann::json&)>& change = {}) {
    const auto task = attempt(command, number);
    const auto made = tasks::make_request(command, *task, options.engine_id, {}, options.keep_unfetched.count());
    nlohmann::json labels = made.body.at("Labels");
    if (change) change(labels);
    const bool feeding = status.ends_with("+feeding");
    return engine.add_container(made.final_name + (feeding ? ".feeding" : ""), labels, status.substr(0, status.find('+')));
  }

  temporary_directory directory;
  fake_docker engine{(directory.path() / "docker.sock").string()};
  manual_clock time;
  tasks::output_tails tails;
  attempt_ends ends;
  tasks::docker_options options;
  std::mutex mutex;
  std::condition_variable changed;
  std::string heard;
  std::map<std::uint64_t, int> reported;
};

}  // namespace evermill::tests
