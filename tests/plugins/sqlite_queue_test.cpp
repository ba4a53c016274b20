// The plugin of examples/sqlite_queue, loaded as evermill loads it: what every broker promises, and what is its own.
#include <gmock/gmock.h>
#include <sys/vfs.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "broker_conformance.hpp"
#include "evermill/plugin.hpp"
#include "failing_disk.hpp"
#include "plugins/queue/open_broker.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

using testing::HasSubstr;

queue::broker_result<std::unique_ptr<queue::broker>> open_sqlite(const std::string& address) {
  failing_disk::installed();
  load_plugin(EVERMILL_SQLITE_QUEUE);
  return queue::open_broker(address, {});
}

std::unique_ptr<queue::broker> open_file(const std::filesystem::path& file, const std::string& options = "?timeout-ms=60000") {
  auto opened = open_sqlite("sqlite://" + file.string() + options);
  EXPECT_TRUE(opened.has_value()) << opened.error().message;
  return opened ? std::move(*opened) : nullptr;
}

broker_factory sqlite_factory() {
  broker_factory factory{.name = "sqlite"};
  factory.make = [](const std::string& process, const broker_settings& settings) {
    static const temporary_directory directory;
    std::string options = "?timeout-ms=60000";
    if (settings.max_pending_bytes) options += "&max-pending-bytes=" + std::to_string(*settings.max_pending_bytes);
    failing_disk::installed().open_losable(process == "lost");
    auto made = open_file(directory.path() / "queue.db", options);
    failing_disk::installed().open_losable(false);
    return made;
  };
  factory.stop_server = [] { failing_disk::installed().set_away(true); };
  factory.start_server = [] { failing_disk::installed().set_away(false); };
  factory.lose_process = [](const std::string&, const queue::membership_options&) { failing_disk::installed().lose(); };
  factory.comes_back = false;  // it would, but the disk that was lost stays away
  factory.buffered_bytes = [](const queue::stream_reader&) { return 0; };  // it reads the file
  return factory;
}

INSTANTIATE_TEST_SUITE_P(Sqlite, broker_conformance, testing::Values(sqlite_factory()), broker_factory::name_of);

class SqliteQueue : public testing::Test {
 protected:
  using answer = std::future<queue::broker_result<queue::position>>;

  void SetUp() override { ASSERT_TRUE(broker_->ensure_stream("s", 1).has_value()); }
  void TearDown() override { disk_.set_away(false); }

  answer append(const std::string& value) {
    auto told = std::make_shared<std::promise<queue::broker_result<queue::position>>>();
    EXPECT_TRUE(broker_->append({"s", 0}, {{"", value}}, [told](const auto& outcome) { told->set_value(outcome); }));
    return told->get_future();
  }
  /// As other programs see the file.
  void execute(const std::string& sql) {
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(other, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(other);
    sqlite3_close(other);
  }

  temporary_directory directory_;
  const std::filesystem::path file_ = directory_.path() / "queue.db";
  failing_disk& disk_ = failing_disk::installed();
  std::unique_ptr<queue::broker> broker_ = open_file(file_);
};

TEST_F(SqliteQueue, AnswersWhatIsSyncedAndThereForOthers) {
  const auto other = open_file(file_);
  for (queue::position at = 1; at <= 20; ++at) {
    const int syncs = disk_.log_syncs();
    std::promise<void> told;
    const auto taken = broker_->append({"s", 0}, {{"", "x"}}, [&](const auto& outcome) {
      EXPECT_EQ(outcome.value(), at);
      EXPECT_GT(disk_.log_syncs(), syncs) << "a power cut would lose it";
      EXPECT_EQ(other->bounds({"s", 0}).value().last, at) << "the death of the process would lose it";
      told.set_value();
    });
    ASSERT_TRUE(taken.has_value());
    told.get_future().wait();
  }
}

TEST_F(SqliteQueue, SaysThatItIsDurableWhereItsDiskIs) {
  struct statfs system {};
  ASSERT_EQ(::statfs(file_.c_str(), &system), 0);
  constexpr long tmpfs = 0x01021994;
  const auto durability = broker_->durability().value();
  EXPECT_EQ(durability.survives_power_cut, system.f_type != tmpfs) << durability.reason;
  EXPECT_THAT(durability.reason, HasSubstr("synchronous 2"));
}

TEST_F(SqliteQueue, AFailedSyncIsNoAnswerThatItIsThere) {
  disk_.fail_next_log_sync();
  const auto outcome = append("perhaps").get();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, queue::broker_errc::unavailable);
  EXPECT_TRUE(append("sure").get().has_value());
  auto reader = broker_->read({"s", 0}, {}, [] {}).value();
  std::vector<queue::stored_record> records;
  ASSERT_GE(reader->poll(records, 10).value(), 1U);
  EXPECT_EQ(records.back().what.value, "sure");
}

TEST_F(SqliteQueue, WhatWaitsIsSyncedTogetherAndKeepsItsOrderWhenItIsTriedAgain) {
  disk_.set_away(true);
  std::vector<answer> answers;
  for (int i = 0; i < 2'500; ++i) answers.push_back(append(std::to_string(i)));
  ASSERT_EQ(broker_->trim({"s", 0}, 1).error().code, queue::broker_errc::unavailable) << "a try has failed";
  const int syncs = disk_.log_syncs();
  disk_.set_away(false);
  for (std::size_t i = 0; i < answers.size(); ++i) ASSERT_EQ(answers[i].get().value(), i + 1);
  EXPECT_LE(disk_.log_syncs() - syncs, 20) << "each append costs a sync of its own";
}

TEST_F(SqliteQueue, OnePollGivesNoMoreThanWasToBeReadAhead) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(std::string(100'000, 'x')).get().has_value());
  auto reader = broker_->read({"s", 0}, {.prefetch_bytes = 250'000}, [] {}).value();
  std::vector<queue::stored_record> records;
  EXPECT_EQ(reader->poll(records, 1'000).value(), 3U) << "the last one may go over";
}

TEST_F(SqliteQueue, MembersOfAnEarlierBootAreForgotten) {
  const auto earlier = directory_.path() / "queue.db-members-earlier";
  const auto foreign = directory_.path() / "other.db-members-earlier";
  for (const auto& each : {earlier, foreign}) std::ofstream(each) << "x";
  open_file(file_);
  EXPECT_FALSE(std::filesystem::exists(earlier));
  EXPECT_TRUE(std::filesystem::exists(foreign));
}

TEST_F(SqliteQueue, AMemberIsAliveWhileAnotherProgramHoldsTheLock) {
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  permits changed;
  const auto membership = broker_->join({.group = "g", .member_id = "a"}, [&] { changed.release(); }).value();
  auto waits = append("waits");
  while (!membership->view().joined) changed.acquire();
  EXPECT_EQ(waits.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  sqlite3_close(other);
  EXPECT_TRUE(waits.get().has_value());
}

TEST_F(SqliteQueue, TheFileOfAnotherVersionIsRefused) {
  execute("PRAGMA user_version = 7");
  const auto opened = open_sqlite("sqlite://" + file_.string());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, queue::broker_errc::refused);
  EXPECT_THAT(opened.error().message, HasSubstr("another version"));
}

TEST_F(SqliteQueue, AFileThatIsNoDatabaseIsRefused) {
  const auto file = directory_.path() / "letter.txt";
  std::ofstream(file) << std::string(10'000, 'x');
  const auto opened = open_sqlite("sqlite://" + file.string());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, queue::broker_errc::refused);
}

TEST_F(SqliteQueue, AFolderThatIsNotThereIsNamed) {
  const auto opened = open_sqlite("sqlite://" + (directory_.path() / "nowhere" / "queue.db").string());
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().message, HasSubstr("nowhere/queue.db"));
}

TEST_F(SqliteQueue, AnAddressThatIsNoneIsInvalid) {
  for (const char* address : {"sqlite://", "sqlite://?poll-ms=5", "sqlite://x?poll=5", "sqlite://x?poll-ms",
                              "sqlite://x?poll-ms=5x", "sqlite://x?poll-ms=0", "sqlite://x?poll-ms=5&&",
                              "sqlite://x?timeout-ms=600001"}) {
    const auto opened = open_sqlite(address);
    ASSERT_FALSE(opened.has_value()) << address;
    EXPECT_EQ(opened.error().code, queue::broker_errc::invalid) << address;
  }
  EXPECT_FALSE(std::filesystem::exists("x"));
}

}  // namespace
}  // namespace evermill::tests
