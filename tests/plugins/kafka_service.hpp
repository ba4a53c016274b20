// A real Kafka for tests, run by scripts/services/kafka.sh in a temporary directory.
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

class kafka_service {
 public:
  /// Starts so many brokers, with more options of the script's. `why_not` says what is missing on this machine, if it is that.
  explicit kafka_service(int brokers, const std::string& more = {}) : directory_(new_directory(brokers)) {
    constexpr int is_missing = 77;
    const int status = run("start '" + directory_ + "' --brokers " + std::to_string(brokers) + " " + more);
    if (status == is_missing) why_not_ = "no Kafka: " + said();
    if (status != 0 && status != is_missing) ADD_FAILURE() << "Kafka does not start: " << said();
    std::getline(std::ifstream(directory_ + "/address") >> std::ws, servers_);
  }
  ~kafka_service() {
    run("stop '" + directory_ + "'");
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  kafka_service(const kafka_service&) = delete;
  kafka_service& operator=(const kafka_service&) = delete;

  const std::optional<std::string>& why_not() const { return why_not_; }
  std::string address(const std::string& options = "prefix=tests") const { return "kafka://" + servers_ + "?" + options; }
  const std::string& servers() const { return servers_; }
  std::string path(const std::string& file) const { return directory_ + "/" + file; }
  /// The first line of a file that the script has left.
  std::string text_of(const std::string& file) const {
    std::string line;
    std::getline(std::ifstream(path(file)) >> std::ws, line);
    return line;
  }

  void kill(int broker) { must_run("kill", broker); }
  void up(int broker) { must_run("up", broker); }
  void pause(int broker) { must_run("pause", broker); }
  void resume(int broker) { must_run("resume", broker); }

  /// The one that all tests share: one broker, until the program's end.
  static kafka_service& shared();
  static void end_shared();

 private:
  static std::string new_directory(int brokers) {
    std::string name = std::filesystem::temp_directory_path() / ("evermill-kafka-" + std::to_string(brokers) + "-XXXXXX");
    return ::mkdtemp(name.data()) != nullptr ? name : std::string();
  }

  int run(const std::string& command) const {
    const int status =
        std::system(("'" EVERMILL_KAFKA_SCRIPT "' " + command + " >'" + directory_ + "/said' 2>&1 </dev/null").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void must_run(const std::string& command, int broker) const {
    ASSERT_EQ(run(command + " '" + directory_ + "' " + std::to_string(broker)), 0) << command << ": " << said();
  }
  std::string said() const {
    std::ifstream file(directory_ + "/said");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const std::string directory_;
  std::string servers_;
  std::optional<std::string> why_not_;
};

}  // namespace evermill::tests
