#include "dsl/chart.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dsl/svg_layout.hpp"
#include "dsl_files.hpp"

namespace evermill::dsl {
namespace {

using testing::HasSubstr;
using testing::Not;

chart chart_of_tasks(const std::string& tasks) {
  const read_result read = read_definition(workflow_head + "do:\n" + tasks);
  EXPECT_EQ(described(read.problems, "written"), "");
  return read.definition == nullptr ? chart{} : chart_of(*read.definition);
}

/// Each element that is opened is closed, in order; texts hold no markup. Enough of XML to notice what was not escaped.
void expect_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const std::size_t end = xml.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = xml.substr(at + 1, end - at - 1);
    ASSERT_EQ(tag.find('<'), std::string::npos) << tag;
    if (tag.starts_with('/')) {
      ASSERT_FALSE(open.empty()) << tag;
      EXPECT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  EXPECT_TRUE(open.empty());
}

// Blocks stand beside each other and within what they belong to.
void expect_apart(const drawn_list& list, int left, int top, int right, int bottom) {
  for (std::size_t i = 0; i < list.blocks.size(); ++i) {
    const drawn_block& block = list.blocks[i];
    EXPECT_GE(block.x, left) << block.of->name;
    EXPECT_GE(block.y, top) << block.of->name;
    EXPECT_LE(block.right(), right) << block.of->name;
    EXPECT_LE(block.bottom(), bottom) << block.of->name;
    for (const std::string& line : block.lines) EXPECT_LE(text_width(line, false), block.width) << line;
    for (std::size_t k = 0; k < i; ++k) {
      const drawn_block& other = list.blocks[k];
      const bool apart =
          other.right() <= block.x || block.right() <= other.x || other.bottom() <= block.y || block.bottom() <= other.y;
      EXPECT_TRUE(apart) << block.of->name << " and " << other.of->name;
    }
    for (const std::vector<drawn_jump>& of_block : list.jumps) {
      for (const drawn_jump& jump : of_block) {
        if (jump.lane != 0 && jump.target == i) {
          EXPECT_GT(jump.lane, block.right()) << block.of->name;
        }
      }
    }
    for (const drawn_section& section : block.sections) {
      EXPECT_LE(section.x + section.width, block.right());
      EXPECT_LE(section.y + section.height, block.bottom());
      expect_apart(section.list, section.x, section.y, section.x + section.width, section.y + section.height);
    }
  }
}

TEST(Chart, EachGoodFileCanBeDrawn) {
  for (const auto& file : workflow_files("good")) {
    SCOPED_TRACE(file.filename());
    const read_result read = read_file(file);
    ASSERT_NE(read.definition, nullptr);
    const chart drawing = chart_of(*read.definition);
    expect_well_formed(to_svg(drawing));
    const drawn_list list = layout(drawing.blocks, 0, 0);
    expect_apart(list, 0, 0, list.width, list.height);
    EXPECT_THAT(to_mermaid(drawing), HasSubstr("flowchart TD\n"));
  }
}

TEST(Chart, ListsLoopsAndForksLeadToEachOther) {
  const std::string drawn =
      to_mermaid(chart_of_tasks("  - a: { set: { x: 1 } }\n  - b: { for: { in: .l }, do: [ { c: { wait: PT1M } } ] }\n"
                                "  - d: { fork: { branches: [ { e: { set: { y: 1 } } }, { f: { set: { z: 1 } } } ] } }\n"));
  EXPECT_EQ(drawn, R"(%% tests/written 1.0.0
flowchart TD
  start(["start"])
  finish(["end"])
  t0["<b>a</b><br>set {#quot;x#quot;:1}"]
  subgraph t1_box["b"]
    t1[["<b>b</b><br>for"]]
    t2["<b>c</b><br>wait 1 min"]
    t1 -->|"each item in .l"| t2
    t2 --> t1
  end
  subgraph t3_box["d"]
    t3[["<b>d</b><br>fork all"]]
    t4["<b>e</b><br>set {#quot;y#quot;:1}"]
    t3 --> t4
    t5["<b>f</b><br>set {#quot;z#quot;:1}"]
    t3 --> t5
  end
  start --> t0
  t0 --> t1
  t1 -->|"done"| t3
  t4 --> finish
  t5 --> finish
)");
}

TEST(Chart, CasesAndDirectivesLeadWhereTheySay) {
  const std::string drawn = to_mermaid(chart_of_tasks(
      "  - s: { switch: [ { one: { when: .a, then: b } }, { two: { when: .b, then: end } }, { three: { then: continue } } ] }\n"
      "  - a: { set: { x: 1 }, then: exit }\n  - b: { if: .c, set: { x: 1 }, then: s }\n"));
  EXPECT_THAT(drawn, HasSubstr("t0 -->|\"one: .a\"| t2\n"));
  EXPECT_THAT(drawn, HasSubstr("t0 -->|\"two: .b\"| finish\n"));
  EXPECT_THAT(drawn, HasSubstr("t0 -->|\"three\"| t1\n"));
  EXPECT_THAT(drawn, HasSubstr("  t1 --> finish\n"));
  EXPECT_THAT(drawn, HasSubstr("t2 --> t0\n"));
  EXPECT_THAT(drawn, HasSubstr("  t2 --> finish\n")) << "where it is skipped";
  EXPECT_THAT(drawn, HasSubstr("<br>if .c<br>"));
}

TEST(Chart, AttemptsAndWhatCatchesThemStandSideBySide) {
  const chart drawing = chart_of_tasks(
      "  - t: { try: [ { a: { set: { x: 1 } } } ], catch: { errors: { with: { status: 503 } }, retry: { limit: { attempt: { "
      "count: 3 } } }, do: [ { b: { set: { x: 2 } } } ] } }\n");
  ASSERT_EQ(drawing.blocks.at(0).sections.size(), 2u);
  EXPECT_EQ(drawing.blocks[0].sections[1].title, "catch 503, try again up to 3 times");
  EXPECT_THAT(to_mermaid(drawing), HasSubstr("t0 -.->|\"catch 503, try again up to 3 times\"| t2\n"));
  EXPECT_THAT(to_svg(drawing), HasSubstr("catch 503, try again up to 3 times"));
}

TEST(Chart, ACatchThatOnlyRetriesLeadsBackToTheTask) {
  const std::string retry =
      "  - t: { try: [ { a: { set: { x: 1 } } } ], catch: { retry: { limit: { attempt: { count: 3 } } } } }\n";
  const std::string next = "  - n: { set: { x: 2 } }\n";
  const std::string drawn = to_mermaid(chart_of_tasks(retry + next));
  EXPECT_THAT(drawn, HasSubstr("t0 -.->|\"catch, try again up to 3 times\"| t0\n"));
  EXPECT_THAT(drawn, HasSubstr("t1 --> t2\n"));
  EXPECT_THAT(drawn, Not(HasSubstr("t0 -.->|\"catch, try again up to 3 times\"| t2\n"))) << "an error that stays is the task's";
  EXPECT_THAT(to_mermaid(chart_of_tasks("  - t: { try: [ { a: { set: { x: 1 } } } ], catch: {} }\n" + next)),
              HasSubstr("t0 -.->|\"catch\"| t2\n"));
}

TEST(Chart, TextsOfTheFileAreNoMarkup) {
  const chart drawing = chart_of_tasks("  - '<script>alert(1)</script>\"]; x[\"': { set: { a: \"</text>&amp;'\" } }\n");
  const std::string svg = to_svg(drawing), mermaid = to_mermaid(drawing);
  expect_well_formed(svg);
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(mermaid, Not(HasSubstr("<script")));
  EXPECT_THAT(mermaid, Not(HasSubstr("x[\"")));
}

TEST(Chart, SvgNeedsNothingElse) {
  const std::string svg = to_svg(chart_of(*good("everything-at-the-top.yaml")));
  EXPECT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  for (const char* foreign : {"<image", "href", "@import", "url(http", "<foreignObject", "<script"})
    EXPECT_THAT(svg, Not(HasSubstr(foreign)));
}

TEST(Chart, SaysWhatStartsAWorkflow) {
  EXPECT_EQ(chart_of(*good("schedules.yaml")).start, "every 15 min, cron */15 8-18 * jan-dec mon-fri, 10 s after the last end");
  EXPECT_EQ(chart_of(*good("flow.yaml")).start, "start");
}

TEST(Chart, LongTextsAreShortenedBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "ab…");
  EXPECT_EQ(shortened("üüüü", 3), "üü…");
  EXPECT_EQ(shortened(" a\n\t b ", 10), "a b");
  EXPECT_EQ(shortened("", 3), "");
}

TEST(Chart, AnEmptyWorkflowIsDrawnToo) {
  const read_result read = read_definition(workflow_head + "do: []\n");
  const chart drawing = chart_of(*read.definition);
  expect_well_formed(to_svg(drawing));
  EXPECT_THAT(to_mermaid(drawing), HasSubstr("start --> finish"));
}

}  // namespace
}  // namespace evermill::dsl
