#include "cli/screen.hpp"

#include <algorithm>
#include <ostream>

namespace evermill::cli {
namespace {

const char* sequence_of(screen_line::tone how) {
  switch (how) {
    case screen_line::tone::plain: return "";
    case screen_line::tone::strong: return "\x1b[1m";
    case screen_line::tone::faint: return "\x1b[2m";
    case screen_line::tone::bad: return "\x1b[31m";
    case screen_line::tone::busy: return "\x1b[33m";
  }
  return "";
}

}  // namespace

std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string screen::to_top(const screen_size& size) const {
  std::size_t rows = 0;
  const std::size_t width = std::max<std::size_t>(size.width, 1);
  for (const screen_line& line : drawn_) rows += std::max<std::size_t>((columns_of(line.text) + width - 1) / width, 1);
  return rows == 0 ? std::string() : "\r\x1b[" + std::to_string(rows) + "A";
}

void screen::draw(const std::vector<screen_line>& lines, const screen_size& size) {
  if (lines == drawn_ && size == drawn_on_) return;
  std::string all = to_top(size);
  for (const screen_line& line : lines) {
    const bool colored = color_ && line.how != screen_line::tone::plain;
    if (colored) all += sequence_of(line.how);
    all += line.text;
    if (colored) all += "\x1b[0m";
    all += "\x1b[K\n";
  }
  to_ << all << "\x1b[J" << std::flush;
  drawn_ = lines;
  drawn_on_ = size;
}

void screen::clear(const screen_size& size) {
  if (drawn_.empty()) return;
  to_ << to_top(size) << "\x1b[J" << std::flush;
  drawn_.clear();
}

}  // namespace evermill::cli
