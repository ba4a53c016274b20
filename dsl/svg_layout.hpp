// Where the blocks of a drawing stand: lists from top to bottom, parallel blocks and sections side by side. Sizes come from the
// inside out, places from the outside in; so nothing overlaps, however deep it nests. Units are pixels.
#pragma once

#include <string>
#include <vector>

#include "dsl/chart.hpp"

namespace evermill::dsl {

struct drawn_section;

/// A way out of a block that leads along the right of its list to another block.
struct drawn_jump {
  int from_y = 0;
  int lane = 0;  ///< the lane's x
  std::size_t target = 0;
};

struct drawn_block {
  const chart_block* of = nullptr;
  int x = 0, y = 0, width = 0, height = 0;
  std::vector<std::string> lines;  ///< at the top, the first one in bold
  std::vector<drawn_section> sections;

  int middle() const { return x + width / 2; }
  int right() const { return x + width; }
  int bottom() const { return y + height; }
  /// Where the exit's line begins.
  int exit_y(std::size_t exit) const;
  /// Where jumps arrive.
  int entry_y() const { return y + 14; }
};

struct drawn_list {
  std::vector<drawn_block> blocks;
  std::vector<std::vector<drawn_jump>> jumps;  ///< for each block, for each of its exits that is a jump
  int x = 0, y = 0, width = 0, height = 0;
  int content = 0;  ///< the width that the blocks take; lanes are to the right of it
};

struct drawn_section {
  const chart_section* of = nullptr;
  std::string title;
  drawn_list list;
  int x = 0, y = 0, width = 0, height = 0;
};

namespace svg_size {
inline constexpr int line = 18, padding = 10, gap = 30, between = 24, lane = 14, ending = 44, label = 42;
}

/// About how wide the text is: characters of East Asian scripts and emoji count twice.
int text_width(std::string_view text, bool bold);

/// The list at (x, y), with all that is within it.
drawn_list layout(const std::vector<chart_block>& blocks, int x, int y);

}  // namespace evermill::dsl
