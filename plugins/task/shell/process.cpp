#include "plugins/task/shell/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

extern char** environ;

namespace evermill::tasks {
namespace {

constexpr std::size_t chunk_bytes = 64 * 1024;

class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor() { close(); }
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

/// Pairs of connected descriptors: sockets for stdin, so that a child that does not read raises no SIGPIPE here.
bool make_streams(std::array<descriptor, 3>& ours, std::array<descriptor, 3>& theirs) {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return false;
  ours[0] = descriptor(fds[0]);
  theirs[0] = descriptor(fds[1]);
  for (int i = 1; i < 3; ++i) {
    if (::pipe2(fds, O_CLOEXEC) != 0) return false;
    ours[static_cast<std::size_t>(i)] = descriptor(fds[0]);
    theirs[static_cast<std::size_t>(i)] = descriptor(fds[1]);
  }
  for (const descriptor& stream : ours) ::fcntl(stream.get(), F_SETFL, O_NONBLOCK);
  return true;
}

std::vector<std::string> environment(const shell_command& command, const std::map<std::string, std::string>& extra) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) all[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : extra) all[name] = value;
  for (const auto& [name, value] : command.env) all[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

/// As execvp would find it; here because nothing may be allocated after fork.
std::string find_program(const std::string& name, const std::vector<std::string>& env) {
  if (name.find('/') != std::string::npos) return name;
  std::string path = "/usr/local/bin:/usr/bin:/bin";
  for (const std::string& line : env) {
    if (line.starts_with("PATH=")) path = line.substr(5);
  }
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t to = std::min(path.find(':', from), path.size());
    const std::string candidate = path.substr(from, to - from) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    from = to + 1;
  }
  return name;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& s : strings) list.push_back(s.data());
  list.push_back(nullptr);
  return list;
}

/// In the child: only calls that are safe after fork in a threaded program.
[[noreturn]] void become(const char* program, char* const* argv, char* const* env, const char* directory,
                         const std::array<int, 3>& streams, int error_pipe, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  for (int i = 0; i < 3; ++i) ::dup2(streams[static_cast<std::size_t>(i)], i);
  if (*directory == '\0' || ::chdir(directory) == 0) ::execve(program, argv, env);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(error_pipe, &error, sizeof error);
  ::_exit(127);
}

struct output {
  std::string* text;
  bool* truncated;
};

/// Reads what there is; closes the stream at its end.
void drain(descriptor& stream, const output& to, std::size_t limit) {
  char chunk[chunk_bytes];
  while (stream.get() >= 0) {
    const ssize_t n = ::read(stream.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return stream.close();
    const std::size_t room = limit > to.text->size() ? limit - to.text->size() : 0;
    const std::size_t keep = std::min(room, static_cast<std::size_t>(n));
    to.text->append(chunk, keep);
    if (keep < static_cast<std::size_t>(n)) *to.truncated = true;
  }
}

void feed(descriptor& stream, std::string_view& rest) {
  while (stream.get() >= 0 && !rest.empty()) {
    const ssize_t n = ::send(stream.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) break;  // it reads no more
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  stream.close();
}

}  // namespace

process_end run_process(const shell_command& command, const std::map<std::string, std::string>& extra_env, int stop,
                        std::chrono::milliseconds kill_grace) {
  process_end end;
  std::vector<std::string> argv = command.argv;
  if (!command.script.empty()) argv = {"/bin/sh", "-c", command.script};
  std::vector<std::string> env = environment(command, extra_env);
  const std::string program = find_program(argv.front(), env);
  std::vector<char*> argv_pointers = pointers(argv);
  std::vector<char*> env_pointers = pointers(env);
  std::array<descriptor, 3> ours;
  std::array<descriptor, 3> theirs;
  int error_fds[2];
  if (!make_streams(ours, theirs) || ::pipe2(error_fds, O_CLOEXEC) != 0) {
    end.start_error = std::string("no streams: ") + std::strerror(errno);
    return end;
  }
  descriptor error_read(error_fds[0]);
  descriptor error_write(error_fds[1]);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    become(program.c_str(), argv_pointers.data(), env_pointers.data(), command.working_directory.c_str(),
           {theirs[0].get(), theirs[1].get(), theirs[2].get()}, error_write.get(), parent);
  }
  if (pid < 0) {
    end.start_error = std::string("fork: ") + std::strerror(errno);
    return end;
  }
  ::setpgid(pid, pid);
  for (descriptor& stream : theirs) stream.close();
  error_write.close();
  int start_errno = 0;
  while (::read(error_read.get(), &start_errno, sizeof start_errno) < 0 && errno == EINTR) {
  }
  const descriptor child(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const output out{&end.result.stdout_text, &end.result.stdout_truncated};
  const output err{&end.result.stderr_text, &end.result.stderr_truncated};
  const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(command.max_output_bytes, 0));
  std::string_view input = command.stdin_text;
  bool killed = false;
  bool exited = false;
  while (!exited) {
    std::array<pollfd, 5> waiting{{{ours[0].get(), POLLOUT, 0},
                                   {ours[1].get(), POLLIN, 0},
                                   {ours[2].get(), POLLIN, 0},
                                   {child.get(), POLLIN, 0},
                                   {end.stopped ? -1 : stop, POLLIN, 0}}};
    const int timeout = end.stopped && !killed ? static_cast<int>(kill_grace.count()) : -1;
    const int ready = ::poll(waiting.data(), waiting.size(), timeout);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) {
      killed = true;
      ::kill(-pid, SIGKILL);
      continue;
    }
    if (waiting[0].revents != 0) feed(ours[0], input);
    if (waiting[1].revents != 0) drain(ours[1], out, limit);
    if (waiting[2].revents != 0) drain(ours[2], err, limit);
    if (waiting[4].revents != 0) {
      end.stopped = true;
      ::kill(-pid, SIGTERM);
    }
    exited = waiting[3].revents != 0;
  }
  drain(ours[1], out, limit);
  drain(ours[2], err, limit);
  ::kill(-pid, SIGKILL);  // whatever the process left behind in its group; its pid is not reaped yet
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (start_errno != 0) {
    end.start_error = "\"" + program + "\": " + std::strerror(start_errno);
  } else if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
  } else {
    end.result.exit_code = WEXITSTATUS(status);
  }
  return end;
}

}  // namespace evermill::tasks
