#include "plugins/task/output_tails.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace evermill::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using tasks::output_tail;
using tasks::output_tails;

messages::ActivityTask task_of(const std::string& workflow_id, std::uint64_t seq) {
  messages::ActivityTask task;
  task.set_workflow_id(workflow_id);
  task.set_scheduled_seq(seq);
  task.set_attempt(2);
  return task;
}

void hide_nothing(std::string&) {}

TEST(OutputTails, AreTheLastLinesOfThoseThatRun) {
  output_tails tails;
  auto first = tails.open(task_of("a", 7), hide_nothing);
  const auto other = tails.open(task_of("b", 7), hide_nothing);
  other->add("not of a\n");
  EXPECT_THAT(tails.of("a", 3), IsEmpty()) << "it has written nothing";
  first->add("one\ntw");
  first->add("o\nthree\nfo");
  const auto seen = tails.of("a", 3);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].scheduled_seq, 7u);
  EXPECT_EQ(seen[0].attempt, 2u);
  EXPECT_THAT(seen[0].lines, ElementsAre("two", "three", "fo"));
  first.reset();
  EXPECT_THAT(tails.of("a", 3), IsEmpty()) << "it has ended";
}

TEST(OutputTails, KeepNoMoreThanTheEnd) {
  output_tails tails;
  const auto writer = tails.open(task_of("a", 1), hide_nothing);
  for (int i = 0; i < 100'000; ++i) writer->add(std::to_string(i) + "\n");
  EXPECT_THAT(tails.of("a", 2).at(0).lines, ElementsAre("99998", "99999"));
  const auto all = tails.of("a", 100'000).at(0).lines;
  EXPECT_LT(all.size(), 2 * output_tails::kept_bytes);
  EXPECT_EQ(all.front().size(), 5u) << "no line is cut";
  writer->add(std::string(10 * output_tails::kept_bytes, 'x') + "\nlast\n");
  EXPECT_THAT(tails.of("a", 5).at(0).lines, ElementsAre("last"));
}

TEST(OutputTails, ShowWhatAProgressBarDrewLast) {
  output_tails tails;
  const auto writer = tails.open(task_of("a", 1), hide_nothing);
  writer->add("begun\r\n10 %\r20 %\r30 %\r");
  EXPECT_THAT(tails.of("a", 5).at(0).lines, ElementsAre("begun", "30 %"));
}

TEST(OutputTails, HideSecretsThatCameInPieces) {
  output_tails tails;
  const auto writer = tails.open(task_of("a", 1), [](std::string& text) {
    if (const std::size_t at = text.find("hunter2"); at != std::string::npos) text.replace(at, 7, "***");
  });
  writer->add("password hun");
  writer->add("ter2 is set\n");
  EXPECT_THAT(tails.of("a", 5).at(0).lines, ElementsAre("password *** is set"));
}

}  // namespace
}  // namespace evermill::tests
