// A few lines of a terminal that are drawn over and over, at the place where the cursor is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace evermill::cli {

struct screen_size {
  std::size_t width = 80;
  std::size_t height = 24;

  friend bool operator==(const screen_size&, const screen_size&) = default;
};

struct screen_line {
  enum class tone : std::uint8_t { plain, strong, faint, bad, busy };

  std::string text;  ///< without control characters
  tone how = tone::plain;

  friend bool operator==(const screen_line&, const screen_line&) = default;
};

class screen {
 public:
  /// `to` must outlive it.
  screen(std::ostream& to, bool color) : to_(to), color_(color) {}

  /// Draws over what it has drawn, in one write; writes nothing where that is the same. The size is the terminal's of now:
  /// lines that were drawn on a wider one take more rows by now.
  void draw(const std::vector<screen_line>& lines, const screen_size& size);
  /// Takes its lines away, so that something else can be printed in their place.
  void clear(const screen_size& size);

 private:
  std::string to_top(const screen_size& size) const;

  std::ostream& to_;
  const bool color_;
  std::vector<screen_line> drawn_;
  screen_size drawn_on_;
};

/// How many columns the text takes.
std::size_t columns_of(const std::string& text);

}  // namespace evermill::cli
