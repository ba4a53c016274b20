#include "cluster/partition_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "log_rig.hpp"

namespace evermill::cluster {
namespace {

using storage::storage_errc;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class PartitionLog : public testing::Test {
 protected:
  PartitionLog() {
    const auto broker = queue::make_memory_broker(server_);
    EXPECT_TRUE(broker->ensure_stream(log_stream, log_partitions));
  }
  std::unique_ptr<log_process> process(const std::string& name, queue::memory_broker_options options = {}) {
    return std::make_unique<log_process>(name, server_, *random_, options);
  }
  /// Started, and up to date.
  std::unique_ptr<log_process> following(const std::string& name, queue::memory_broker_options options = {}) {
    auto made = process(name, options);
    EXPECT_TRUE(made->start());
    made->run();
    return made;
  }
  std::unique_ptr<log_process> owner(const std::string& name, queue::memory_broker_options options = {}) {
    auto made = following(name, options);
    made->log().claim();
    made->run();
    EXPECT_TRUE(made->log().owned());
    return made;
  }
  queue::position end_of_log() {
    return queue::make_memory_broker(server_)->bounds({log_stream, log_partition.value})->last;
  }

  std::shared_ptr<queue::memory_server> server_ = queue::make_memory_server();
  std::unique_ptr<random_source> random_ = make_seeded_random(7);
};

TEST_F(PartitionLog, TheFirstProcessDescribesTheLogAndOwnsItAfterItsClaim) {
  const auto a = following("a");
  EXPECT_EQ(a->log().position().cluster_id(), "of a");
  EXPECT_EQ(a->log().position().partition_count(), log_partitions);
  a->log().claim();
  EXPECT_FALSE(a->log().owned()) << "its claim is not read yet";
  a->run();
  EXPECT_THAT(a->owned, ElementsAre(1));
}

TEST_F(PartitionLog, WhatIsSubmittedIsAppliedBeforeItIsReported) {
  const auto a = owner("a");
  a->when_committed = [&] { EXPECT_EQ(a->get("k"), "v"); };
  a->put("k", "v");
  EXPECT_EQ(a->get("k"), "") << "it is not known where it lies";
  a->run();
  EXPECT_EQ(a->committed, 1U);
  a->when_committed = nullptr;
  a->put("k", "w");
  a->run();
  EXPECT_EQ(a->committed, 2U);
  EXPECT_EQ(a->get("k"), "w");
  EXPECT_EQ(a->log().position().position(), end_of_log());
}

TEST_F(PartitionLog, FollowersApplyWhatTheOwnerCommits) {
  const auto a = owner("a");
  const auto b = following("b");
  a->put("k", "v");
  a->run();
  b->run();
  EXPECT_EQ(b->get("k"), "v");
  EXPECT_EQ(b->log().position().number(), 1U);
  EXPECT_EQ(b->log().position().cluster_id(), "of a") << "its own description came second, if at all";
}

TEST_F(PartitionLog, OfTwoFirstProcessesOneDescribesTheLog) {
  const auto a = process("a");
  const auto b = process("b");
  ASSERT_TRUE(a->start());
  ASSERT_TRUE(b->start());
  b->run();
  a->run();
  EXPECT_EQ(b->log().position().cluster_id(), a->log().position().cluster_id());
}

TEST_F(PartitionLog, AStoreGoesOnWhereItWas) {
  auto a = owner("a");
  a->put("k", "v");
  a->run();
  a->kill();
  ASSERT_TRUE(a->start());
  EXPECT_EQ(a->log().position().position(), end_of_log()) << "nothing is left to be read";
  a->run();
  a->log().claim();
  a->run();
  EXPECT_THAT(a->owned, ElementsAre(1, 2)) << "an epoch is never used again";
  a->put("l", "w");
  a->run();
  EXPECT_EQ(a->log().position().number(), 2U);
}

TEST_F(PartitionLog, WhoHasReadToTheEndBeforeHasCaughtUpWithoutBeingToldOfAnything) {
  const auto a = owner("a");
  const auto b = process("b");
  ASSERT_TRUE(b->start());
  EXPECT_FALSE(b->log().caught_up());
  b->run();
  EXPECT_TRUE(b->log().caught_up());
  b->kill();
  ASSERT_TRUE(b->start());
  EXPECT_TRUE(b->log().caught_up()) << "a broker says nothing of a log that has nothing new";
}

TEST_F(PartitionLog, AStoreThatIsLostIsMadeAgain) {
  auto a = owner("a");
  for (int n = 0; n < 1'000; ++n) {
    a->put("k" + std::to_string(n), "v");
    a->run();
  }
  a->kill();
  a->lose_store();
  ASSERT_TRUE(a->start());
  a->run();
  EXPECT_EQ(a->get("k999"), "v");
  EXPECT_EQ(a->log().position().number(), 1'000U);
}

TEST_F(PartitionLog, AZombieMeetsTheClaimBeforeItsOwnLateCommit) {
  const auto a = owner("a");
  const auto b = following("b");
  a->broker().hold(true);
  a->put("k", "late");
  b->log().claim();
  b->run();
  EXPECT_THAT(b->owned, ElementsAre(2));
  b->put("k", "new");
  b->run();
  EXPECT_TRUE(a->broker().deliver());
  a->run();
  EXPECT_EQ(a->committed, 0U);
  EXPECT_THAT(a->lost, ElementsAre(HasSubstr("epoch 2")));
  EXPECT_EQ(a->get("k"), "new");
  b->put("l", "x");
  b->run();
  EXPECT_EQ(b->committed, 2U) << "what the zombie wrote between does not disturb";
}

TEST_F(PartitionLog, ABrokerThatFencesRefusesAZombie) {
  const auto a = owner("a");
  const auto b = following("b");
  a->broker().pass_fences(true);
  b->broker().pass_fences(true);
  b->log().claim();
  b->run();
  a->put("k", "late");
  a->run();
  EXPECT_EQ(a->committed, 0U);
  EXPECT_THAT(a->lost, ElementsAre(HasSubstr("fence")));
  EXPECT_EQ(end_of_log(), b->log().position().position()) << "nothing of it is in the log";
}

TEST_F(PartitionLog, ACommitThatLiesBeforeTheClaimHoldsForTheNextOwner) {
  const auto a = owner("a");
  const auto b = following("b");
  a->put("k", "v");  // in the log; `a` has not heard of it
  b->log().claim();
  b->when_owned = [&](std::uint64_t) { EXPECT_EQ(b->get("k"), "v") << "all that was committed before is applied"; };
  b->run();
  EXPECT_THAT(b->owned, ElementsAre(2));
  a->run();
  EXPECT_EQ(a->committed, 1U);
}

TEST_F(PartitionLog, OfTwoClaimsOneWins) {
  const auto a = following("a");
  const auto b = following("b");
  a->log().claim();
  b->log().claim();
  b->run();
  a->run();
  EXPECT_TRUE(a->log().owned());
  EXPECT_FALSE(b->log().owned());
  EXPECT_THAT(b->lost, SizeIs(1));
  b->log().claim();
  b->run();
  EXPECT_THAT(b->owned, ElementsAre(2));
}

TEST_F(PartitionLog, AnUnknownOutcomeEndsTheOwnershipAndTheCommitMayHoldAllTheSame) {
  const auto a = owner("a");
  a->broker().hold(true);
  a->put("k", "v");
  EXPECT_TRUE(a->broker().deliver_without_answer());
  a->broker().hold(false);
  a->run();
  EXPECT_THAT(a->lost, ElementsAre(HasSubstr("not known")));
  EXPECT_FALSE(a->log().owned());
  a->log().claim();
  a->run();
  EXPECT_THAT(a->owned, ElementsAre(1, 2));
  EXPECT_EQ(a->get("k"), "v");
  EXPECT_EQ(a->committed, 0U);
}

TEST_F(PartitionLog, ACommitThatNeverArrivedLeavesNoGap) {
  const auto a = owner("a");
  a->broker().hold(true);
  a->put("k", "v");
  EXPECT_TRUE(a->broker().drop());
  a->broker().hold(false);
  a->run();
  a->log().claim();
  a->run();
  a->put("l", "w");
  a->run();
  EXPECT_EQ(a->get("k"), "");
  EXPECT_EQ(a->log().position().number(), 1U);
}

TEST_F(PartitionLog, AClaimThatCanNotBeWrittenIsReported) {
  const auto a = following("a");
  a->broker().hold(true);
  a->log().claim();
  EXPECT_TRUE(a->broker().drop());
  a->run();
  EXPECT_THAT(a->lost, ElementsAre(HasSubstr("claim could not be written")));
}

TEST_F(PartitionLog, AnOwnerThatCommitsNothingLearnsOfAnotherClaimWhenItLooks) {
  const auto a = owner("a");
  const auto b = owner("b");
  a->run();
  EXPECT_TRUE(a->log().owned()) << "it does not read";
  a->log().look();
  a->run();
  EXPECT_THAT(a->lost, SizeIs(1));
}

TEST_F(PartitionLog, AnOwnerThatHasLostSeesNothingOfTheNextOneBeforeItIsTold) {
  const auto a = owner("a");
  a->put("k", "of a");
  a->run();
  const auto b = owner("b");
  b->put("k", "of b");
  b->run();
  std::string seen;
  a->when_lost = [&] { seen = a->get("k"); };
  a->log().look();
  a->run();
  EXPECT_EQ(seen, "of a") << "what runs there would take it for its own";
  EXPECT_EQ(a->get("k"), "of b");
}

TEST_F(PartitionLog, AReleaseEndsTheOwnership) {
  const auto a = owner("a");
  const auto b = following("b");
  a->put("k", "v");
  a->run();
  a->log().release();
  a->run();
  EXPECT_THAT(a->lost, ElementsAre("released"));
  b->run();
  EXPECT_TRUE(b->log().position().released());
  b->log().claim();
  b->run();
  EXPECT_THAT(b->owned, ElementsAre(2));
}

TEST_F(PartitionLog, LargeCommitsAreWrittenInParts) {
  const queue::memory_broker_options small{.max_record_bytes = 2'000};
  const auto a = owner("a", small);
  const auto b = following("b");
  const std::string value(20'000, 'x');
  const queue::position before = end_of_log();
  a->put("k", value);
  a->run();
  EXPECT_EQ(a->committed, 1U);
  EXPECT_GT(end_of_log(), before + 10);
  b->run();
  EXPECT_EQ(b->get("k"), value);
  a->put("l", "w");
  a->run();
  EXPECT_EQ(a->committed, 2U);
}

TEST_F(PartitionLog, ALogThatWasCutShortStopsWhoKnewMore) {
  auto a = owner("a");
  a->put("k", "v");
  a->run();
  a->kill();
  const auto broker = queue::make_memory_broker(server_);
  ASSERT_TRUE(broker->delete_stream(log_stream));
  ASSERT_TRUE(broker->ensure_stream(log_stream, log_partitions));
  const auto started = a->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, storage_errc::corrupt);
  EXPECT_THAT(started.error().message, HasSubstr("recreated"));
}

TEST_F(PartitionLog, WhatIsKeptNoMoreStopsWhoNeedsIt) {
  auto a = owner("a");
  a->put("k", "v");
  a->run();
  const auto broker = queue::make_memory_broker(server_);
  ASSERT_TRUE(broker->trim({log_stream, log_partition.value}, end_of_log()));
  const auto b = process("b");
  const auto started = b->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, storage_errc::missing);
  a->put("k", "w");
  a->run();
  EXPECT_EQ(a->committed, 2U) << "who has it already goes on";
}

TEST_F(PartitionLog, AnotherNumberOfPartitionsIsRefused) {
  const auto a = owner("a");
  const auto b = process("b");
  ASSERT_TRUE(b->start(log_partitions + 1));
  b->run();
  ASSERT_THAT(b->stopped, SizeIs(1));
  EXPECT_EQ(b->stopped.front().code, storage_errc::mismatch);
}

TEST_F(PartitionLog, AForeignRecordStopsEverybody) {
  const auto a = owner("a");
  const auto b = following("b");
  const auto broker = queue::make_memory_broker(server_);
  ASSERT_TRUE(broker->append({log_stream, log_partition.value}, {{.key = "", .value = "\x01nonsense"}}, nullptr));
  b->run();
  ASSERT_THAT(b->stopped, SizeIs(1));
  EXPECT_EQ(b->stopped.front().code, storage_errc::corrupt);
  a->put("k", "v");
  a->run();
  ASSERT_THAT(a->stopped, SizeIs(1)) << "the owner finds it as soon as it can't know what lies before its commit";
  EXPECT_EQ(a->committed, 0U);
}

TEST_F(PartitionLog, AServerThatIsAwayDelaysOnly) {
  const auto a = owner("a");
  server_->set_available(false);
  a->put("k", "v");
  a->run();
  EXPECT_EQ(a->committed, 0U);
  EXPECT_THAT(a->lost, IsEmpty());
  server_->set_available(true);
  a->run();
  EXPECT_EQ(a->committed, 1U);
}

TEST_F(PartitionLog, AnOwnerThatCanNotReadItsLogNowAsksAgain) {
  const auto a = owner("a");
  const auto b = following("b");
  a->broker().refuse_readers(true);
  b->log().claim();
  b->run();
  a->put("k", "of a");
  a->run();
  EXPECT_EQ(a->committed, 0U) << "what lies before its commit is not known";
  EXPECT_FALSE(a->log().look());
  EXPECT_THAT(a->lost, IsEmpty());
  EXPECT_THAT(a->stopped, IsEmpty()) << "nothing is wrong with its store";
  a->broker().refuse_readers(false);
  EXPECT_TRUE(a->log().look());
  a->run();
  EXPECT_THAT(a->lost, ElementsAre(HasSubstr("epoch 2")));
  b->put("k", "of b");
  b->run();
  a->run();
  EXPECT_EQ(a->get("k"), "of b") << "it follows again";
}

TEST_F(PartitionLog, AProcessThatLosesItsPartitionWhileTheServerIsAwayFollowsItLater) {
  const auto a = owner("a");
  a->broker().refuse_readers(true);
  a->broker().hold(true);
  a->put("k", "v");
  EXPECT_TRUE(a->broker().deliver_without_answer());
  a->run();
  EXPECT_THAT(a->lost, ElementsAre(HasSubstr("not known")));
  a->broker().hold(false);
  a->log().claim();
  a->run();
  EXPECT_FALSE(a->log().claiming()) << "it would not be read";
  a->broker().refuse_readers(false);
  EXPECT_TRUE(a->log().look());
  a->run();
  EXPECT_EQ(a->get("k"), "v");
  a->log().claim();
  a->run();
  EXPECT_THAT(a->owned, ElementsAre(1, 2));
  EXPECT_THAT(a->stopped, IsEmpty());
}

}  // namespace
}  // namespace evermill::cluster
