#include "server/security/guarded_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "server/security/secrets_text.hpp"

namespace evermill::server::security {
namespace {

class descriptor {
 public:
  explicit descriptor(int fd) : fd_(fd) {}
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  const int fd_;
};

std::string quoted_path(const std::filesystem::path& path) { return "\"" + path.string() + "\""; }

std::string mode_text(mode_t mode) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & 07777));
  return text.data();
}

/// Nothing, or why the file is no place for a secret.
std::string why_not_secret(const struct stat& of, const std::filesystem::path& path) {
  if (of.st_uid != ::geteuid() && of.st_uid != 0) {
    return quoted_path(path) + " belongs to another user (" + std::to_string(of.st_uid) + "), who could change it; make it yours";
  }
  const mode_t open_to = of.st_uid == 0 ? of.st_mode & 037 : of.st_mode & 077;
  if (open_to == 0) return {};
  return quoted_path(path) + " can be read by others (mode " + mode_text(of.st_mode) + "); run: chmod 600 " + path.string();
}

std::filesystem::path directory_of(const std::filesystem::path& file) {
  const std::filesystem::path parent = file.parent_path();
  return parent.empty() ? "." : parent;
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

result<std::string, std::string> read_all(int fd, const std::filesystem::path& path, std::size_t max_bytes) {
  std::string text;
  std::array<char, 16384> piece{};
  for (;;) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unexpected(quoted_path(path) + " can't be read: " + std::strerror(errno));
    if (got == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
    if (text.size() > max_bytes) return unexpected(quoted_path(path) + " is larger than " + std::to_string(max_bytes) + " bytes");
  }
}

}  // namespace

result<std::string, std::string> read_guarded_file(const std::filesystem::path& path, file_rule rule, std::size_t max_bytes) {
  const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO must not keep us waiting
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0) return unexpected(quoted_path(path) + " can't be read: " + std::strerror(errno));
  if (!S_ISREG(about.st_mode)) return unexpected(quoted_path(path) + " is no regular file");
  if (rule == file_rule::secret) {
    if (std::string why = why_not_secret(about, path); !why.empty()) return unexpected(std::move(why));
  }
  return read_all(file.get(), path, max_bytes);
}

result<void, std::string> replace_file(const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path beside = directory_of(path) / ("." + path.filename().string() + "." + random_base62(10));
  const auto failed = [&](const std::string& what) {
    std::string why = quoted_path(path) + " can't be written: " + what + ": " + std::strerror(errno);
    ::unlink(beside.c_str());
    return unexpected(std::move(why));
  };
  const descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return failed("no file can be made beside it");
  if (::fchmod(file.get(), 0600) != 0 || !write_all(file.get(), content) || ::fsync(file.get()) != 0) return failed("writing");
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("renaming");
  const descriptor directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) {
    return unexpected(quoted_path(path) + " was written, but may not survive a power cut: " + std::strerror(errno));
  }
  return {};
}

directory_lock::directory_lock(const std::filesystem::path& of_file)
    : directory_(::open(directory_of(of_file).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  int locked = directory_ < 0 ? -1 : ::flock(directory_, LOCK_EX);
  while (locked != 0 && directory_ >= 0 && errno == EINTR) locked = ::flock(directory_, LOCK_EX);
  if (locked == 0) return;
  const std::string why = std::strerror(errno);
  if (directory_ >= 0) ::close(directory_);
  throw std::runtime_error("the directory of " + quoted_path(of_file) + " can't be used: " + why);
}

directory_lock::~directory_lock() { ::close(directory_); }

file_watch::file_watch(std::vector<std::filesystem::path> files, const clock& time, std::chrono::milliseconds interval)
    : files_(std::move(files)), clock_(time), interval_(interval), next_(to_micros(time.now() + interval_)), seen_(look()) {}

bool file_watch::changed() {
  const std::int64_t now = to_micros(clock_.now());
  if (now < next_.load(std::memory_order_relaxed)) return false;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return false;  // another one looks
  next_.store(now + interval_.count(), std::memory_order_relaxed);
  std::vector<stamp> now_there = look();
  if (now_there == seen_) return false;
  seen_ = std::move(now_there);
  return true;
}

file_watch::stamp file_watch::look_at(const std::filesystem::path& file) {
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) return {};
  const auto nanoseconds = [](const timespec& of) { return std::int64_t{of.tv_sec} * 1'000'000'000 + of.tv_nsec; };
  stamp made;
  made.device = about.st_dev;
  made.inode = about.st_ino;
  made.bytes = about.st_size;
  made.modified_ns = nanoseconds(about.st_mtim);
  made.changed_ns = nanoseconds(about.st_ctim);
  return made;
}

std::vector<file_watch::stamp> file_watch::look() const {
  std::vector<stamp> all;
  for (const std::filesystem::path& file : files_) all.push_back(look_at(file));
  return all;
}

}  // namespace evermill::server::security
