#include "effects.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace evermill::processes {

void append_effect(const std::string& file, const effect& what) {
  std::string line = what.kind + ' ' + what.id + ' ' + std::to_string(what.value) + ' ' + std::to_string(what.process);
  if (line.size() >= effect_line_bytes) throw std::runtime_error("an effect is too long for its line: " + line);
  line.resize(effect_line_bytes - 1, ' ');
  line += '\n';
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const bool written =
      descriptor >= 0 && ::write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (descriptor >= 0) ::close(descriptor);
  if (!written) throw std::runtime_error("the effects file can't be written");
}

std::vector<effect> read_effects(const std::filesystem::path& file, std::uint64_t& offset) {
  std::vector<effect> found;
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  for (std::string line; std::getline(in, line) && !in.eof(); offset += effect_line_bytes) {
    effect e;
    if (line.size() + 1 != effect_line_bytes || !(std::istringstream(line) >> e.kind >> e.id >> e.value >> e.process)) {
      throw std::runtime_error("a malformed effect: " + line);
    }
    found.push_back(std::move(e));
  }
  return found;
}

std::uint64_t digest_of(std::string_view text) {
  std::uint64_t digest = 14695981039346656037u;  // FNV-1a
  for (const char c : text) digest = (digest ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return digest ^ (digest >> 29);
}

std::int64_t value_of(std::string_view dispatch_id) {
  return static_cast<std::int64_t>(digest_of(dispatch_id) % 1'000'000'000);
}

attempt_fate fate_of(std::string_view dispatch_id) {
  const std::uint64_t dice = digest_of(dispatch_id) / 1'000'000'000 % 100;
  return dice < 2 ? attempt_fate::fails_for_good : dice < 12 ? attempt_fate::fails : attempt_fate::completes;
}

}  // namespace evermill::processes
