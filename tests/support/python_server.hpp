// A server of the tests that is a Python script: it says on its first line of output where it listens, and ends with the object.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace evermill::tests {

class python_server {
 public:
  explicit python_server(const std::filesystem::path& script, std::vector<std::string> arguments = {}) {
    std::vector<std::string> words{"python3", "-B", script.string()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> list;
    for (std::string& each : words) list.push_back(each.data());
    list.push_back(nullptr);
    int input[2];
    int output[2];
    if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // so that none is left when the tests are killed
      if (::getppid() != parent) ::_exit(1);
      ::dup2(input[0], STDIN_FILENO);
      ::dup2(output[1], STDOUT_FILENO);
      ::execvp(list[0], list.data());
      ::_exit(127);
    }
    ::close(input[0]);
    ::close(output[1]);
    input_ = input[1];
    std::string line;
    for (char each = 0; ::read(output[0], &each, 1) == 1 && each != '\n';) line.push_back(each);
    ::close(output[0]);
    said_ = nlohmann::json::parse(line, nullptr, false);
    if (!said_.is_object()) throw std::runtime_error(script.string() + " does not start");
  }
  ~python_server() {
    ::close(input_);  // which ends it, and what it has started
    ::waitpid(pid_, nullptr, 0);
  }
  python_server(const python_server&) = delete;
  python_server& operator=(const python_server&) = delete;

  bool has(const std::string& what) const { return said_.contains(what); }
  /// What its first line says under this name.
  std::string operator[](const std::string& what) const { return said_.at(what).get<std::string>(); }

 private:
  pid_t pid_ = 0;
  int input_ = -1;
  nlohmann::json said_;
};

}  // namespace evermill::tests
