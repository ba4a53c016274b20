#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "server/security/audit_log.hpp"

namespace evermill::server::security {
namespace {

class audit_file final : public audit_sink {
 public:
  explicit audit_file(std::filesystem::path path) : path_(std::move(path)) {
    open();
    if (fd_ < 0) throw std::runtime_error("the audit log \"" + path_.string() + "\" can't be opened: " + error_);
  }
  ~audit_file() override { close(); }
  audit_file(const audit_file&) = delete;
  audit_file& operator=(const audit_file&) = delete;

  std::size_t write(std::string_view bytes, bool fresh) override {
    if (fresh && was_moved()) open();
    if (fd_ < 0) return 0;
    ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    while (written < 0 && errno == EINTR) written = ::write(fd_, bytes.data(), bytes.size());
    if (written >= 0 && static_cast<std::size_t>(written) == bytes.size()) return bytes.size();
    error_ = "\"" + path_.string() + "\": " + std::strerror(written < 0 ? errno : ENOSPC);
    return written < 0 ? 0 : static_cast<std::size_t>(written);
  }
  std::string error() const override { return error_; }
  void reopen() override { reopen_ = true; }  // not within a line

 private:
  /// Taken away or replaced, as log rotation does.
  bool was_moved() {
    struct stat there {};
    if (std::exchange(reopen_, false) || fd_ < 0) return true;
    return ::stat(path_.c_str(), &there) != 0 || there.st_ino != opened_.st_ino || there.st_dev != opened_.st_dev;
  }

  /// Keeps the old one where there is no new one.
  void open() {
    const int fd = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    struct stat about {};
    if (fd < 0 || ::fstat(fd, &about) != 0) {
      error_ = "\"" + path_.string() + "\": " + std::strerror(errno);
      if (fd >= 0) ::close(fd);
      return;
    }
    close();
    fd_ = fd;
    opened_ = about;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  const std::filesystem::path path_;
  int fd_ = -1;
  struct stat opened_ {};
  bool reopen_ = false;
  std::string error_;
};

class audit_to_log final : public audit_sink {
 public:
  explicit audit_to_log(log lines) : lines_(std::move(lines)) {}
  std::size_t write(std::string_view bytes, bool) override {
    lines_.info({}, "audit {}", bytes.substr(0, bytes.size() - 1));
    return bytes.size();
  }
  std::string error() const override { return {}; }

 private:
  const log lines_;
};

}  // namespace

std::unique_ptr<audit_sink> make_audit_file(const std::filesystem::path& path) { return std::make_unique<audit_file>(path); }
std::unique_ptr<audit_sink> make_audit_to_log(log lines) { return std::make_unique<audit_to_log>(std::move(lines)); }

}  // namespace evermill::server::security
