// The tests' program is also a process of its own in a test that kills one:
//
//   docker_engine_tests --engine DATA DOCKER FOLDER   runs the workflow "w", which runs one container, and prints its result
#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <string_view>

#include "docker_service.hpp"
#include "evermill/docker.hpp"
#include "evermill/engine.hpp"

namespace evermill::tests {
namespace {

std::unique_ptr<docker_service>& shared_engine() {
  static std::unique_ptr<docker_service> service;
  return service;
}

class shared_engine_environment final : public testing::Environment {
 public:
  void TearDown() override { docker_service::end_shared(); }
};

/// Its container runs until there is a file "go" in the folder.
task<std::string> run_container(context ctx, std::string folder) {
  container_command command;
  command.image = docker_service::image;
  command.command = "echo begun; while [ ! -e /shared/go ]; do sleep 0.05; done; echo done";
  command.volumes = {{folder, "/shared"}};
  command.network = "none";
  future<container_result> running = ctx.call(docker, command);
  container_result result = co_await std::move(running);
  co_return result.stdout_text;
}

int be_engine(const char* data, const char* address, const char* folder) {
  registry definitions;
  definitions.add("run_container", run_container);
  engine_options options;
  options.data_directory = data;
  options.docker = address;
  engine running(definitions, options);
  auto execution = running.start(run_container, std::string(folder), {.id = "w"});
  std::cout << execution.result() << std::flush;
  return 0;
}

}  // namespace

docker_service& docker_service::shared() {
  if (!shared_engine()) shared_engine() = std::make_unique<docker_service>();
  return *shared_engine();
}

void docker_service::end_shared() { shared_engine().reset(); }

}  // namespace evermill::tests

int main(int argc, char** argv) {
  using namespace evermill::tests;
  if (argc == 5 && std::string_view(argv[1]) == "--engine") return be_engine(argv[2], argv[3], argv[4]);
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new shared_engine_environment);
  const int status = RUN_ALL_TESTS();
  const auto& all = *testing::UnitTest::GetInstance();
  if (status != 0 || all.test_to_run_count() == 0 || all.skipped_test_count() < all.test_to_run_count()) return status;
  std::cerr << "SKIPPED: the tests that need a Docker engine did not run; each says why\n";
  return 77;
}
