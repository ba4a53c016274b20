#include "dsl/svg_layout.hpp"

#include <algorithm>

namespace evermill::dsl {
namespace {

using kind = flow_directive::kind;
using namespace svg_size;

std::string exit_row(const chart_block::exit& exit) { return "• " + shortened(exit.label, label); }

drawn_list measured(const std::vector<chart_block>& blocks, bool parallel);

drawn_section measured(const chart_section& of) {
  drawn_section made{.of = &of};
  const std::string mark = of.what == chart_section::order::repeated ? "↻ " : "";
  if (!of.title.empty()) made.title = mark + shortened(of.title, label);
  made.list = measured(of.blocks, of.what == chart_section::order::parallel);
  made.width = std::max({made.list.width, text_width(made.title, false), 40}) + 2 * padding;
  made.height = made.list.height + (made.title.empty() ? 0 : line) + 2 * padding;
  return made;
}

drawn_block measured(const chart_block& of) {
  drawn_block made{.of = &of};
  made.lines.push_back(shortened(of.name, label));
  if (!of.condition.empty()) made.lines.push_back(shortened("if " + of.condition, label));
  made.lines.push_back(shortened(of.kind + " " + of.detail, label));
  for (const chart_block::exit& exit : of.exits) {
    if (!exit.label.empty()) made.lines.push_back(exit_row(exit));
  }
  for (std::size_t i = 0; i < made.lines.size(); ++i) made.width = std::max(made.width, text_width(made.lines[i], i == 0));
  made.height = static_cast<int>(made.lines.size()) * line + padding;
  int inside = 0, deepest = 0;
  for (const chart_section& section : of.sections) {
    made.sections.push_back(measured(section));
    inside += made.sections.back().width + (inside == 0 ? 0 : padding);
    deepest = std::max(deepest, made.sections.back().height);
  }
  for (drawn_section& section : made.sections) section.height = deepest;
  made.width = std::max(made.width, inside) + 2 * padding;
  made.width += made.width % 2;  // a middle that is a whole number: lines between blocks are straight
  if (!made.sections.empty()) made.height += deepest + padding;
  return made;
}

struct reach {
  std::size_t from, exit, low, high;
};

/// Jumps get lanes: the shortest ones next to the blocks, and no two that pass each other on the same.
int give_lanes(drawn_list& list, int first_lane) {
  std::vector<reach> all;
  for (std::size_t i = 0; i < list.blocks.size(); ++i) {
    const auto& exits = list.blocks[i].of->exits;
    list.jumps[i].resize(exits.size());
    for (std::size_t k = 0; k < exits.size(); ++k) {
      if (exits[k].then.what != kind::task) continue;
      const std::size_t target = exits[k].then.target;
      list.jumps[i][k].target = target;
      all.push_back({i, k, std::min(i, target), std::max(i, target)});
    }
  }
  std::sort(all.begin(), all.end(), [](const reach& a, const reach& b) { return a.high - a.low < b.high - b.low; });
  std::vector<std::vector<reach>> lanes;
  for (const reach& one : all) {
    const auto is_free = [&](const std::vector<reach>& lane) {
      return std::none_of(lane.begin(), lane.end(),
                          [&](const reach& other) { return one.low <= other.high && other.low <= one.high; });
    };
    auto lane = std::find_if(lanes.begin(), lanes.end(), is_free);
    if (lane == lanes.end()) lane = lanes.insert(lanes.end(), std::vector<reach>());
    lane->push_back(one);
    list.jumps[one.from][one.exit].lane = first_lane + svg_size::lane * static_cast<int>(lane - lanes.begin() + 1);
  }
  return static_cast<int>(lanes.size());
}

drawn_list measured(const std::vector<chart_block>& blocks, bool parallel) {
  drawn_list made;
  for (const chart_block& block : blocks) made.blocks.push_back(measured(block));
  made.jumps.resize(blocks.size());
  bool ends = false;
  for (const drawn_block& block : made.blocks) {
    made.content =
        parallel ? made.content + block.width + (made.content == 0 ? 0 : between) : std::max(made.content, block.width);
    made.height = parallel ? std::max(made.height, block.height) : made.height + block.height + (made.height == 0 ? 0 : gap);
    for (const chart_block::exit& exit : block.of->exits)
      ends = ends || exit.then.what == kind::end || exit.then.what == kind::exit;
  }
  if (parallel && !blocks.empty()) made.height += 2 * gap;
  const int ending_width = ends && !parallel ? ending : 0;
  const int lanes = give_lanes(made, made.content + ending_width);
  made.width = made.content + ending_width + (lanes == 0 ? 0 : lane * (lanes + 1));
  return made;
}

void place(drawn_list& list, int x, int y, bool parallel);

void place(drawn_block& block, int x, int y) {
  block.x = x;
  block.y = y;
  int next = x + padding;
  const int top = y + static_cast<int>(block.lines.size()) * line + padding;
  for (drawn_section& section : block.sections) {
    section.x = next;
    section.y = top;
    next += section.width + padding;
    const int list_x = section.x + (section.width - section.list.width) / 2;
    const int list_y = section.y + padding + (section.title.empty() ? 0 : line);
    place(section.list, list_x, list_y, section.of->what == chart_section::order::parallel);
  }
}

void place(drawn_list& list, int x, int y, bool parallel) {
  list.x = x;
  list.y = y;
  int next = parallel ? x : y;
  for (drawn_block& block : list.blocks) {
    if (parallel) {
      place(block, next, y + gap);
      next += block.width + between;
    } else {
      place(block, x + (list.content - block.width) / 2, next);
      next += block.height + gap;
    }
  }
  for (std::size_t i = 0; i < list.blocks.size(); ++i) {
    for (std::size_t k = 0; k < list.jumps[i].size(); ++k) {
      if (list.blocks[i].of->exits[k].then.what != kind::task) continue;
      list.jumps[i][k].lane += x;
      list.jumps[i][k].from_y = list.blocks[i].exit_y(k);
    }
  }
}

}  // namespace

int drawn_block::exit_y(std::size_t exit) const {
  std::size_t rows = 0, before = 0;
  for (std::size_t i = 0; i < of->exits.size(); ++i) {
    if (of->exits[i].label.empty()) continue;
    ++rows;
    if (i < exit) ++before;
  }
  const std::size_t row = of->exits[exit].label.empty() ? lines.size() - rows - 1 : lines.size() - rows + before;
  return y + padding / 2 + static_cast<int>(row) * svg_size::line + svg_size::line / 2 + 2;
}

int text_width(std::string_view text, bool bold) {
  int tenths = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) == 0x80) continue;
    tenths += byte >= 0xe3 ? 135 : bold ? 78 : 72;
  }
  return tenths / 10 + 2;
}

drawn_list layout(const std::vector<chart_block>& blocks, int x, int y) {
  drawn_list made = measured(blocks, false);
  place(made, x, y, false);
  return made;
}

}  // namespace evermill::dsl
