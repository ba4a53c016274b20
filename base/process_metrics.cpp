#include "base/process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

namespace evermill::metrics {
namespace {

constexpr description resident{"process_resident_memory_bytes", kind::gauge, "Resident memory of the process in bytes."};
constexpr description virtual_memory{"process_virtual_memory_bytes", kind::gauge, "Virtual memory of the process in bytes."};
constexpr description cpu{"process_cpu_seconds_total", kind::counter, "User and system processor time in seconds."};
constexpr description open_fds{"process_open_fds", kind::gauge, "Open file descriptors."};
constexpr description max_fds{"process_max_fds", kind::gauge, "How many file descriptors may be open."};
constexpr description started{"process_start_time_seconds", kind::gauge,
                              "When the process started, since the Unix epoch in seconds."};
constexpr description threads{"process_threads", kind::gauge, "Threads of the process."};

std::string text_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<double> boot_time() {
  std::istringstream lines(text_of("/proc/stat"));
  for (std::string word; lines >> word;) {
    double seconds = 0;
    if (word == "btime" && lines >> seconds) return seconds;
  }
  return std::nullopt;
}

/// Fields of /proc/self/stat are counted from 1 in proc(5); the second one, the program's name, may hold blanks and brackets.
void collect_stat(scrape& into) {
  const std::string text = text_of("/proc/self/stat");
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream rest(text.substr(name_end + 1));
  std::string state;
  double value = 0;
  rest >> state;
  const double ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const double page_bytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
  double ticks = 0;
  for (int field = 4; field <= 24 && rest >> value; ++field) {
    if (field == 14) ticks = value;
    if (field == 15) into.add(cpu, {}, (ticks + value) / ticks_per_second);
    if (field == 20) into.add(threads, {}, value);
    if (field == 22) {
      if (const auto boot = boot_time()) into.add(started, {}, *boot + value / ticks_per_second);
    }
    if (field == 23) into.add(virtual_memory, {}, value);
    if (field == 24) into.add(resident, {}, value * page_bytes);
  }
}

}  // namespace

void collect_process(scrape& into) {
  collect_stat(into);
  std::error_code failed;
  std::uint64_t count = 0;
  std::filesystem::directory_iterator each("/proc/self/fd", failed);
  for (; !failed && each != std::filesystem::directory_iterator(); each.increment(failed)) ++count;
  if (!failed && count > 0) into.add(open_fds, {}, count - 1);  // one is that of the folder that is read
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) into.add(max_fds, {}, static_cast<double>(limit.rlim_cur));
}

}  // namespace evermill::metrics
