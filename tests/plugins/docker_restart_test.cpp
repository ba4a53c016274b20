// Containers of a real engine whose process ends, or the engine itself.
#include <ctime>
#include <fstream>

#include "child_process.hpp"
#include "real_docker_rig.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using testing::SizeIs;

class DockerRestart : public RealDockerRig {
 protected:
  container_command waits_for_go() {
    container_command command = shell("echo begun; while [ ! -e /shared/go ]; do sleep 0.05; done; cat; echo done");
    command.volumes = {{directory.path().string(), "/shared"}};
    return command;
  }
  void go() const { std::ofstream(directory.path() / "go") << "x"; }
};

TEST_F(DockerRestart, AContainerGoesOnBetweenTwoProcesses) {
  container_command command = waits_for_go();
  command.stdin_text = "input ";
  command.name = "lasting-" + std::to_string(::getpid());
  auto first = make();
  first->run({attempt(command, 1)});
  wait_until_heard("begun");
  while (containers().at(0).at("Names").at(0) != "/" + command.name) {  // it has its input
  }
  first->stop(10s);
  first.reset();
  EXPECT_EQ(containers().at(0).at("State"), "running");
  go();
  const auto next = make();
  next->run({attempt(command, 2, 1)});
  EXPECT_EQ(result_of<container_result>(ends.of(1)).stdout_text, "begun\ninput done\n");
  EXPECT_EQ(ends.reports().at(1), 1);
}

TEST_F(DockerRestart, AnEngineThatIsKilledFindsItsContainerAgain) {
  const std::string data = directory.path() / "data";
  const std::vector<std::string> command{DOCKER_ENGINE_TESTS, "--engine", data, docker_service::shared().address(),
                                         directory.path()};
  const auto running = [] {
    return nlohmann::json::parse(docker_service::shared().ask(
        "GET", "/containers/json?filters=%7B%22label%22%3A%5B%22dev.evermill.workflow%3Dw%22%5D%7D"));
  };
  {
    processes::child_process first(command, directory.path() / "first", {});
    while (running().empty()) {
    }
    first.kill();
  }
  ASSERT_THAT(running(), SizeIs(1));
  processes::child_process next(command, directory.path() / "next", {});
  go();
  ASSERT_TRUE(next.ended_within(60s)) << next.output();
  EXPECT_EQ(next.output(), "begun\ndone\n");
  const std::string filters = "%7B%22event%22%3A%5B%22start%22%5D%2C%22label%22%3A%5B%22dev.evermill.workflow%3Dw%22%5D%7D";
  const std::string until = std::to_string(std::time(nullptr) + 1);
  const std::string starts = docker_service::shared().ask("GET", "/events?since=1&until=" + until + "&filters=" + filters);
  EXPECT_TRUE(nlohmann::json::accept(starts)) << "one object: it was started once: " << starts;
}

TEST_F(DockerRestart, AnEngineThatEndsTakesItsContainersWithItWhichIsTold) {
  const auto backend = make();
  backend->run({attempt(waits_for_go())});
  wait_until_heard("begun");
  docker_service::shared().stop();
  EXPECT_TRUE(ends.reports().empty()) << "it may come back";
  docker_service::shared().start();
  const failure why = failure_of(ends.of(1));
  // An engine that had no time to see it end says 255 of it.
  EXPECT_TRUE(why.type == "KilledBySignal" || why.message == "exit code 255") << why.type << ": " << why.message;
  EXPECT_FALSE(why.non_retryable);
}

}  // namespace
}  // namespace evermill::tests
