// Mermaid: a subgraph for each block that has others within it.
#include <cstdint>

#include "dsl/chart.hpp"

namespace evermill::dsl {
namespace {

constexpr std::size_t mermaid_label = 60;

/// Within quotes, where Mermaid reads entities. `#` and `;` make those, and `<` would be HTML.
std::string mermaid_text(std::string_view text, std::size_t characters = mermaid_label) {
  std::string escaped;
  for (const char c : shortened(text, characters)) {
    switch (c) {
      case '"':
        escaped += "#quot;";
        break;
      case '#':
        escaped += "#35;";
        break;
      case ';':
        escaped += "#59;";
        break;
      case '<':
        escaped += "#lt;";
        break;
      case '>':
        escaped += "#gt;";
        break;
      case '&':
        escaped += "#amp;";
        break;
      case '`':
        escaped += "#96;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

class mermaid_writer {
 public:
  std::string write(const chart& of) {
    out_ = "%% " + shortened(of.title, mermaid_label) + "\nflowchart TD\n";
    line("start([\"" + mermaid_text(of.start) + "\"])");
    line("finish([\"end\"])");
    ends first{{"start", "", false}};
    connect(sequence(of.blocks, first), "finish");
    return std::move(out_);
  }

 private:
  /// A loose end: where an edge to what follows begins.
  struct loose {
    std::string vertex;
    std::string label;
    bool dotted;
  };
  using ends = std::vector<loose>;

  void line(const std::string& text) { out_.append(indentation_, ' ').append(text).append("\n"); }
  std::string next_id() { return std::string("t").append(std::to_string(count_++)); }

  void edge(const loose& from, const std::string& to) {
    const std::string arrow = from.dotted ? "-.->" : "-->";
    const std::string label = from.label.empty() ? std::string() : "|\"" + mermaid_text(from.label, 40) + "\"|";
    line(from.vertex + " " + arrow + label + " " + to);
  }
  void connect(const ends& from, const std::string& to) {
    for (const loose& end : from) edge(end, to);
  }

  std::string vertex(const chart_block& of, const std::string& id, std::string_view open, std::string_view close) {
    std::string label = "<b>" + mermaid_text(of.name) + "</b>";
    if (!of.condition.empty()) label.append("<br>if ").append(mermaid_text(of.condition));
    label.append("<br>").append(of.kind);
    if (!of.detail.empty()) label.append(" ").append(mermaid_text(of.detail));
    line(id + std::string(open) + "\"" + label + "\"" + std::string(close));
    return id;
  }

  /// Writes the blocks one after the other; gives what leads out of the list. `into`: what leads to its first block.
  ends sequence(const std::vector<chart_block>& blocks, const ends& into) {
    std::vector<std::string> ids;
    std::vector<ends> after;
    for (const chart_block& block : blocks) {
      ids.push_back(next_id());
      after.push_back(write_block(block, ids.back()));
    }
    ends out;
    if (blocks.empty()) return into;
    connect(into, ids.front());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto go_on = [&](const loose& end) {
        if (i + 1 < blocks.size()) {
          edge(end, ids[i + 1]);
        } else {
          out.push_back(end);
        }
      };
      bool told = false;  // a case leads to the next block already
      for (const chart_block::exit& exit : blocks[i].exits) {
        const loose from{ids[i], exit.label, false};
        switch (exit.then.what) {
          case flow_directive::kind::next:
            go_on(from), told = true;
            break;
          case flow_directive::kind::exit:
            out.push_back(from);
            break;
          case flow_directive::kind::end:
            edge(from, "finish");
            break;
          case flow_directive::kind::task:
            for (const loose& end : exit.label.empty() ? after[i] : ends{from}) edge(end, ids[exit.then.target]);
            break;
        }
      }
      if (blocks[i].falls_through && !told) {
        for (const loose& end : after[i]) go_on(end);
      }
    }
    return out;
  }

  ends write_block(const chart_block& block, const std::string& id) {
    if (block.kind == "switch") return {{vertex(block, id, "{", "}"), "", false}};
    if (block.sections.empty()) return {{vertex(block, id, "[", "]"), "", false}};
    line("subgraph " + id + "_box[\"" + mermaid_text(block.name) + "\"]");
    indentation_ += 2;
    vertex(block, id, "[[", "]]");
    ends out;
    for (std::size_t i = 0; i < block.sections.size(); ++i) {
      const ends left = section(block.sections[i], id, i > 0);
      out.insert(out.end(), left.begin(), left.end());
    }
    indentation_ -= 2;
    line("end");
    return out;
  }

  ends section(const chart_section& of, const std::string& id, bool of_errors) {
    const loose in{id, of.title, of_errors};
    if (of.what == chart_section::order::parallel) {
      ends out;
      for (const chart_block& branch : of.blocks) {
        const std::string branch_id = next_id();
        const ends left = write_block(branch, branch_id);
        edge(in, branch_id);
        bool joins = branch.falls_through;
        for (const chart_block::exit& exit : branch.exits) {
          if (exit.then.what == flow_directive::kind::end) {
            connect(exit.label.empty() ? left : ends{{branch_id, exit.label, false}}, "finish");
          } else {
            joins = true;
          }
        }
        if (joins) out.insert(out.end(), left.begin(), left.end());
      }
      return out.empty() ? ends{in} : out;
    }
    if (of.blocks.empty() && !of.falls_through) {  // all that is done about the error is another attempt
      edge(in, id);
      return {};
    }
    const ends left = sequence(of.blocks, {in});
    if (of.what == chart_section::order::sequence) return left;
    if (!of.blocks.empty()) connect(left, id);
    return {{id, "done", false}};
  }

  std::string out_;
  std::size_t indentation_ = 2;
  std::uint64_t count_ = 0;
};

}  // namespace

std::string to_mermaid(const chart& of) { return mermaid_writer().write(of); }

}  // namespace evermill::dsl
