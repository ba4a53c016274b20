#include "publishing/stream_sink.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace evermill::publishing {
namespace {

constexpr int stop_look_ms = 100;
constexpr std::chrono::milliseconds between_lock_tries{5};
constexpr mode_t file_mode = 0640;

std::string lines_of(const std::vector<cloud_event>& events) {
  std::string lines;
  for (const cloud_event& event : events) lines += to_json_line(event);
  return lines;
}

std::string words_of(int error) { return std::generic_category().message(error); }

class open_file {
 public:
  open_file(const std::filesystem::path& path, int flags) : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, file_mode)) {}
  ~open_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  explicit operator bool() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

class file_sink final : public sink {
 public:
  explicit file_sink(std::filesystem::path path) : path_(std::move(path)) {}

  std::string address() const override { return "file " + path_.string(); }

  result<void, sink_error> send(std::vector<cloud_event>&& events, std::stop_token stop) override {
    const open_file file(path_, O_RDWR | O_CREAT);
    if (!file) return failed("opened");
    while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {  // until it is closed
      if ((errno != EWOULDBLOCK && errno != EINTR) || stop.stop_requested()) return failed("locked");
      std::this_thread::sleep_for(between_lock_tries);  // another process writes; it may be one that stands still
    }
    struct stat found {};
    if (::fstat(file.get(), &found) != 0) return failed("looked at");
    if (!S_ISREG(found.st_mode)) {
      return unexpected(sink_error{"events can't be published to " + address() + ": it is no regular file; name another one"});
    }
    const off_t end = whole_lines(file.get(), found.st_size);
    if (end < 0) return failed("read");
    if (end < found.st_size) {
      if (!is_torn_event(file.get(), end)) {
        return unexpected(sink_error{"events can't be published to " + address() +
                                     ": it does not end with a line of events; name another file"});
      }
      if (::ftruncate(file.get(), end) != 0) return failed("cut");
    }
    const std::string lines = lines_of(events);
    for (std::size_t written = 0; written < lines.size();) {
      const ssize_t n = ::pwrite(file.get(), lines.data() + written, lines.size() - written, end + static_cast<off_t>(written));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return failed("written");
      written += static_cast<std::size_t>(n);
    }
    if (::fdatasync(file.get()) != 0) return failed("synced");
    if (found.st_size == 0 && !sync_folder()) return failed("synced");
    return {};
  }

 private:
  tl::unexpected<sink_error> failed(const char* what) const {
    return unexpected(sink_error{"events can't be published to " + address() + ", which can't be " + what + ": " +
                                 words_of(errno) + "; see that the folder is there, may be written to and has space"});
  }

  /// How long the file is without what follows its last line's end; negative: it can't be read.
  static off_t whole_lines(int file, off_t size) {
    char block[4096];
    for (off_t end = size; end > 0;) {
      const auto length = static_cast<std::size_t>(std::min<off_t>(end, sizeof block));
      const off_t from = end - static_cast<off_t>(length);
      const ssize_t n = ::pread(file, block, length, from);
      if (n != static_cast<ssize_t>(length)) return -1;
      const std::size_t last = std::string_view(block, length).rfind('\n');
      if (last != std::string_view::npos) return from + static_cast<off_t>(last) + 1;
      end = from;
    }
    return 0;
  }

  /// Nothing else is ever cut off: the file may be somebody else's.
  static bool is_torn_event(int file, off_t at) {
    constexpr std::string_view begin = "{\"specversion\":\"1.0\",";
    char there[begin.size()];
    const ssize_t n = ::pread(file, there, sizeof there, at);
    return n > 0 && begin.starts_with(std::string_view(there, static_cast<std::size_t>(n)));
  }

  /// A new file is durable when its folder's entry is.
  bool sync_folder() const {
    const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const open_file opened(folder, O_RDONLY | O_DIRECTORY);
    return opened && ::fsync(opened.get()) == 0;
  }

  const std::filesystem::path path_;
};

class descriptor_sink final : public sink {
 public:
  descriptor_sink(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  std::string address() const override { return name_; }

  result<void, sink_error> send(std::vector<cloud_event>&& events, std::stop_token stop) override {
    const std::string lines = std::exchange(rest_of_line_, {}) + lines_of(events);
    std::size_t written = 0;
    while (written < lines.size()) {
      // What a pipe has room for, so that a reader that is slow is waited for where the wait can be ended.
      pollfd ready{descriptor_, POLLOUT, 0};
      const int found = ::poll(&ready, 1, stop_look_ms);
      if (stop.stop_requested()) return failed(lines, written, "told to stop");
      if (found == 0 || (found < 0 && errno == EINTR)) continue;
      const ssize_t n = ::write(descriptor_, lines.data() + written, std::min<std::size_t>(lines.size() - written, PIPE_BUF));
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n < 0) return failed(lines, written, words_of(errno));
      written += static_cast<std::size_t>(n);
    }
    return {};
  }

 private:
  /// A line that was begun is ended by the next call, before the same events come again.
  tl::unexpected<sink_error> failed(const std::string& lines, std::size_t written, const std::string& why) {
    if (written > 0 && lines[written - 1] != '\n') {
      rest_of_line_ = lines.substr(written, lines.find('\n', written) + 1 - written);
    }
    return unexpected(sink_error{"events can't be published to " + name_ + ": " + why});
  }

  const int descriptor_;
  const std::string name_;
  std::string rest_of_line_;
};

}  // namespace

std::unique_ptr<sink> make_file_sink(std::filesystem::path path) { return std::make_unique<file_sink>(std::move(path)); }

std::unique_ptr<sink> make_descriptor_sink(int descriptor, std::string name) {
  return std::make_unique<descriptor_sink>(descriptor, std::move(name));
}

}  // namespace evermill::publishing
