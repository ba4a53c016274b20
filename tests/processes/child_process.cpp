#include "child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace evermill::processes {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> found;
  for (std::string& text : texts) found.push_back(text.data());
  found.push_back(nullptr);
  return found;
}

[[noreturn]] void fail(const char* what, int error) { throw std::system_error(error, std::generic_category(), what); }

}  // namespace

child_process::child_process(const std::vector<std::string>& command, std::filesystem::path output,
                             const std::vector<std::string>& environment)
    : output_(std::move(output)) {
  std::vector<std::string> words = command, variables = environment;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const int error =
      ::posix_spawn(&id_, words.front().c_str(), &actions, nullptr, pointers(words).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail(words.front().c_str(), error);
  watch_ = static_cast<int>(::syscall(SYS_pidfd_open, id_, 0));
  if (watch_ < 0) {
    const int why = errno;
    kill();
    fail("pidfd_open", why);
  }
}

child_process::~child_process() {
  kill();
  if (watch_ >= 0) ::close(watch_);
}

void child_process::send(int signal) {
  if (!reaped_) ::kill(id_, signal);
}

void child_process::kill() {
  send(SIGKILL);
  reap();
}

void child_process::reap() {
  if (reaped_) return;
  while (::waitpid(id_, &status_, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
}

bool child_process::ended_within(std::chrono::milliseconds limit) {
  pollfd ended{watch_, POLLIN, 0};
  if (!reaped_ && ::poll(&ended, 1, static_cast<int>(limit.count())) == 1) reap();
  return reaped_;
}

std::string child_process::output() const {
  std::stringstream text;
  text << std::ifstream(output_).rdbuf();
  return text.str();
}

write_watch::write_watch(const std::filesystem::path& directory)
    : descriptor_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (descriptor_ < 0 || ::inotify_add_watch(descriptor_, directory.c_str(), IN_MODIFY) < 0) fail("inotify", errno);
}

write_watch::~write_watch() { ::close(descriptor_); }

void write_watch::wait_for(unsigned count, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  alignas(inotify_event) char events[4096];
  while (count > 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd readable{descriptor_, POLLIN, 0};
    if (left <= 0 || ::poll(&readable, 1, static_cast<int>(left)) != 1) return;
    const ssize_t bytes = ::read(descriptor_, events, sizeof events);
    for (ssize_t at = 0; at < bytes && count > 0; --count) {
      at += static_cast<ssize_t>(sizeof(inotify_event) + reinterpret_cast<inotify_event*>(events + at)->len);
    }
  }
}

}  // namespace evermill::processes
