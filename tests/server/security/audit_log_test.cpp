#include "server/security/audit_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/server/security/caught_log.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

namespace {

constexpr auto patience = 60s;

std::string content_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}
std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(nlohmann::json::parse(line));
  return all;
}
audit_record record(std::string_view resource) {
  audit_record made;
  made.principal = "token:1";
  made.action = "start_workflow";
  made.resource = resource;
  made.outcome = "ok";
  return made;
}

/// A disk that takes so many bytes, or hangs.
struct disk {
  std::mutex mutex;
  std::condition_variable changed;
  std::string content;
  std::size_t room = 1u << 30;
  bool hangs = false;
  bool hanging = false;
  void give(std::size_t more) {
    const std::lock_guard lock(mutex);
    room += more;
    hangs = false;
    changed.notify_all();
  }
  void wait_until_it_is_full() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return room == 0; });
  }
  void wait_until_it_hangs() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return hanging; });
  }
};
class disk_sink final : public audit_sink {
 public:
  explicit disk_sink(std::shared_ptr<disk> to) : to_(std::move(to)) {}
  std::size_t write(std::string_view bytes, bool) override {
    std::unique_lock lock(to_->mutex);
    to_->hanging = to_->hangs;
    to_->changed.notify_all();
    to_->changed.wait(lock, [&] { return !to_->hangs; });
    const std::size_t taken = std::min(bytes.size(), to_->room);
    to_->room -= taken;
    to_->content += bytes.substr(0, taken);
    to_->changed.notify_all();
    return taken;
  }
  std::string error() const override { return "no space"; }

 private:
  const std::shared_ptr<disk> to_;
};

class AuditLog : public ::testing::Test {
 protected:
  tests::temporary_directory directory_;
  tests::manual_clock clock_;
  tests::caught_log log_;
  const std::filesystem::path path_ = directory_.path() / "audit.jsonl";
  const std::shared_ptr<disk> disk_ = std::make_shared<disk>();
};

}  // namespace

TEST_F(AuditLog, ALineHasWhoDidWhatWhereAndHowItWent) {
  audit_record full = record("order-1");
  full.name = "ci";
  full.how = authentication::token;
  full.address = "10.0.0.1";
  full.name_space = "shop";
  full.request_id = "r-1";
  full.trace_id = "abc";
  const auto line = nlohmann::json::parse(audit_line(full, from_micros(1'800'000'000'123'456)));
  const auto wanted = nlohmann::json::parse(
      R"({"time":"2027-01-15T08:00:00.123456Z","principal":"token:1","name":"ci","authentication":"token","address":"10.0.0.1",
    "action":"start_workflow","namespace":"shop","resource":"order-1","outcome":"ok","request_id":"r-1","trace_id":"abc"})");
  EXPECT_EQ(line, wanted);
}

TEST_F(AuditLog, NoNameCanBreakALineOrATerminal) {
  const std::string evil =
      std::string("a\n{\"principal\":\"token:root\"}\r\x1b[2J\x7f") + "\xe2\x80\xae" + "\xff\xfe" + std::string(1, '\0');
  const std::string line = audit_line(record(evil), from_micros(0));
  for (const char each : line) EXPECT_TRUE(each >= 0x20 && each < 0x7f) << static_cast<int>(each);
  EXPECT_EQ(lines_of(line + "\n").size(), 1U);
  EXPECT_LT(audit_line(record(std::string(100'000, 'x')), from_micros(0)).size(), 1400U);
}

TEST_F(AuditLog, AppendsToAFileOfItsOwn) {
  {
    audit_log audit(make_audit_file(path_), clock_, log_.to());
    audit.write(record("a"));
  }
  {
    audit_log audit(make_audit_file(path_), clock_, log_.to());
    audit.write(record("b"));
    ASSERT_TRUE(audit.flush(patience));
    EXPECT_EQ(audit.written(), 1U);
  }
  EXPECT_EQ(lines_of(content_of(path_)).size(), 2U);
  struct stat about {};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  EXPECT_THROW(make_audit_file(directory_.path() / "missing" / "audit"), std::runtime_error);
}

TEST_F(AuditLog, FollowsARotation) {
  audit_log audit(make_audit_file(path_), clock_, log_.to());
  audit.write(record("a"));
  ASSERT_TRUE(audit.flush(patience));
  std::filesystem::rename(path_, directory_.path() / "audit.1");
  audit.write(record("b"));
  ASSERT_TRUE(audit.flush(patience));
  EXPECT_THAT(content_of(directory_.path() / "audit.1"), HasSubstr("\"a\""));
  EXPECT_THAT(content_of(path_), HasSubstr("\"b\""));
  std::filesystem::remove(path_);
  audit.reopen();
  audit.write(record("c"));
  ASSERT_TRUE(audit.flush(patience));
  EXPECT_THAT(content_of(path_), HasSubstr("\"c\""));
}

TEST_F(AuditLog, AFullDiskDropsAndCountsAndGoesOn) {
  disk_->room = 30;  // within the first line
  audit_options options;
  options.max_bytes = 1000;
  options.retry = 1ms;
  audit_log audit(std::make_unique<disk_sink>(disk_), clock_, log_.to(), options);
  for (int i = 0; i < 100; ++i) audit.write(record("r-" + std::to_string(i)));
  const std::uint64_t dropped = audit.dropped();
  EXPECT_GT(dropped, 80U);
  disk_->wait_until_it_is_full();
  disk_->give(1u << 30);
  ASSERT_TRUE(audit.flush(patience));
  audit.write(record("after"));
  ASSERT_TRUE(audit.flush(patience));
  const auto lines = lines_of(disk_->content);
  EXPECT_EQ(lines.front()["resource"], "r-0") << "a line that was begun is ended";
  EXPECT_EQ(lines[lines.size() - 2]["event"], "lines_dropped");
  EXPECT_EQ(lines[lines.size() - 2]["count"], dropped);
  EXPECT_EQ(lines.back()["resource"], "after");
  EXPECT_EQ(lines.size(), 100 - dropped + 2);
  EXPECT_THAT(log_.text(), HasSubstr("no space"));
  EXPECT_EQ(log_.text().find("can't be written"), log_.text().rfind("can't be written")) << "told once";
}

TEST_F(AuditLog, ARealFullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const auto sink = make_audit_file("/dev/full");
  EXPECT_EQ(sink->write("{}\n", true), 0U);
  EXPECT_THAT(sink->error(), HasSubstr("No space left"));
}

TEST_F(AuditLog, ADiskThatHangsKeepsNobody) {
  disk_->hangs = true;
  audit_options options;
  options.max_bytes = 1000;
  options.stop_limit = 1ms;
  {
    audit_log audit(std::make_unique<disk_sink>(disk_), clock_, log_.to(), options);
    for (int i = 0; i < 100; ++i) audit.write(record("x"));
    EXPECT_GT(audit.dropped(), 0U);
    disk_->wait_until_it_hangs();
    EXPECT_FALSE(audit.flush(1ms));
  }  // its thread hangs still
  disk_->give(0);
}

TEST_F(AuditLog, WhatWasGivenIsWrittenAtTheEnd) {
  {
    audit_log audit(std::make_unique<disk_sink>(disk_), clock_, log_.to());
    for (int i = 0; i < 1000; ++i) audit.write(record("x"));
  }
  EXPECT_EQ(lines_of(disk_->content).size(), 1000U);
}

TEST_F(AuditLog, ManyMayWriteAtOnce) {
  {
    audit_log audit(make_audit_file(path_), clock_, log_.to());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 250; ++j) audit.write(record("x"));
      });
    }
    for (std::thread& each : threads) each.join();
  }
  EXPECT_EQ(lines_of(content_of(path_)).size(), 1000U);
}

TEST_F(AuditLog, MayGoToTheProcesssLog) {
  {
    audit_log audit(make_audit_to_log(log_.to()), clock_, log_.to());
    audit.write(record("order-1"));
  }
  EXPECT_THAT(log_.text(), HasSubstr("audit {\"time\":"));
  EXPECT_THAT(log_.text(), HasSubstr("order-1"));
}
