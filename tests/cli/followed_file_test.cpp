// What `run FILE` shows: the model, its lines, and how they are drawn over each other.
#include "cli/followed_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/file_lines.hpp"
#include "cli/screen.hpp"
#include "dsl/definition.hpp"

namespace evermill::cli {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t second = 1'000'000;
constexpr followed_file::time_point begun_at{std::chrono::sys_days{std::chrono::year{2026} / 5 / 1}};
constexpr std::int64_t start_us = begun_at.time_since_epoch().count();

const std::string head_of_file = "document: { dsl: '1.0.3', namespace: shop, name: order, version: 1.0.0 }\n";
const std::string order_text = head_of_file + R"(
do:
  - reserve: { call: http, with: { method: post, endpoint: https://stock.example/reserve } }
  - pack:
      for: { each: item, in: .items }
      do:
        - weigh: { run: { shell: { command: weigh } } }
        - box: { set: { boxed: true } }
  - pay:
      try:
        - charge: { call: http, with: { method: post, endpoint: https://pay.example } }
      catch:
        retry: { delay: PT3S }
        do:
          - refund: { set: { refunded: true } }
  - both:
      fork:
        branches:
          - mail: { wait: PT1M }
          - print: { run: { script: { language: python, code: 'print(1)' } } }
)";

std::shared_ptr<const dsl::definition> definition_of(const std::string& text) {
  const dsl::read_result result = dsl::read_definition(text);
  for (const dsl::problem& each : result.problems) ADD_FAILURE() << dsl::describe(each, "file");
  return result.definition;
}

followed_file unbegun_order() { return {"order.yaml order-7", *definition_of(order_text), false}; }

json record_of(const std::string& pointer, const std::string& phase, std::uint64_t begun, std::uint64_t part, std::int64_t from,
          std::int64_t until, const json& more = json::object()) {
  json made = {{"task", pointer},   {"phase", phase},
               {"begun", begun},    {"part", part},
               {"times", 1},        {"since_us", start_us + from},
               {"until_us", until == 0 ? 0 : start_us + until}};
  made.update(more);
  return made;
}

json look_of(std::uint64_t upto, const std::vector<json>& tasks) {
  return {{"upto", upto}, {"phase", "running"}, {"started_us", start_us}, {"tasks", json(tasks)}};
}

std::string text_of(const std::vector<screen_line>& lines) {
  std::string text;
  for (const screen_line& each : lines) text += each.text + "\n";
  return text;
}

std::string text_of(const followed_file& file, std::chrono::microseconds now, screen_size size = {60, 24}) {
  return text_of(lines_of(file, size, begun_at + now));
}

/// The second round of the loop, with a process that writes.
followed_file in_the_second_round() {
  followed_file file = unbegun_order();
  file.apply(look_of(9, {record_of("/do/0/reserve", "completed", 1, 1, 0, 2 * second),
                      record_of("/do/1/pack", "running", 3, 7, 2 * second, 0, {{"round", 2}, {"rounds", 3}}),
                      record_of("/do/1/pack/do/0/weigh", "running", 8, 8, 5 * second, 0, {{"times", 2}}),
                      record_of("/do/1/pack/do/1/box", "completed", 6, 6, 5 * second, 5 * second)}));
  running_output output;
  output.lines = {"one", "two", "three", "four"};
  file.show_outputs({{"/do/1/pack/do/0/weigh", output}});
  return file;
}

TEST(FollowedFile, IsATreeOfTasks) {
  const followed_file file = unbegun_order();
  std::vector<std::string> names;
  for (const followed_task& each : file.tasks()) names.push_back(std::string(each.depth, ' ') + each.name);
  EXPECT_THAT(names, ElementsAre("reserve", "pack", " weigh", " box", "pay", " charge", " refund", "both", " mail", " print"));
  EXPECT_EQ(file.tasks()[6].pointer, "/do/2/pay/catch/do/0/refund");
  EXPECT_TRUE(file.tasks()[6].catches);
  EXPECT_EQ(file.tasks()[1].end, 4u);
}

TEST(FollowedFile, TasksOfAnEarlierRoundAreToBeDoneAgain) {
  followed_file file = in_the_second_round();
  EXPECT_EQ(file.state_of(2), task_state::running);
  EXPECT_EQ(file.state_of(3), task_state::pending) << "boxed in the first round only";
  file.apply(look_of(11, {record_of("/do/1/pack/do/1/box", "completed", 10, 10, 6 * second, 6 * second)}));
  EXPECT_EQ(file.state_of(3), task_state::completed);
  EXPECT_EQ(file.upto(), 11u);
}

TEST(FollowedFile, ARunThatFollowsBeginsAnew) {
  followed_file file = in_the_second_round();
  file.apply(look_of(2, {}));
  EXPECT_EQ(file.upto(), 0u) << "the next look tells all";
  EXPECT_EQ(file.state_of(0), task_state::pending);
}

TEST(FollowedFile, WhatIsOpenEndsWithTheExecution) {
  followed_file file = in_the_second_round();
  file.end(execution_status::terminated, begun_at + 20s);
  EXPECT_EQ(file.state_of(0), task_state::completed);
  EXPECT_EQ(file.state_of(1), task_state::cancelled);
  EXPECT_EQ(file.state_of(2), task_state::cancelled);
  EXPECT_EQ(file.phase(), "cancelled");
}

TEST(FollowedFile, TakesNoHarmFromWhatItDoesNotKnow) {
  followed_file file = unbegun_order();
  file.apply(json());
  file.apply(look_of(3, {json{{"task", "/do/9/other"}}, json{{"phase", "odd"}}}));
  EXPECT_EQ(file.state_of(0), task_state::pending);
}

// --- lines

TEST(FileLines, BeforeAnythingIsDone) {
  EXPECT_EQ(text_of(unbegun_order(), 0s), R"(order.yaml order-7                                  pending
· reserve  call post https://stock.example/reserve
· pack  for each item in .items
  · weigh  run weigh
  · box  set {"boxed":true}
· pay  try
  · charge  call post https://pay.example
· both  fork all
  · mail  wait 1 min
  · print  run python script
)");
}

TEST(FileLines, ShowRoundsDurationsAndOutput) {
  EXPECT_EQ(text_of(in_the_second_round(), 7s), R"(order.yaml order-7                             running 7.0s
✓ reserve  call post https://stock.example/reserve     2.0s
⠋ pack  for each item in .items          round 2 of 3, 5.0s
  ⠋ weigh  run weigh                                   2.0s
    │ two
    │ three
    │ four
  · box  set {"boxed":true}
· pay  try
  · charge  call post https://pay.example
· both  fork all
  · mail  wait 1 min
  · print  run python script
)");
}

TEST(FileLines, CountTenthsOfSecondsWhileATaskIsDone) {
  followed_file file = unbegun_order();
  file.apply(look_of(1, {record_of("/do/0/reserve", "running", 1, 1, 0, 0)}));
  EXPECT_THAT(text_of(file, 0s), HasSubstr(" 0.0s\n"));
  EXPECT_THAT(text_of(file, 470ms), HasSubstr(" 0.4s\n"));
  file.apply(look_of(2, {record_of("/do/0/reserve", "completed", 1, 1, 0, 477'000)}));
  EXPECT_THAT(text_of(file, 1s), HasSubstr(" 477ms\n"));
}

TEST(FileLines, ShowAttemptsAndErrors) {
  followed_file file = unbegun_order();
  const json failed = {{"error", "503 Unavailable"}, {"attempt", 2}};
  file.apply(look_of(9, {record_of("/do/2/pay", "retrying", 3, 7, 2 * second, 9 * second, failed),
                      record_of("/do/2/pay/try/0/charge", "faulted", 8, 8, 5 * second, 6 * second,
                                {{"error", failed["error"]}})}));
  const std::string text = text_of(file, 7s);
  EXPECT_THAT(text, HasSubstr("↻ pay  503 Unavailable              attempt 3 in 2.0s, 5.0s\n"));
  EXPECT_THAT(text, HasSubstr("  ✗ charge  503 Unavailable                            1.0s\n"));
  EXPECT_THAT(text, Not(HasSubstr("refund"))) << "what catches errors is shown when it is done";
  file.apply(look_of(12, {record_of("/do/2/pay", "running", 3, 9, 2 * second, 0, {{"attempt", 3}}),
                       record_of("/do/2/pay/catch/do/0/refund", "completed", 10, 10, 9 * second, 9 * second)}));
  EXPECT_THAT(text_of(file, 10s), HasSubstr("  ✓ refund  set {\"refunded\":true}\n"));
  EXPECT_THAT(text_of(file, 10s), HasSubstr("  · charge  call")) << "of this attempt";
}

TEST(FileLines, SumUpWhatIsDoneWhereTheTerminalIsLow) {
  followed_file file = unbegun_order();
  file.apply(look_of(30, {record_of("/do/0/reserve", "completed", 1, 1, 0, second),
                       record_of("/do/1/pack", "completed", 3, 3, second, 2 * second),
                       record_of("/do/1/pack/do/0/weigh", "completed", 4, 4, second, second),
                       record_of("/do/2/pay", "running", 10, 10, 2 * second, 0),
                       record_of("/do/2/pay/try/0/charge", "running", 11, 11, 2 * second, 0)}));
  EXPECT_EQ(text_of(file, 3s, {60, 10}), R"(order.yaml order-7                             running 3.0s
✓ reserve  call post https://stock.example/reserve     1.0s
✓ pack  for each item in .items (2 tasks)              1.0s
⠋ pay  try                                             1.0s
  ⠋ charge  call post https://pay.example              1.0s
· both  fork all
  · mail  wait 1 min
  · print  run python script
)");
  EXPECT_EQ(text_of(file, 3s, {60, 7}), R"(order.yaml order-7                             running 3.0s
✓ reserve  call post https://stock.example/reserve     1.0s
✓ pack  for each item in .items (2 tasks)              1.0s
⠋ pay  try                                             1.0s
  ⠋ charge  call post https://pay.example              1.0s
· both  fork all (2 tasks)
)");
  EXPECT_EQ(text_of(file, 3s, {60, 6}), R"(order.yaml order-7                             running 3.0s
✓ 2 tasks done
⠋ pay  try                                             1.0s
  ⠋ charge  call post https://pay.example              1.0s
· both  fork all (2 tasks)
)");
}

TEST(FileLines, KeepWhatSurroundsTheOneThatRunsWhereNothingElseHelps) {
  std::string text = head_of_file + "do:\n  - all:\n      fork:\n        branches:\n";
  std::vector<json> tasks{record_of("/do/0/all", "running", 1, 1, 0, 0)};
  for (int i = 0; i < 20; ++i) {
    const std::string name = "w" + std::to_string(i);
    text += "          - " + name + ": { wait: PT1H }\n";
    const std::string pointer = "/do/0/all/fork/branches/" + std::to_string(i) + "/" + name;
    tasks.push_back(i == 10 ? record_of(pointer, "waiting", 12, 12, 0, 0) : record_of(pointer, "faulted", 2, 2, 0, second));
  }
  followed_file file("t", *definition_of(text), false);
  file.apply(look_of(40, tasks));
  EXPECT_EQ(text_of(file, 2s, {40, 7}), R"(t                          running 2.0s
… 10 lines above
  ✗ w9  wait 1 h                   1.0s
  ◷ w10  wait 1 h                  2.0s
  ✗ w11  wait 1 h                  1.0s
… 8 lines below
)");
}

TEST(FileLines, FitEveryWidthAndHeight) {
  const followed_file file = in_the_second_round();
  for (std::size_t width = 1; width < 130; ++width) {
    for (std::size_t height = 1; height < 20; ++height) {
      const auto lines = lines_of(file, {width, height}, begun_at + 7s);
      EXPECT_LE(lines.size(), std::max<std::size_t>(height, 2) - 1);
      for (const screen_line& each : lines) EXPECT_LT(columns_of(each.text), std::max<std::size_t>(width, 2)) << each.text;
    }
  }
}

TEST(FileLines, OfAScheduleTellWhatItHasStarted) {
  const std::string text = head_of_file + "schedule: { every: PT15M }\ndo: [ { a: { set: { n: 1 } } } ]\n";
  followed_file file("s", *definition_of(text), true);
  json seen = look_of(0, {});
  seen["scheduled"] = 4;
  seen["phase"] = "waiting";
  file.apply(seen);
  EXPECT_EQ(text_of(file, 1s, {40, 9}), "s                          waiting 1.0s\n  every 15 min: 4 started\n");
}

TEST(FileLines, HoldNothingThatCouldTakeOverTheTerminal) {
  followed_file file("t\x1b[31m", *definition_of(order_text), false);
  file.apply(look_of(1, {record_of("/do/0/reserve", "faulted", 1, 1, 0, 0, {{"error", "\x1b[2J\nboo"}})}));
  const std::string text = text_of(file, 1s);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("✗ reserve   [2J boo\n"));
}

// --- without a terminal

TEST(ChangeLines, TellWhatTakesTimeAndWhatFails) {
  followed_file file = unbegun_order();
  change_lines changes;
  EXPECT_THAT(changes.of(file, begun_at), ElementsAre());
  file.apply(look_of(1, {record_of("/do/0/reserve", "running", 1, 1, 0, 0)}));
  EXPECT_THAT(changes.of(file, begun_at), ElementsAre("/do/0/reserve: running, call post https://stock.example/reserve"));
  EXPECT_THAT(changes.of(file, begun_at + 1s), ElementsAre());
  file.apply(look_of(5, {record_of("/do/0/reserve", "completed", 1, 1, 0, 2 * second),
                      record_of("/do/2/pay", "running", 3, 3, 2 * second, 0),
                      record_of("/do/2/pay/try/0/charge", "running", 4, 4, 2 * second, 0)}));
  EXPECT_THAT(changes.of(file, begun_at + 2s),
              ElementsAre("/do/0/reserve: completed, 2.0s", "/do/2/pay/try/0/charge: running, call post https://pay.example"));
  const json failed = {{"error", "503 Unavailable"}};
  file.apply(look_of(8, {record_of("/do/2/pay", "retrying", 3, 3, 2 * second, 6 * second, failed),
                      record_of("/do/2/pay/try/0/charge", "faulted", 4, 4, 2 * second, 3 * second, failed)}));
  EXPECT_THAT(changes.of(file, begun_at + 3s),
              ElementsAre("/do/2/pay: attempt 1 failed, another follows in 3.0s: 503 Unavailable",
                          "/do/2/pay/try/0/charge: faulted: 503 Unavailable"));
}

TEST(ChangeLines, TellOfALoopsTasksOnceASecond) {
  followed_file file = unbegun_order();
  change_lines changes;
  const auto round = [&](std::uint64_t number, std::int64_t at) {
    const std::uint64_t change = 4 * number;
    file.apply(look_of(change + 2, {record_of("/do/1/pack", "running", 1, change, 0, 0, {{"round", number}, {"rounds", 90}}),
                                    record_of("/do/1/pack/do/0/weigh", "completed", change + 1, change + 1, at, at,
                                              {{"times", number}})}));
    return changes.of(file, begun_at + std::chrono::microseconds(at)).size();
  };
  EXPECT_EQ(round(1, 0), 1u);
  EXPECT_EQ(round(2, second / 2), 0u);
  EXPECT_EQ(round(3, second), 1u);
}

// --- drawing

TEST(Screen, DrawsOverWhatItHasDrawn) {
  std::ostringstream to;
  screen shown(to, false);
  shown.draw({{"one"}, {"two"}}, {80, 24});
  EXPECT_EQ(to.str(), "one\x1b[K\ntwo\x1b[K\n\x1b[J");
  to.str("");
  shown.draw({{"one"}, {"two"}}, {80, 24});
  EXPECT_EQ(to.str(), "") << "nothing has changed";
  shown.draw({{"three"}}, {80, 24});
  EXPECT_EQ(to.str(), "\r\x1b[2Athree\x1b[K\n\x1b[J");
  to.str("");
  shown.clear({80, 24});
  EXPECT_EQ(to.str(), "\r\x1b[1A\x1b[J");
}

TEST(Screen, KnowsThatLinesTakeMoreRowsOnANarrowerTerminal) {
  std::ostringstream to;
  screen shown(to, false);
  shown.draw({{"twelve chars"}, {"two"}, {""}}, {80, 24});
  to.str("");
  shown.draw({{"1"}}, {5, 24});
  EXPECT_THAT(to.str(), HasSubstr("\x1b[5A"));
}

TEST(Screen, ColorsOnlyWhereItMay) {
  std::ostringstream plain, colored;
  screen(plain, false).draw({{"x", screen_line::tone::bad}}, {80, 24});
  screen(colored, true).draw({{"x", screen_line::tone::bad}}, {80, 24});
  EXPECT_EQ(plain.str(), "x\x1b[K\n\x1b[J");
  EXPECT_EQ(colored.str(), "\x1b[31mx\x1b[0m\x1b[K\n\x1b[J");
}

}  // namespace
}  // namespace evermill::cli
