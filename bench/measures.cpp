#include "bench/measures.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <string>
#include <system_error>

namespace evermill::bench {
namespace {

constexpr std::size_t sync_samples = 200;
constexpr std::size_t sync_append_bytes = 256;  // about what one small commit writes

class scratch_file {
 public:
  explicit scratch_file(std::filesystem::path path)
      : path_(std::move(path)), fd_(::open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "cannot write " + path_.string());
  }
  ~scratch_file() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;

  void append_and_sync() const {
    static constexpr std::array<char, sync_append_bytes> bytes{};
    if (::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) || ::fdatasync(fd_) != 0) {
      throw std::system_error(errno, std::generic_category(), "cannot write " + path_.string());
    }
  }

 private:
  std::filesystem::path path_;
  int fd_;
};

}  // namespace

std::chrono::nanoseconds percentile(std::vector<std::chrono::nanoseconds>& samples, double percent) {
  if (samples.empty()) return {};
  const double rank = std::ceil(percent / 100.0 * static_cast<double>(samples.size()));
  const std::size_t index = std::clamp<std::size_t>(static_cast<std::size_t>(rank), 1, samples.size()) - 1;
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(index);
  std::nth_element(samples.begin(), at, samples.end());
  return *at;
}

std::uint64_t resident_bytes() {
  ::malloc_trim(0);
  std::ifstream statm("/proc/self/statm");  // proc(5): total and resident size in pages
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::chrono::nanoseconds time_of_one_sync(const std::filesystem::path& directory) {
  using clock = std::chrono::steady_clock;
  const scratch_file file(directory / ("sync-probe-" + std::to_string(::getpid())));
  std::vector<std::chrono::nanoseconds> samples;
  samples.reserve(sync_samples);
  for (std::size_t i = 0; i < sync_samples; ++i) {
    const auto before = clock::now();
    file.append_and_sync();
    samples.push_back(clock::now() - before);
  }
  return percentile(samples, 50);
}

}  // namespace evermill::bench
