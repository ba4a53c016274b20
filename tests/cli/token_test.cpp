// `evermill token …`, in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/environment.hpp"
#include "evermill/registry.hpp"
#include "server/security/guarded_file.hpp"
#include "server/security/token.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::cli {
namespace {

namespace security = server::security;
using ::testing::HasSubstr;
using ::testing::Not;

class TokenCommand : public ::testing::Test {
 protected:
  struct answer {
    int code = -1;
    std::string out, err;
  };
  answer run(std::vector<std::string> arguments, bool with_file = true) {
    arguments.insert(arguments.begin(), "token");
    if (with_file) arguments.insert(arguments.end(), {"--file", file_});
    std::istringstream in;
    std::ostringstream out, err;
    environment env{in, out, err, definitions_, "evermill", directory_.path(), ""};
    answer made;
    made.code = run_command_line(env, std::move(arguments));
    made.out = out.str();
    made.err = err.str();
    return made;
  }
  std::string make(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"create", "--name", "ci", "--scope", "operate"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const answer made = run(std::move(arguments));
    EXPECT_EQ(made.code, 0) << made.err;
    return made.out.substr(0, made.out.find('\n'));
  }
  std::string id_of(const std::string& token) const { return std::string(security::read_token(token)->id); }
  security::token_record record_of(const std::string& token) const {
    auto records = security::read_tokens_file(file_);
    EXPECT_TRUE(records) << records.error();
    return records->at(id_of(token));
  }
  std::string content() const {
    std::ostringstream text;
    text << std::ifstream(file_).rdbuf();
    return text.str();
  }

  tests::temporary_directory directory_;
  registry definitions_;
  const std::string file_ = (directory_.path() / "some-tokens.json").string();
};

TEST_F(TokenCommand, CreatePrintsTheTokenAloneAndOnlyOnce) {
  const answer made = run({"create", "--name", "ci", "--scope", "operate", "--namespace", "shop"});
  ASSERT_EQ(made.code, 0) << made.err;
  const std::string token = made.out.substr(0, made.out.size() - 1);
  ASSERT_TRUE(security::read_token(token)) << "nothing but the token is on standard output: " << made.out;
  EXPECT_THAT(made.err, Not(HasSubstr(token)));
  EXPECT_EQ(record_of(token).hash, security::sha256(token));
  EXPECT_THAT(content(), Not(HasSubstr(token.substr(20, 30))));
  for (const auto& command : {std::vector<std::string>{"list"}, {"list", "--json"}}) {
    const answer list = run(command);
    EXPECT_THAT(list.out, HasSubstr(id_of(token)));
    EXPECT_THAT(list.out, HasSubstr("shop"));
    EXPECT_THAT(list.out, Not(HasSubstr(token.substr(20, 30))));
    EXPECT_THAT(list.out, Not(HasSubstr(security::to_hex(record_of(token).hash)))) << "nor its hash";
  }
}

TEST_F(TokenCommand, CreateGrantsWhatItIsTold) {
  const auto grants =
      record_of(make({"--scope", "worker", "--namespace", "shop,depot", "--queue", "gpu", "--workflow-type", "*"})).grants;
  ASSERT_EQ(grants.size(), 2U);
  EXPECT_EQ(security::to_string(grants[0]), "operate:depot,shop");
  EXPECT_EQ(security::to_string(grants[1]), "worker:depot,shop:gpu (workflow types *)");
  EXPECT_EQ(security::to_string(record_of(make()).grants.at(0)), "operate:default");
}

TEST_F(TokenCommand, TokensExpireWhenTheyAreTold) {
  EXPECT_FALSE(record_of(make()).expires);
  const auto record = record_of(make({"--expires", "90d"}));
  ASSERT_TRUE(record.expires);
  EXPECT_EQ(*record.expires - record.created, std::chrono::hours(24 * 90));
  for (const char* const bad : {"soon", "0d", "-1d", "90"}) {
    const answer refused = run({"create", "--name", "ci", "--scope", "read", "--expires", bad});
    EXPECT_EQ(refused.code, 2) << bad;
    EXPECT_THAT(refused.err, HasSubstr("--expires"));
  }
}

TEST_F(TokenCommand, RevokeEndsATokenAndKeepsItsRecord) {
  const std::string token = make();
  EXPECT_THAT(run({"list"}).out, HasSubstr("valid"));
  EXPECT_EQ(run({"revoke", id_of(token)}).code, 0);
  EXPECT_TRUE(record_of(token).revoked);
  EXPECT_THAT(run({"list"}).out, HasSubstr("revoked"));
  EXPECT_THAT(run({"revoke", id_of(token)}).err, HasSubstr("already"));
  const answer unknown = run({"revoke", "aaaaaaaaaa"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("token list --file"));
}

TEST_F(TokenCommand, WhatGrantsNothingIsRefusedAndNothingIsWritten) {
  const std::vector<std::pair<std::vector<std::string>, const char*>> bad{
      {{"--scope", "root"}, "read, operate, admin or worker"},
      {{"--scope", "worker"}, "needs a task queue"},
      {{"--scope", "read", "--queue", "gpu"}, "belong to the scope worker"},
      {{}, "--scope"}};
  for (const auto& [options, why] : bad) {
    std::vector<std::string> arguments{"create", "--name", "ci"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const answer refused = run(arguments);
    EXPECT_EQ(refused.code, 2);
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err, HasSubstr(why));
  }
  EXPECT_EQ(run({"create", "--name", "a\nb", "--scope", "read"}).code, 2);
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(TokenCommand, AFileThatOthersCanReadIsNotUsed) {
  make();
  const std::string before = content();
  ASSERT_EQ(::chmod(file_.c_str(), 0644), 0);
  for (const auto& command :
       {std::vector<std::string>{"list"}, {"create", "--name", "x", "--scope", "read"}, {"revoke", "aaaaaaaaaa"}}) {
    const answer refused = run(command);
    EXPECT_EQ(refused.code, 2);
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err, HasSubstr("chmod 600"));
  }
  EXPECT_EQ(content(), before);
}

TEST_F(TokenCommand, OfTheDataDirectoryUnlessAFileIsGiven) {
  EXPECT_EQ(run({"create", "--name", "ci", "--scope", "read"}, false).code, 0);
  EXPECT_TRUE(std::filesystem::exists(directory_.path() / "tokens.json"));
  EXPECT_EQ(run({"list"}).code, 2) << "a file that is not there has no tokens to show";
}

TEST_F(TokenCommand, JsonIsOneObjectALine) {
  const answer made = run({"create", "--name", "ci", "--scope", "read", "--json"});
  const auto object = nlohmann::json::parse(made.out);
  EXPECT_TRUE(security::read_token(object["token"].get<std::string>()));
  const auto listed = nlohmann::json::parse(run({"list", "--json"}).out);
  EXPECT_EQ(listed["id"], object["id"]);
  EXPECT_FALSE(listed.contains("token"));
  EXPECT_TRUE(listed["expires"].is_null());
}

}  // namespace
}  // namespace evermill::cli
