#include "effects.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include "scenario.hpp"

namespace evermill::semantics {
namespace {

/// A line never crosses a page of the file, and is one write.
constexpr std::size_t line_bytes = 128;

struct counter {
  std::mutex mutex;
  std::filesystem::path file;  // empty: in memory
  effect_counts counts;
};

counter& the_counter() {
  static counter only;
  return only;
}

void append_line(const std::filesystem::path& file, std::string line) {
  if (line.size() >= line_bytes) throw std::runtime_error("an effect is too long for its line: " + line);
  line.resize(line_bytes - 1, ' ');
  line += '\n';
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const bool written =
      descriptor >= 0 && ::write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (descriptor >= 0) ::close(descriptor);
  if (!written) throw std::runtime_error("the effects file can't be written");
}

}  // namespace

void count_effects_in_memory() {
  const std::lock_guard lock(the_counter().mutex);
  the_counter().file.clear();
  the_counter().counts.clear();
}

void count_effects_in(const std::filesystem::path& file) {
  const std::lock_guard lock(the_counter().mutex);
  the_counter().file = file;
}

effect_counts counted_effects() {
  const std::lock_guard lock(the_counter().mutex);
  return the_counter().counts;
}

effect_counts read_effects(const std::filesystem::path& file) {
  effect_counts found;
  std::ifstream in(file, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    std::string what, key;
    if (line.size() + 1 != line_bytes || !(std::istringstream(line) >> what >> key)) {
      throw std::runtime_error("a malformed effect: " + line);
    }
    ++found[what][key];
  }
  return found;
}

void record(std::string_view what, std::string_view key) {
  counter& all = the_counter();
  const std::lock_guard lock(all.mutex);
  if (all.file.empty()) {
    ++all.counts[std::string(what)][std::string(key)];
  } else {
    append_line(all.file, std::string(what) + " " + std::string(key));
  }
}

}  // namespace evermill::semantics
