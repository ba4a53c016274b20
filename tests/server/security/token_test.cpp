#include "server/security/token.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "server/security/guarded_file.hpp"
#include "server/security/time_text.hpp"
#include "server/security/token_store.hpp"
#include "tests/server/security/caught_log.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

using verdict = token_store::verdict;

class TokenFile : public ::testing::Test {
 protected:
  made_token add(const std::string& name, std::optional<timestamp> expires = {}) {
    made_token made = make_token(name, {grant{scope::operate, name_set({"shop"}), {}, {}}}, clock_.now(), expires);
    const auto added = add_token(path_, made.record);
    EXPECT_TRUE(added) << added.error();
    return made;
  }
  void write(const std::string& text) const {
    const auto written = replace_file(path_, text);
    ASSERT_TRUE(written) << written.error();
  }
  std::string content() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  mode_t mode() const {
    struct stat about {};
    EXPECT_EQ(::stat(path_.c_str(), &about), 0);
    return about.st_mode & 07777;
  }

  tests::temporary_directory directory_;
  tests::manual_clock clock_;
  tests::caught_log log_;
  const std::string path_ = (directory_.path() / "tokens.json").string();
};

std::string altered(std::string text, std::size_t at) {
  text[at] = text[at] == 'x' ? 'y' : 'x';
  return text;
}

std::string with_right_checksum(const std::string& text) {
  const std::string body = text.substr(0, text.size() - 6);
  return body + checksum_of(body);
}

}  // namespace

TEST(TokenText, HasAnIdASecretAndAChecksum) {
  const made_token made = make_token("ci", {}, from_micros(0), {});
  EXPECT_EQ(made.text.size(), token_bytes);
  ASSERT_TRUE(read_token(made.text));
  EXPECT_EQ(read_token(made.text)->id, made.record.id);
  EXPECT_EQ(made.record.hash, sha256(made.text));
  EXPECT_NE(make_token("ci", {}, from_micros(0), {}).text, made.text);
}

TEST(TokenText, ATypingErrorAnywhereIsFound) {
  const std::string text = make_token("ci", {}, from_micros(0), {}).text;
  for (std::size_t i = 0; i < text.size(); ++i) EXPECT_FALSE(read_token(altered(text, i))) << i;
  EXPECT_FALSE(read_token(""));
  EXPECT_FALSE(read_token("evm_"));
  EXPECT_FALSE(read_token(text + "0"));
  EXPECT_FALSE(read_token(text.substr(1)));
}

TEST(TokenText, ChecksumIsCrc32) {
  // 0xCBF43926, the check value of CRC-32, in base62.
  std::uint64_t value = 0;
  for (const char each : checksum_of("123456789")) value = value * 62 + base62_digits.find(each);
  EXPECT_EQ(value, 0xCBF43926U);
}

TEST(TokenText, RandomDigitsAreAllUsed) {
  const std::string many = random_base62(20'000);
  for (const char each : base62_digits) EXPECT_NE(many.find(each), std::string::npos) << each;
  EXPECT_TRUE(is_base62(many));
}

TEST(TimeText, DurationsAndTimes) {
  EXPECT_EQ(read_duration("90d"), 90 * 24h);
  EXPECT_EQ(read_duration("5ms"), 5ms);
  EXPECT_EQ(read_duration("2w"), 14 * 24h);
  for (const char* const bad : {"", "d", "-1d", "1.5h", "1y", "99999999999999999999s", "40000d", "1 d"})
    EXPECT_FALSE(read_duration(bad)) << bad;
  const auto time = read_utc("2026-05-01T12:34:56Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(utc_text(*time), "2026-05-01T12:34:56Z");
  EXPECT_EQ(*read_utc("2026-05-01T12:34:56.5Z") - *time, 500ms);
  for (const char* const bad : {"", "2026-05-01", "2026-02-30T00:00:00Z", "2026-05-01T24:00:00Z", "2026-05-01T12:34:56+01:00",
                                "2026-05-01T12:34:56.Z", "2026-05-01T12:34:5-Z"}) {
    EXPECT_FALSE(read_utc(bad)) << bad;
  }
}

TEST_F(TokenFile, KeepsNoSecret) {
  const made_token made = add("ci");
  EXPECT_THAT(content(), Not(HasSubstr(made.text.substr(15, 43))));
  EXPECT_THAT(content(), HasSubstr(to_hex(sha256(made.text))));
  EXPECT_EQ(mode(), 0600U);
}

TEST_F(TokenFile, ComesBackAsItWasWritten) {
  const made_token made = add("ci", *read_utc("2027-01-01T00:00:00Z"));
  const auto read = read_tokens_file(path_);
  ASSERT_TRUE(read) << read.error();
  const token_record& record = read->at(made.record.id);
  EXPECT_EQ(record.name, "ci");
  EXPECT_EQ(record.hash, made.record.hash);
  EXPECT_EQ(record.grants, made.record.grants);
  EXPECT_EQ(record.expires, made.record.expires);
  EXPECT_FALSE(record.revoked);
}

TEST_F(TokenFile, IsRefusedWhereOthersCanReadOrWriteIt) {
  add("ci");
  for (const mode_t open : {0604U, 0602U, 0660U, 0644U, 0666U, 0601U}) {
    ASSERT_EQ(::chmod(path_.c_str(), open), 0);
    const auto read = read_tokens_file(path_);
    ASSERT_FALSE(read) << std::oct << open;
    EXPECT_THAT(read.error(), HasSubstr("chmod 600 " + path_));
  }
  ASSERT_EQ(::chmod(path_.c_str(), 0400), 0);
  EXPECT_TRUE(read_tokens_file(path_));
}

TEST_F(TokenFile, OfAStrangerIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "takes root";
  add("ci");
  ASSERT_EQ(::chown(path_.c_str(), 12345, 12345), 0);
  const auto read = read_tokens_file(path_);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error(), HasSubstr("belongs to another user"));
}

TEST_F(TokenFile, IsRefusedWhereItIsNoFile) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(read_tokens_file(path_).error(), HasSubstr("no regular file"));
  EXPECT_THAT(read_tokens_file(path_ + "-none").error(), HasSubstr("No such file"));
  EXPECT_TRUE(read_tokens_file(path_ + "-none", true));
}

TEST_F(TokenFile, ABrokenOneNamesWhatIsWrong) {
  add("ci");
  const nlohmann::json good = nlohmann::json::parse(content());
  const auto broken = [&](auto&& change) {
    nlohmann::json text = good;
    change(text);
    const auto read = read_tokens(text.dump());
    return read ? std::string("was taken") : read.error();
  };
  EXPECT_THAT(broken([](auto& t) { t["tokens"][0]["hash"] = "sha256:00"; }), HasSubstr("token 1 has no \"hash\""));
  EXPECT_THAT(broken([](auto& t) { t["tokens"][0]["hash"] = "plain:" + std::string(64, '0'); }), HasSubstr("hash"));
  EXPECT_THAT(broken([](auto& t) { t["tokens"][0]["id"] = "../../etc"; }), HasSubstr("no id"));
  EXPECT_THAT(broken([](auto& t) { t["tokens"][0]["only_from"] = "10.0.0.0/8"; }), HasSubstr("not known, \"only_from\""));
  EXPECT_THAT(broken([](auto& t) { t["tokens"][0]["expires"] = "soon"; }), HasSubstr("expires"));
  EXPECT_THAT(broken([](auto& t) { t["tokens"][0]["grants"][0]["scope"] = "root"; }), HasSubstr("grant"));
  EXPECT_THAT(broken([](auto& t) { t["tokens"][0].erase("grants"); }), HasSubstr("needs \"grants\""));
  EXPECT_THAT(broken([](auto& t) { t["tokens"].push_back(t["tokens"][0]); }), HasSubstr("token 2 has the id of another"));
  EXPECT_THAT(broken([](auto& t) { t["version"] = 2; }), HasSubstr("version"));
  EXPECT_FALSE(read_tokens("{\"version\":1,\"tokens\":["));
  EXPECT_FALSE(read_tokens(std::string(5000, '[')));
}

TEST_F(TokenFile, TwoThatAddAtOnceLoseNothing) {
  std::vector<std::thread> adding;
  for (int i = 0; i < 4; ++i) {
    adding.emplace_back([&, i] {
      for (int j = 0; j < 5; ++j) add("t" + std::to_string(i));
    });
  }
  for (std::thread& each : adding) each.join();
  const auto read = read_tokens_file(path_);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->size(), 20U);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(directory_.path())) ++files;
  EXPECT_EQ(files, 1U) << "nothing is left beside it";
}

TEST_F(TokenFile, AReaderSeesAWholeOneAtAnyTime) {
  add("first");
  std::atomic<bool> done = false;
  std::thread adding([&] {
    for (int i = 0; i < 50; ++i) add("t");
    done = true;
  });
  while (!done) {
    const auto read = read_tokens_file(path_);
    ASSERT_TRUE(read) << read.error();
    EXPECT_GE(read->size(), 1U);
  }
  adding.join();
}

TEST_F(TokenFile, AFullDiskLeavesTheOldOne) {
  add("ci");
  const std::string before = content();
  EXPECT_FALSE(replace_file(directory_.path() / "missing" / "tokens.json", "x"));
  std::filesystem::create_directory(directory_.path() / "folder");
  EXPECT_THAT(replace_file(directory_.path() / "folder", "x").error(), HasSubstr("renaming"));
  EXPECT_EQ(content(), before);
}

TEST_F(TokenFile, StoreTellsOnlyTheLogWhyATokenIsRefused) {
  const made_token valid = add("ci"), expiring = add("old", clock_.now() + 1h), revoked = add("gone");
  ASSERT_EQ(revoke_token(path_, revoked.record.id, clock_.now()), revocation::done);
  token_store store(path_, clock_, log_.to());
  EXPECT_EQ(store.find(valid.text).what, verdict::valid);
  EXPECT_EQ(store.find(valid.text).token->who->name, "ci");
  EXPECT_EQ(store.find(expiring.text).what, verdict::valid);
  clock_.advance(1h);
  EXPECT_EQ(store.find(expiring.text).what, verdict::expired);
  EXPECT_EQ(store.find(revoked.text).what, verdict::revoked);
  EXPECT_EQ(store.find(with_right_checksum(altered(valid.text, 20))).what, verdict::forged);
  EXPECT_EQ(store.find(make_token("x", {}, clock_.now(), {}).text).what, verdict::unknown);
  EXPECT_EQ(store.find("evm_x").what, verdict::malformed);
  EXPECT_EQ(store.find(with_right_checksum(altered(revoked.text, 20))).what, verdict::forged)
      << "who does not know the secret learns nothing of its end";
}

TEST_F(TokenFile, ChangesAreSeenWithoutARestart) {
  const made_token first = add("first");
  token_store store(path_, clock_, log_.to());
  const made_token second = add("second");
  EXPECT_EQ(store.find(second.text).what, verdict::unknown) << "it is looked at once a second";
  clock_.advance(1s);
  EXPECT_EQ(store.find(second.text).what, verdict::valid);
  EXPECT_TRUE(store.still(first.record.id));
  ASSERT_EQ(revoke_token(path_, first.record.id, clock_.now()), revocation::done);
  ASSERT_EQ(revoke_token(path_, first.record.id, clock_.now()), revocation::was_already);
  ASSERT_EQ(revoke_token(path_, "unknown123", clock_.now()), revocation::unknown);
  clock_.advance(1s);
  EXPECT_EQ(store.find(first.text).what, verdict::revoked);
  EXPECT_FALSE(store.still(first.record.id));
}

TEST_F(TokenFile, ABrokenNewOneKeepsTheOldAndIsLogged) {
  const made_token made = add("ci");
  token_store store(path_, clock_, log_.to());
  const std::string good = content();
  for (const auto& spoil : std::vector<std::function<void()>>{[&] { write("{"); }, [&] { ::chmod(path_.c_str(), 0644); },
                                                              [&] { ::unlink(path_.c_str()); }}) {
    write(good);
    clock_.advance(1s);
    EXPECT_EQ(store.find(made.text).what, verdict::valid);
    log_.clear();
    spoil();
    clock_.advance(1s);
    EXPECT_EQ(store.find(made.text).what, verdict::valid);
    EXPECT_THAT(log_.text(), HasSubstr("stay in force"));
    log_.clear();
    clock_.advance(1s);
    EXPECT_EQ(store.find(made.text).what, verdict::valid);
    EXPECT_EQ(log_.text(), "") << "told once";
  }
  write(write_tokens({}));
  clock_.advance(1s);
  EXPECT_EQ(store.find(made.text).what, verdict::unknown) << "a whole file without it";
}

TEST_F(TokenFile, AStoreNeedsAFileAtFirst) { EXPECT_THROW(token_store(path_, clock_, log_.to()), std::runtime_error); }
