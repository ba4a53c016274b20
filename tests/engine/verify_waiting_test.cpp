// `verify` finds what is wrong with human tasks, locks and what is to be published.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/node.hpp"
#include "engine/verification.hpp"
#include "evermill/testing/environment.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"
#include "storage/rows.hpp"

namespace evermill {
namespace {

using ::testing::HasSubstr;

constexpr human_task<int()> look_at{.name = "look at"};

task<int> asks(context ctx) {
  const int answer = co_await ctx.ask(look_at);
  co_return answer;
}

task<int> asks_with_a_lock(context ctx) {
  auto held = co_await ctx.lock("desk");
  const int answer = co_await ctx.ask(look_at);
  co_return answer;
}

class VerifyWaiting : public ::testing::Test {
 protected:
  VerifyWaiting() : env_(definitions(), {}, [this](auto before) { return opened(std::move(before)); }) {}

  static registry definitions() {
    registry all;
    all.add("asks", asks);
    all.add("asks_with_a_lock", asks_with_a_lock);
    return all;
  }
  std::unique_ptr<storage::key_value_store> opened(std::unique_ptr<storage::key_value_store> before) {
    if (!before) before = storage::make_memory_store();
    rows_ = before.get();
    return before;
  }
  void write(const std::function<void(storage::write_batch&)>& fill) {
    storage::write_batch batch;
    fill(batch);
    ASSERT_TRUE(rows_->write(batch));
  }
  std::string problems() {
    std::string text;
    verification::verify_store(*rows_, [&](const verify_problem& found) { text += found.workflow_id + ": " + found.what + "\n"; });
    return text;
  }
  storage::stored_human_task only_task() {
    auto all = storage::scan_human_tasks(*rows_, partition_, {}, {}, 10);
    EXPECT_EQ(all->size(), 1);
    return all->at(0);
  }
  void erase_header(const std::string& workflow_id) {
    std::string key;
    storage::append_partition(key, partition_);
    write([&](auto& batch) { batch.erase(storage::family::instances, key + workflow_id); });
  }

  const partition_id partition_{0};
  storage::key_value_store* rows_ = nullptr;
  testing::environment env_;
};

TEST_F(VerifyWaiting, WhatAnEngineLeavesIsClean) {
  env_.start("asks", {}, {.id = "a"});
  env_.start("asks_with_a_lock", {}, {.id = "b"});
  env_.start("asks_with_a_lock", {}, {.id = "c"});
  env_.settle();
  EXPECT_EQ(problems(), "");
}

TEST_F(VerifyWaiting, FindsATaskWithoutItsRow) {
  env_.start("asks", {}, {.id = "a"});
  env_.settle();
  const auto task = only_task();
  write([&](auto& batch) { storage::erase_human_task(batch, partition_, task.run, task.created); });
  EXPECT_THAT(problems(), HasSubstr("a: its human task's row is missing"));
}

TEST_F(VerifyWaiting, FindsARowThatSaysSomethingElse) {
  env_.start("asks", {}, {.id = "a"});
  env_.settle();
  auto task = only_task();
  task.task.set_assignee("eve");
  write([&](auto& batch) { storage::put_human_task(batch, partition_, task.run, task.created, task.task); });
  EXPECT_THAT(problems(), HasSubstr("a: its human task's row and its journal differ"));
}

TEST_F(VerifyWaiting, FindsARowWithoutATask) {
  env_.start("asks", {}, {.id = "a"});
  env_.settle();
  const auto task = only_task();
  write([&](auto& batch) { storage::put_human_task(batch, partition_, task.run, event_seq(77), task.task); });
  EXPECT_THAT(problems(), HasSubstr("a: a human task that the journal does not have open"));
  const auto end = [&](auto& batch) { storage::put_human_task(batch, partition_, run_number(99), task.created, task.task); };
  write(end);
  EXPECT_THAT(problems(), HasSubstr("a human task of a run that has ended"));
}

TEST_F(VerifyWaiting, FindsALockThatDoesNotExist) {
  env_.start("asks_with_a_lock", {}, {.id = "a"});
  env_.settle();
  erase_header("evermill.lock/desk");
  EXPECT_THAT(problems(), HasSubstr("a: it holds \"evermill.lock/desk\", which does not exist"));
}

TEST_F(VerifyWaiting, FindsALockThatNobodyWillGiveBack) {
  env_.start("asks_with_a_lock", {}, {.id = "a"});
  env_.settle();
  erase_header("a");
  EXPECT_THAT(problems(), HasSubstr("evermill.lock/desk: \"a\" holds it or waits for it, but does not know of it"));
}

class VerifyPublished : public VerifyWaiting {
 protected:
  VerifyPublished() {
    env_.start("asks", {}, {.id = "a"});
    env_.settle();
    auto& turn = *turns_.add_turns();
    turn.set_run_number(1);
    turn.set_first_seq(1);
    turn.set_events(2);
    turn.set_workflow_id("a");
  }
  /// Says that the rows above the watermark up to the last one are there.
  void write_state(std::uint64_t watermark, std::uint64_t last) {
    messages::PartitionState state = *storage::load_partition_state(*rows_, partition_);
    state.set_publish_watermark(watermark);
    state.set_last_publish_number(last);
    write([&](auto& batch) { storage::put_partition_state(batch, partition_, state); });
  }
  void write_row(std::uint64_t number) {
    write([&](auto& batch) { storage::put_published(batch, partition_, number, turns_); });
  }

  messages::CommittedTurns turns_;
};

TEST_F(VerifyPublished, IsCleanWhereAllRowsAreThere) {
  write_state(3, 5);
  write_row(4);
  write_row(5);
  EXPECT_EQ(problems(), "");
}

TEST_F(VerifyPublished, FindsRowsThatAreMissing) {
  write_state(3, 5);
  write_row(5);
  EXPECT_THAT(problems(), HasSubstr("with the numbers 4 to 4 are missing"));
  write_state(4, 6);
  EXPECT_THAT(problems(), HasSubstr("end with number 5, not 6"));
}

TEST_F(VerifyPublished, FindsRowsThatWerePublished) {
  write_state(5, 5);
  write_row(5);
  EXPECT_THAT(problems(), HasSubstr("turns that were published are still there"));
}

TEST_F(VerifyPublished, FindsTurnsThatNoJournalHas) {
  write_state(0, 1);
  turns_.mutable_turns(0)->set_events(3);
  write_row(1);
  EXPECT_THAT(problems(), HasSubstr("a: a turn to be published has another number of events"));
  turns_.mutable_turns(0)->set_first_seq(77);
  write_row(1);
  EXPECT_THAT(problems(), HasSubstr("a: a turn to be published that its journal has not"));
}

}  // namespace
}  // namespace evermill
