// Attempts in containers of a real engine.
#pragma once

#include <gmock/gmock.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "attempt_ends.hpp"
#include "docker_service.hpp"
#include "evermill/docker.hpp"
#include "plugins/task/docker/docker_backend.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {

class RealDockerRig : public testing::Test {
 protected:
  void SetUp() override {
    docker_service& service = docker_service::shared();
    if (service.why_not()) GTEST_SKIP() << *service.why_not();
    options.host = tasks::docker_host_of(service.address());
    options.engine_id = directory.path().filename();  // each test's own
    options.time = time.get();
    options.kill_grace = std::chrono::seconds(1);
    options.on_output = [this](const messages::ActivityTask&, tasks::output_stream which, std::string_view text) {
      std::lock_guard lock(mutex);
      (which == tasks::output_stream::out ? out : err) += text;
      changed.notify_all();
    };
  }

  static container_command shell(std::string text, std::vector<std::string> arguments = {}) {
    container_command command;
    command.image = docker_service::image;
    command.pull_policy = "never";
    command.network = "none";
    command.command = std::move(text);
    command.arguments = std::move(arguments);
    return command;
  }
  static std::shared_ptr<messages::ActivityTask> attempt(const container_command& command, std::uint32_t number = 1,
                                                         std::uint32_t lost_from = 0) {
    auto task = std::make_shared<messages::ActivityTask>(*make_task("docker", codec<container_command>::encode(command), 1));
    task->set_attempt(number);
    task->set_lost_from(lost_from);
    return task;
  }
  std::unique_ptr<tasks::task_backend> make() { return tasks::make_docker_backend(options, ends.recorder()); }
  tasks::attempt_end end_of(const container_command& command) {
    const auto backend = make();
    backend->run({attempt(command)});
    return ends.of(1);
  }
  container_result run(const container_command& command) {
    const tasks::attempt_end end = end_of(command);
    if (std::holds_alternative<tasks::failed>(end.how))
      ADD_FAILURE() << failure_of(end).type << ": " << failure_of(end).message;
    return result_of<container_result>(end);
  }
  void wait_until_heard(const std::string& text) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return out.find(text) != std::string::npos; });
  }
  /// Those of this test.
  nlohmann::json containers() const {
    const std::string filters = R"(%7B%22label%22%3A%5B%22dev.evermill.engine%3D)" + options.engine_id + "%22%5D%7D";
    return nlohmann::json::parse(docker_service::shared().ask("GET", "/containers/json?all=1&filters=" + filters));
  }

  const std::unique_ptr<evermill::clock> time = make_system_clock();
  temporary_directory directory;
  attempt_ends ends;
  tasks::docker_options options;
  std::mutex mutex;
  std::condition_variable changed;
  std::string out;
  std::string err;
};

}  // namespace evermill::tests
