#include "storage/log_judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "storage/memory_store.hpp"

namespace evermill::storage {
namespace {

using kind = log_verdict::kind;
using testing::HasSubstr;

constexpr partition_id third{3};

messages::Ownership owner(std::uint64_t epoch, const std::string& name) {
  messages::Ownership by;
  by.set_epoch(epoch);
  by.set_owner(name);
  return by;
}

messages::LogRecord description(std::uint32_t partition = 3) {
  messages::LogRecord record;
  record.mutable_description()->set_cluster_id("c");
  record.mutable_description()->set_partition_count(8);
  record.mutable_description()->set_partition(partition);
  return record;
}

messages::LogRecord claim(std::uint64_t epoch, const std::string& name) {
  messages::LogRecord record;
  *record.mutable_claim()->mutable_by() = owner(epoch, name);
  return record;
}

write_batch batch_of(const std::string& value) {
  write_batch batch;
  batch.put(family::journal, "k", value);
  batch.erase(family::timers, "t");
  return batch;
}

messages::LogRecord commit(std::uint64_t epoch, const std::string& name, std::uint64_t number, const std::string& value = "v") {
  messages::LogRecord record;
  *record.mutable_commit()->mutable_by() = owner(epoch, name);
  record.mutable_commit()->set_number(number);
  record.mutable_commit()->set_last(true);
  record.mutable_commit()->set_operations(std::string(batch_of(value).as_bytes()));
  return record;
}

/// The part of a commit of two that holds the first or the second half of its bytes.
messages::LogRecord part(std::uint64_t number, std::uint32_t index, const std::string& value = "v") {
  messages::LogRecord record = commit(1, "a", number, value);
  const std::string all = record.commit().operations();
  const std::size_t half = all.size() / 2;
  record.mutable_commit()->set_operations(index == 0 ? all.substr(0, half) : all.substr(half));
  record.mutable_commit()->set_part(index);
  record.mutable_commit()->set_last(index == 1);
  return record;
}

messages::LogRecord release(std::uint64_t epoch, const std::string& name) {
  messages::LogRecord record;
  *record.mutable_release()->mutable_by() = owner(epoch, name);
  return record;
}

class LogJudge : public testing::Test {
 protected:
  log_verdict judge(messages::LogRecord record) { return judge_.judge(++at_, std::move(record)); }
  kind kind_of(messages::LogRecord record) { return judge(std::move(record)).what; }
  void begin() {
    ASSERT_EQ(kind_of(description()), kind::described);
    ASSERT_EQ(kind_of(claim(1, "a")), kind::claimed);
  }

  log_judge judge_{third};
  std::uint64_t at_ = 0;
};

TEST_F(LogJudge, LetsCommitsOfTheReigningOwnerHoldInOrder) {
  begin();
  const auto first = judge(commit(1, "a", 1, "x"));
  ASSERT_EQ(first.what, kind::committed);
  EXPECT_EQ(first.batch.as_bytes(), batch_of("x").as_bytes());
  EXPECT_EQ(kind_of(commit(1, "a", 2)), kind::committed);
  EXPECT_EQ(judge_.position().number(), 2U);
  EXPECT_EQ(judge_.position().position(), at_);
}

TEST_F(LogJudge, OfTwoClaimsTheFirstWins) {
  begin();
  EXPECT_EQ(kind_of(claim(2, "b")), kind::claimed);
  EXPECT_EQ(kind_of(claim(2, "c")), kind::ignored);
  EXPECT_EQ(kind_of(claim(1, "d")), kind::ignored);
  EXPECT_EQ(judge_.position().owner().owner(), "b");
}

TEST_F(LogJudge, IgnoresWhoDoesNotReign) {
  begin();
  EXPECT_EQ(kind_of(claim(2, "b")), kind::claimed);
  EXPECT_EQ(kind_of(commit(1, "a", 1)), kind::ignored) << "the owner before";
  EXPECT_EQ(kind_of(release(1, "a")), kind::ignored);
  EXPECT_EQ(kind_of(commit(2, "b", 1)), kind::committed) << "the number goes on";
}

TEST_F(LogJudge, IgnoresWhatWasWrittenTwice) {
  begin();
  EXPECT_EQ(kind_of(commit(1, "a", 1)), kind::committed);
  EXPECT_EQ(kind_of(commit(1, "a", 1)), kind::ignored);
  EXPECT_EQ(kind_of(commit(1, "a", 2)), kind::committed);
}

TEST_F(LogJudge, IgnoresWhatWasReadBefore) {
  begin();
  EXPECT_EQ(judge_.judge(at_, commit(1, "a", 1)).what, kind::ignored);
  EXPECT_EQ(judge_.judge(at_ + 5, commit(1, "a", 1)).what, kind::committed) << "gaps between positions mean nothing";
}

TEST_F(LogJudge, NoticesThatACommitIsMissing) {
  begin();
  const auto verdict = judge(commit(1, "a", 2));
  EXPECT_EQ(verdict.what, kind::corrupt);
  EXPECT_THAT(verdict.reason, HasSubstr("of commit 2"));
}

TEST_F(LogJudge, NoticesThatAClaimIsMissing) {
  begin();
  const auto verdict = judge(commit(2, "b", 1));
  EXPECT_EQ(verdict.what, kind::corrupt);
  EXPECT_THAT(verdict.reason, HasSubstr("claim of epoch 2"));
  log_judge same_epoch(third, judge_.position());
  EXPECT_EQ(same_epoch.judge(at_ + 1, commit(1, "b", 1)).what, kind::corrupt) << "its claim must have come first";
  EXPECT_EQ(log_judge(third, judge_.position()).judge(at_ + 1, release(1, "b")).what, kind::corrupt);
}

TEST_F(LogJudge, NoticesThatCommitsAreMissingBeforeAClaimOrARelease) {
  begin();
  messages::LogRecord later = claim(2, "b");
  later.mutable_claim()->set_number(1);
  EXPECT_EQ(log_judge(judge_).judge(at_ + 1, std::move(later)).what, kind::corrupt);
  messages::LogRecord end = release(1, "a");
  end.mutable_release()->set_number(1);
  EXPECT_EQ(log_judge(judge_).judge(at_ + 1, std::move(end)).what, kind::corrupt);
}

TEST_F(LogJudge, NoticesAClaimThatHasSeenOneThatIsMissing) {
  begin();
  EXPECT_EQ(kind_of(claim(3, "c")), kind::corrupt);
}

TEST_F(LogJudge, NoticesAnOwnerThatDoesNotKnowWhatIsThere) {
  begin();
  EXPECT_EQ(kind_of(commit(1, "a", 1)), kind::committed);
  EXPECT_EQ(kind_of(claim(2, "b")), kind::claimed);
  EXPECT_EQ(kind_of(commit(2, "b", 1)), kind::corrupt);
}

TEST_F(LogJudge, NoticesThatTheBeginningIsMissing) {
  EXPECT_EQ(kind_of(claim(1, "a")), kind::corrupt);
  log_judge other(third);
  EXPECT_EQ(other.judge(1, commit(1, "a", 1)).what, kind::corrupt);
}

TEST_F(LogJudge, NoticesTheLogOfAnotherPartition) { EXPECT_EQ(kind_of(description(2)), kind::corrupt); }

TEST_F(LogJudge, OnlyTheFirstDescriptionHolds) {
  begin();
  messages::LogRecord other = description();
  other.mutable_description()->set_partition_count(16);
  EXPECT_EQ(kind_of(std::move(other)), kind::ignored);
  EXPECT_EQ(judge_.position().partition_count(), 8U);
}

TEST_F(LogJudge, PutsPartsTogether) {
  begin();
  const std::uint64_t before = at_;
  EXPECT_EQ(kind_of(part(1, 0, "long")), kind::part);
  EXPECT_EQ(kind_of(claim(1, "late")), kind::ignored) << "others may write between parts";
  EXPECT_EQ(judge_.position().position(), before) << "a commit that is not whole counts as not seen";
  const auto whole = judge(part(1, 1, "long"));
  ASSERT_EQ(whole.what, kind::committed);
  EXPECT_EQ(whole.batch.as_bytes(), batch_of("long").as_bytes());
  EXPECT_EQ(judge_.position().position(), at_);
}

TEST_F(LogJudge, NoticesThatAPartIsMissing) {
  begin();
  EXPECT_EQ(kind_of(part(1, 1)), kind::corrupt);
}

TEST_F(LogJudge, DropsPartsThatAClaimOrAReleaseCutsOff) {
  begin();
  EXPECT_EQ(kind_of(part(1, 0, "never")), kind::part);
  EXPECT_EQ(kind_of(claim(2, "b")), kind::claimed);
  EXPECT_EQ(kind_of(part(1, 1, "never")), kind::ignored);
  const auto whole = judge(commit(2, "b", 1, "other"));
  ASSERT_EQ(whole.what, kind::committed);
  EXPECT_EQ(whole.batch.as_bytes(), batch_of("other").as_bytes());
}

TEST_F(LogJudge, AReleaseEndsAReign) {
  begin();
  EXPECT_EQ(kind_of(release(1, "a")), kind::released);
  EXPECT_EQ(kind_of(commit(1, "a", 1)), kind::ignored);
  EXPECT_EQ(kind_of(claim(1, "a")), kind::ignored) << "the epoch stays";
  EXPECT_EQ(kind_of(claim(2, "a")), kind::claimed);
}

TEST_F(LogJudge, RefusesACommitThatIsNoListOfOperations) {
  begin();
  for (const std::string& bytes : {std::string("\x03\xff"), std::string("\x03\x01"), std::string("\x7f\x01k\x01v"),
                                   std::string("\x03\x01k\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13)}) {
    log_judge judge = judge_;
    messages::LogRecord record = commit(1, "a", 1);
    record.mutable_commit()->set_operations(bytes);
    EXPECT_EQ(judge.judge(at_ + 1, std::move(record)).what, kind::corrupt) << testing::PrintToString(bytes);
  }
}

TEST_F(LogJudge, RefusesARecordOfNoKind) {
  begin();
  EXPECT_EQ(kind_of({}), kind::corrupt);
}

TEST_F(LogJudge, GoesOnFromAStoredPosition) {
  begin();
  EXPECT_EQ(kind_of(commit(1, "a", 1)), kind::committed);
  EXPECT_EQ(kind_of(part(2, 0)), kind::part);
  const auto store = make_memory_store();
  write_batch batch;
  put_log_position(batch, third, judge_.position());
  ASSERT_TRUE(store->write(batch));
  const auto stored = load_log_position(*store, third);
  ASSERT_TRUE(stored);
  log_judge next(third, *stored);
  EXPECT_EQ(next.judge(at_ - 1, commit(1, "a", 1)).what, kind::ignored);
  EXPECT_EQ(next.judge(at_, part(2, 0)).what, kind::part) << "parts are read again";
  EXPECT_EQ(next.judge(at_ + 1, part(2, 1)).what, kind::committed);
  EXPECT_EQ(load_log_position(*store, partition_id(4))->position(), 0U);
}

TEST(LogRecord, IsToldFromWhatIsNone) {
  std::string bytes;
  append_log_record(bytes, third, commit(1, "a", 1));
  ASSERT_TRUE(parse_log_record(third, bytes));
  EXPECT_EQ(parse_log_record(partition_id(4), bytes).error().code, storage_errc::corrupt) << "of another partition";
  std::string changed = bytes;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  EXPECT_EQ(parse_log_record(third, changed).error().code, storage_errc::corrupt);
  EXPECT_EQ(parse_log_record(third, bytes.substr(0, bytes.size() - 1)).error().code, storage_errc::corrupt);
  changed = bytes;
  changed.front() = 99;
  EXPECT_EQ(parse_log_record(third, changed).error().code, storage_errc::newer_format);
}

}  // namespace
}  // namespace evermill::storage
