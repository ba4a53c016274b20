// A real Docker engine for tests, run by scripts/services/docker.sh in a temporary directory, with one small image.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace evermill::tests {

class docker_service {
 public:
  static constexpr const char* image = "evermill-test:1";

  docker_service() : directory_(new_directory()) {
    start();
    if (!why_not_ && ready_) make_image();
  }
  ~docker_service() {
    run("'" EVERMILL_DOCKER_SCRIPT "' stop '" + directory_ + "' --remove");
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  docker_service(const docker_service&) = delete;
  docker_service& operator=(const docker_service&) = delete;

  /// What is missing on this machine, if it is that.
  const std::optional<std::string>& why_not() const { return why_not_; }
  std::string address() const { return "unix://" + directory_ + "/docker.sock"; }

  void start() {
    constexpr int is_missing = 77;
    const int status = run("'" EVERMILL_DOCKER_SCRIPT "' start '" + directory_ + "' --until " + std::to_string(::getpid()));
    if (status == is_missing) why_not_ = "no Docker engine: " + said();
    if (status != 0 && status != is_missing) ADD_FAILURE() << "the Docker engine does not start: " << said();
    ready_ = status == 0;
  }
  void stop() { EXPECT_EQ(run("'" EVERMILL_DOCKER_SCRIPT "' stop '" + directory_ + "'"), 0) << said(); }
  /// What the engine says to a request; "" where it refuses.
  std::string ask(const std::string& method, const std::string& path) const {
    run("curl -sf -X " + method + " --unix-socket '" + directory_ + "/docker.sock' 'http://docker" + path + "'");
    return said();
  }

  /// The one that all tests share, until the program's end.
  static docker_service& shared();
  static void end_shared();

 private:
  static std::string new_directory() {
    std::string name = std::filesystem::temp_directory_path() / "evermill-docker-XXXXXX";
    return ::mkdtemp(name.data()) != nullptr ? name : std::string();
  }
  void make_image() {
    EXPECT_EQ(run("'" EVERMILL_MAKE_DOCKER_IMAGE "' '" + directory_ + "' evermill-test 1"), 0) << "no image: " << said();
  }
  int run(const std::string& command) const {
    const int status = std::system(("{ " + command + "\n} >'" + directory_ + "/said' 2>&1 </dev/null").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string said() const {
    std::ifstream file(directory_ + "/said");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const std::string directory_;
  std::optional<std::string> why_not_;
  bool ready_ = false;
};

}  // namespace evermill::tests
