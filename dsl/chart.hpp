// A workflow as a drawing: blocks in lists, lists within blocks. What is written as Mermaid or SVG is made from it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dsl/definition.hpp"

namespace evermill::dsl {

struct chart_section;

/// One task.
struct chart_block {
  /// A way out of a block beside the one to the next block: a case of a switch, or `then`.
  struct exit {
    std::string label;  ///< of a case: its name and condition
    flow_directive then;
  };

  std::string name;
  std::string pointer;                  ///< task::pointer
  std::string kind;                     ///< "call", "switch", …
  std::string detail;                   ///< what it does, in a few words: "GET https://…"
  std::string condition;                ///< of `if`; "" where there is none
  std::vector<exit> exits;              ///< in the order of the file
  bool falls_through = true;            ///< can the next block of the list follow?
  std::vector<chart_section> sections;  ///< side by side: of a `try`, the attempt and what is done about errors
};

struct chart_section {
  enum class order : unsigned char {
    sequence,  ///< one block after the other
    parallel,  ///< all at once
    repeated,  ///< a sequence, again and again
  };
  std::string title;  ///< "try", "catch …", "each order in .orders"
  order what = order::sequence;
  std::vector<chart_block> blocks;
  bool falls_through = true;  ///< where it has no blocks: does what follows the block come after it?
};

struct chart {
  std::string title;
  std::string start;  ///< what starts the workflow: "every PT15M", or "start"
  std::vector<chart_block> blocks;
};

chart chart_of(const definition& of);

/// A flowchart of Mermaid (mermaid.js.org, version 9 or later). Texts of the file are escaped: they can't be syntax.
std::string to_mermaid(const chart& of);

/// One SVG 1.1 document that needs nothing else: no fonts, scripts or links. Texts of the file are escaped.
std::string to_svg(const chart& of);

/// The text in at most `characters`, "…" in place of what is left out; blanks and line ends become one blank.
std::string shortened(std::string_view text, std::size_t characters);

}  // namespace evermill::dsl
