#include <algorithm>

#include "dsl/svg_layout.hpp"

namespace evermill::dsl {
namespace {

using kind = flow_directive::kind;
using namespace svg_size;

std::string svg_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string number(int value) { return std::to_string(value); }

/// The document's own style: it looks the same wherever it is shown.
constexpr std::string_view style = R"(
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2933 }
  .name { font-weight: 600 }
  .more, .title, .ending { fill: #52606d; font-size: 12px }
  .task { fill: #ffffff; stroke: #7b8794 }
  .call, .run { fill: #e6f2ff; stroke: #2b6cb0 }
  .switch { fill: #fff8e1; stroke: #b7791f }
  .emit, .listen, .wait { fill: #edf7ed; stroke: #2f855a }
  .raise { fill: #fdecea; stroke: #c53030 }
  .section { fill: #f5f7fa; stroke: #cbd2d9; stroke-dasharray: 4 3 }
  .bar { stroke: #1f2933; stroke-width: 3 }
  .edge { fill: none; stroke: #52606d }
  .point { fill: #1f2933 }
)";

class svg_writer {
 public:
  std::string write(const chart& of) {
    constexpr int margin = 24, heading = 30, point = 18;
    drawn_list list = layout(of.blocks, 0, 0);
    const int start_width = text_width(of.start, false) + 2 * padding;
    const int width = std::max({list.width, start_width, text_width(of.title, true), 120});
    const int center = margin + std::max(list.content, std::min(width, start_width)) / 2;
    const int top = margin + heading + point + 14 + gap;
    list = layout(of.blocks, center - list.content / 2, top);
    const int finish = top + list.height + (of.blocks.empty() ? 0 : gap);
    text(margin, margin + 12, "name", of.title);
    rectangle("task", center - start_width / 2, margin + heading, start_width, point + 14, 16);
    text_centered(center, margin + heading + 21, "more", of.start);
    line("edge", center, margin + heading + point + 14, center, top, true);
    draw(list);
    if (!list.blocks.empty() && list.blocks.back().of->falls_through) {
      line("edge", list.blocks.back().middle(), list.blocks.back().bottom(), center, finish, true);
    }
    shapes_ += "<circle class=\"point\" cx=\"" + number(center) + "\" cy=\"" + number(finish + 8) + "\" r=\"7\"/>\n";
    const int right = std::max(center - list.content / 2 + list.width, margin + width) + margin;
    return document(of.title, right, finish + 16 + margin);
  }

 private:
  std::string document(const std::string& title, int width, int height) const {
    std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(width) + "\" height=\"" + number(height);
    out.append("\" viewBox=\"0 0 ").append(number(width)).append(" ").append(number(height)).append("\" role=\"img\">\n");
    out.append("<title>").append(svg_text(title)).append("</title>\n<style>").append(style).append("</style>\n");
    out.append(
        "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
        "orient=\"auto\">");
    out.append("<path class=\"point\" d=\"M0 0 8 4 0 8z\"/></marker></defs>\n");
    out.append("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    return out.append(shapes_).append(edges_).append("</svg>\n");
  }

  void rectangle(std::string_view kind_class, int x, int y, int width, int height, int round) {
    shapes_.append("<rect class=\"").append(kind_class).append("\" x=\"").append(number(x)).append("\" y=\"").append(number(y));
    shapes_.append("\" width=\"").append(number(width)).append("\" height=\"").append(number(height));
    shapes_.append("\" rx=\"").append(number(round)).append("\"/>\n");
  }

  void text(int x, int y, std::string_view kind_class, const std::string& what, bool centered = false) {
    shapes_.append("<text class=\"")
        .append(kind_class)
        .append("\" x=\"")
        .append(number(x))
        .append("\" y=\"")
        .append(number(y))
        .append("\"");
    if (centered) shapes_.append(" text-anchor=\"middle\"");
    shapes_.append(">").append(svg_text(what)).append("</text>\n");
  }
  void text_centered(int x, int y, std::string_view kind_class, const std::string& what) { text(x, y, kind_class, what, true); }

  void path(const std::string& steps, bool arrow) {
    edges_.append("<path class=\"edge\" d=\"").append(steps).append("\"");
    if (arrow) edges_.append(" marker-end=\"url(#arrow)\"");
    edges_.append("/>\n");
  }

  void line(std::string_view kind_class, int x1, int y1, int x2, int y2, bool arrow) {
    if (kind_class == "edge" && x1 == x2) return path("M" + number(x1) + " " + number(y1) + "V" + number(y2), arrow);
    if (kind_class == "edge") {
      return path("M" + number(x1) + " " + number(y1) + "V" + number((y1 + y2) / 2) + "H" + number(x2) + "V" + number(y2),
                  arrow);
    }
    shapes_.append("<line class=\"")
        .append(kind_class)
        .append("\" x1=\"")
        .append(number(x1))
        .append("\" y1=\"")
        .append(number(y1));
    shapes_.append("\" x2=\"").append(number(x2)).append("\" y2=\"").append(number(y2)).append("\"/>\n");
  }

  void draw(const drawn_block& block) {
    rectangle("task " + block.of->kind, block.x, block.y, block.width, block.height, 6);
    for (std::size_t i = 0; i < block.lines.size(); ++i) {
      const int y = block.y + padding / 2 + static_cast<int>(i) * svg_size::line + 15;
      if (i == 0) {
        text_centered(block.middle(), y, "name", block.lines[i]);
      } else {
        text_centered(block.middle(), y, "more", block.lines[i]);
      }
    }
    for (const drawn_section& section : block.sections) draw(section);
  }

  void draw(const drawn_section& section) {
    rectangle("section", section.x, section.y, section.width, section.height, 4);
    if (!section.title.empty()) text_centered(section.x + section.width / 2, section.y + 16, "title", section.title);
    if (section.of->what == chart_section::order::parallel) {
      draw_parallel(section.list);
    } else {
      draw(section.list);
    }
  }

  void draw_parallel(const drawn_list& list) {
    if (list.blocks.empty()) return;
    const int top = list.y + gap / 3, bottom = list.y + list.height - gap / 3;
    line("bar", list.x, top, list.x + list.content, top, false);
    line("bar", list.x, bottom, list.x + list.content, bottom, false);
    for (const drawn_block& block : list.blocks) {
      draw(block);
      line("edge", block.middle(), top, block.middle(), block.y, true);
      if (block.of->falls_through) {
        line("edge", block.middle(), block.bottom(), block.middle(), bottom, true);
      } else if (!block.of->exits.empty()) {
        const bool ends = block.of->exits.front().then.what == kind::end;
        text_centered(block.middle(), block.bottom() + 14, "ending", ends ? "end" : "exit");
      }
    }
  }

  void draw(const drawn_list& list) {
    for (std::size_t i = 0; i < list.blocks.size(); ++i) {
      const drawn_block& block = list.blocks[i];
      draw(block);
      if (block.of->falls_through && i + 1 < list.blocks.size()) {
        line("edge", block.middle(), block.bottom(), list.blocks[i + 1].middle(), list.blocks[i + 1].y, true);
      }
      for (std::size_t k = 0; k < block.of->exits.size(); ++k) draw_exit(list, i, k);
    }
  }

  void draw_exit(const drawn_list& list, std::size_t from, std::size_t exit) {
    const drawn_block& block = list.blocks[from];
    const kind what = block.of->exits[exit].then.what;
    const int y = block.exit_y(exit);
    if (what == kind::end || what == kind::exit) {
      path("M" + number(block.right()) + " " + number(y) + "h12", true);
      text(block.right() + 15, y + 4, "ending", what == kind::end ? "end" : "exit");
    } else if (what == kind::task) {
      const drawn_jump& jump = list.jumps[from][exit];
      const drawn_block& target = list.blocks[jump.target];
      path("M" + number(block.right()) + " " + number(y) + "H" + number(jump.lane) + "V" + number(target.entry_y()) + "H" +
               number(target.right()),
           true);
    }
  }

  std::string shapes_;
  std::string edges_;
};

}  // namespace

std::string to_svg(const chart& of) { return svg_writer().write(of); }

}  // namespace evermill::dsl
