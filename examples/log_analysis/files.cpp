#include "files.hpp"

#include <fcntl.h>
#include <glob.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <memory>
#include <set>
#include <stdexcept>
#include <system_error>

namespace log_analysis {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

class file_descriptor {
 public:
  file_descriptor(const std::filesystem::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail("cannot open " + path.string());
  }
  ~file_descriptor() { ::close(fd_); }
  file_descriptor(const file_descriptor&) = delete;
  file_descriptor& operator=(const file_descriptor&) = delete;

  void write_all(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("cannot write");
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void sync() const {
    if (::fsync(fd_) != 0) fail("cannot sync");
  }

 private:
  int fd_;
};

}  // namespace

std::vector<std::string> match_files(const std::vector<std::string>& globs, std::size_t limit) {
  std::set<std::string> found;
  for (const std::string& pattern : globs) {
    glob_t matches{};
    if (::glob(pattern.c_str(), 0, nullptr, &matches) == 0) {
      for (std::size_t i = 0; i < matches.gl_pathc; ++i) {
        std::error_code ignored;
        if (std::filesystem::is_regular_file(matches.gl_pathv[i], ignored)) found.insert(matches.gl_pathv[i]);
      }
    }
    ::globfree(&matches);
  }
  std::vector<std::string> result(found.begin(), found.end());
  if (result.size() > limit) result.resize(limit);
  return result;
}

std::string read_text(const std::string& path, std::size_t max_bytes) {
  // gzread passes files that are not gzip through as they are.
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(::gzopen(path.c_str(), "rbe"), ::gzclose);
  if (!file) throw std::runtime_error("cannot open " + path + ": " + std::generic_category().message(errno));
  std::string text;
  char buffer[1 << 16];
  while (text.size() < max_bytes) {
    const int got = ::gzread(file.get(), buffer, sizeof buffer);
    if (got < 0) {
      int code = 0;
      throw std::runtime_error("cannot read " + path + ": " + ::gzerror(file.get(), &code));
    }
    if (got == 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  if (text.size() > max_bytes) text.resize(max_bytes);
  return text;
}

void write_atomically(const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  {
    const file_descriptor file(temporary, O_CREAT | O_TRUNC | O_WRONLY);
    file.write_all(content);
    file.sync();
  }
  std::filesystem::rename(temporary, path);
  file_descriptor(path.parent_path(), O_RDONLY | O_DIRECTORY).sync();
}

void append_line(const std::filesystem::path& path, const std::string& line) {
  const file_descriptor file(path, O_CREAT | O_WRONLY | O_APPEND);
  file.write_all(line + '\n');
}

}  // namespace log_analysis
