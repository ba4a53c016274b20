#include "plugins/task/shell/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "plugins/task/shell/memory_group.hpp"

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

/// Above those that the child's streams will take, also where this process runs with its own closed.
descriptor above_streams(int fd) {
  const descriptor low(fd);
  return descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, document_descriptor + 1));
}

bool make_pipe(descriptor& read_end, descriptor& write_end) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return false;
  read_end = above_streams(fds[0]);
  write_end = above_streams(fds[1]);
  return read_end.get() >= 0 && write_end.get() >= 0;
}

struct streams {
  std::array<descriptor, 4> ours;  ///< in the order of the child's numbers
  std::array<descriptor, 4> theirs;
  descriptor error_read;  ///< says why exec failed; closed by exec
  descriptor error_write;

  bool make() {
    if (!make_pipe(theirs[0], ours[0]) || !make_pipe(ours[1], theirs[1]) || !make_pipe(ours[2], theirs[2]))
      return false;
    if (!make_pipe(ours[heartbeat_descriptor], theirs[heartbeat_descriptor])) return false;
    if (!make_pipe(error_read, error_write)) return false;
    for (const descriptor& stream : ours) ::fcntl(stream.get(), F_SETFL, O_NONBLOCK);
    return true;
  }
  void close_theirs() {
    for (descriptor& stream : theirs) stream.close();
    error_write.close();
  }
};

/// A file without a name that holds `text`.
descriptor make_document(const std::string& text) {
  descriptor file = above_streams(::memfd_create("document", MFD_CLOEXEC));
  for (std::size_t done = 0; file.get() >= 0 && done < text.size();) {
    const ssize_t n = ::write(file.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {};
    done += static_cast<std::size_t>(n);
  }
  if (file.get() >= 0) ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::vector<std::string> environment(const process_command& command) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; command.inherit_env && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) all[text.substr(0, equals)] = text.substr(equals + 1);
  }
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

/// What the child becomes.
struct new_program {
  const char* path;
  char* const* argv;
  char* const* env;
  const char* directory;
  std::array<int, 5> streams;  ///< in the order of its numbers; -1: none
  int group = -1;              ///< of memory_group
  rlim_t data_bytes = RLIM_INFINITY;
};

/// In the child: only calls that are safe after fork in a threaded program.
[[noreturn]] void become(const new_program& next, int error_pipe, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  bool limited = next.group < 0 || ::write(next.group, "0", 1) == 1;  // first: its number may be a stream's
  int number = 0;
  for (const int stream : next.streams) {
    if (stream >= 0) ::dup2(stream, number);
    ++number;
  }
  const rlimit data{next.data_bytes, next.data_bytes};
  limited = limited && (next.data_bytes == RLIM_INFINITY || ::setrlimit(RLIMIT_DATA, &data) == 0);
  if (limited && (*next.directory == '\0' || ::chdir(next.directory) == 0)) ::execve(next.path, next.argv, next.env);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(error_pipe, &error, sizeof error);
  ::_exit(127);
}

/// One of the child's output streams: what is kept of it, and who else hears it.
struct output {
  descriptor& stream;
  std::string& text;
  bool& truncated;
  output_stream which;
};

/// Reads up to `chunks` pieces of what there is, so that a flood can't keep the caller; closes the stream at its end.
void drain(output& from, std::size_t limit, int chunks, const process_control& control) {
  char chunk[chunk_bytes];
  for (; from.stream.get() >= 0 && chunks > 0; --chunks) {
    const ssize_t n = ::read(from.stream.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return from.stream.close();
    const std::string_view piece(chunk, static_cast<std::size_t>(n));
    if (control.on_output) control.on_output(from.which, piece);
    const std::size_t keep = std::min(limit - from.text.size(), piece.size());
    from.text.append(piece.substr(0, keep));
    if (keep < piece.size()) from.truncated = true;
  }
}

/// The lines of a process that tells how far it has come.
struct heartbeats {
  descriptor& stream;
  std::string line;

  /// As drain.
  void read(int chunks, const process_control& control) {
    char chunk[chunk_bytes];
    for (; stream.get() >= 0 && chunks > 0; --chunks) {
      const ssize_t n = ::read(stream.get(), chunk, sizeof chunk);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return stream.close();
      split(std::string_view(chunk, static_cast<std::size_t>(n)), control);
    }
  }

 private:
  void split(std::string_view piece, const process_control& control) {
    for (std::size_t end = 0; !piece.empty(); piece.remove_prefix(end)) {
      const std::size_t newline = piece.find('\n');
      const std::size_t length = std::min(newline, piece.size());
      line.append(piece.substr(0, std::min(length, max_heartbeat_bytes - line.size())));
      end = newline == std::string_view::npos ? piece.size() : newline + 1;
      if (newline == std::string_view::npos || line.empty()) continue;
      if (control.on_heartbeat) control.on_heartbeat(std::move(line));
      line.clear();
    }
  }
};

void feed(descriptor& stream, std::string_view& rest) {
  while (stream.get() >= 0 && !rest.empty()) {
    const ssize_t n = ::write(stream.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) break;  // it reads no more
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  stream.close();
}

/// A started process and all that is needed to see it to its end.
class watched_process {
 public:
  watched_process(pid_t pid, descriptor exit, streams& pipes, std::size_t limit, const process_control& control,
                  shell_result& result)
      : pid_(pid),
        exit_(std::move(exit)),
        in_(pipes.ours[0]),
        out_{pipes.ours[1], result.stdout_text, result.stdout_truncated, output_stream::out},
        err_{pipes.ours[2], result.stderr_text, result.stderr_truncated, output_stream::err},
        beats_{pipes.ours[heartbeat_descriptor], {}},
        limit_(limit),
        control_(control) {}

  void wait(std::string_view input) {
    while (!step(input)) {
    }
    ::kill(-pid_, SIGKILL);  // what it left behind in its group; it is not reaped, so the number is still its own
    drain(out_, limit_, last_chunks, control_);
    drain(err_, limit_, last_chunks, control_);
    beats_.read(last_chunks, control_);
  }

 private:
  using steady = std::chrono::steady_clock;
  static constexpr int last_chunks = 32;  // a pipe's content and more; others may still hold its end and write

  /// True when the process has exited.
  bool step(std::string_view& input) {
    std::array<pollfd, 6> waiting{{{in_.get(), POLLOUT, 0},
                                   {out_.stream.get(), POLLIN, 0},
                                   {err_.stream.get(), POLLIN, 0},
                                   {exit_.get(), POLLIN, 0},
                                   {control_.stop, POLLIN, 0},
                                   {beats_.stream.get(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), kill_if_due()) < 0) return false;
    if (waiting[0].revents != 0) feed(in_, input);
    if (waiting[1].revents != 0) drain(out_, limit_, 1, control_);
    if (waiting[2].revents != 0) drain(err_, limit_, 1, control_);
    if (waiting[4].revents != 0) terminate();
    if (waiting[5].revents != 0) beats_.read(1, control_);
    return waiting[3].revents != 0;
  }

  void terminate() {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(control_.stop, &count, sizeof count);
    if (terminated_) return;
    terminated_ = steady::now();
    ::kill(-pid_, SIGTERM);
  }

  /// Milliseconds until there is something to do; -1: nothing is due.
  int kill_if_due() {
    if (!terminated_ || killed_) return -1;
    const auto left = *terminated_ + control_.kill_grace->load() - steady::now();
    if (left > left.zero()) return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
    killed_ = true;
    ::kill(-pid_, SIGKILL);
    return -1;
  }

  const pid_t pid_;
  const descriptor exit_;
  descriptor& in_;
  output out_;
  output err_;
  heartbeats beats_;
  const std::size_t limit_;
  const process_control& control_;
  std::optional<steady::time_point> terminated_;
  bool killed_ = false;
};

int reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

process_end cannot_start(const std::string& what, int error, bool out_of_means) {
  process_end end;
  end.start_error = what + ": " + std::strerror(error);
  end.out_of_means = out_of_means;
  return end;
}

}  // namespace

process_end run_process(const process_command& command, const process_control& control) {
  std::vector<std::string> argv = command.argv;
  std::vector<std::string> env = environment(command);
  const std::string program = find_program(argv.front(), env);
  const std::vector<char*> argv_pointers = pointers(argv);
  const std::vector<char*> env_pointers = pointers(env);
  streams pipes;
  if (!pipes.make()) return cannot_start("\"" + program + "\": its pipes", errno, true);
  descriptor document;
  if (command.document) document = make_document(*command.document);
  if (command.document && document.get() < 0) return cannot_start("\"" + program + "\": its script", errno, true);
  const bool wants_group = command.memory_bytes > 0 && control.cgroups;
  const std::optional<memory_group> group = wants_group ? memory_group::make(command.memory_bytes) : std::nullopt;
  new_program next{program.c_str(),
                   argv_pointers.data(),
                   env_pointers.data(),
                   command.working_directory.c_str(),
                   {}};
  for (std::size_t i = 0; i < pipes.theirs.size(); ++i) next.streams[i] = pipes.theirs[i].get();
  next.streams[document_descriptor] = document.get();
  if (group) next.group = group->descriptor();
  if (command.memory_bytes > 0 && !group) next.data_bytes = static_cast<rlim_t>(command.memory_bytes);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(next, pipes.error_write.get(), parent);
  if (pid < 0) return cannot_start("\"" + program + "\": fork", errno, true);
  ::setpgid(pid, pid);
  pipes.close_theirs();
  document.close();
  int start_errno = 0;
  while (::read(pipes.error_read.get(), &start_errno, sizeof start_errno) < 0 && errno == EINTR) {
  }
  if (start_errno != 0) {
    reap(pid);
    const std::string where =
        command.working_directory.empty() ? "" : " in directory \"" + command.working_directory + "\"";
    process_end end = cannot_start("\"" + program + "\"" + where, start_errno, false);
    end.no_such_program = start_errno == ENOENT && command.working_directory.empty();
    return end;
  }
  descriptor exit(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (exit.get() < 0) {
    const int error = errno;
    ::kill(-pid, SIGKILL);
    reap(pid);
    return cannot_start("\"" + program + "\": pidfd_open", error, error == EMFILE || error == ENFILE);
  }
  process_end end;
  const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(command.max_output_bytes, 0));
  watched_process(pid, std::move(exit), pipes, limit, control, end.result).wait(command.stdin_text);
  const int status = reap(pid);
  if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
  } else {
    end.result.exit_code = WEXITSTATUS(status);
  }
  end.out_of_memory = group && group->ran_out() && (end.signal != 0 || end.result.exit_code != 0);
  return end;
}

}  // namespace evermill::tasks
