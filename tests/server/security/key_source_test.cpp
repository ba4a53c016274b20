#include "server/security/key_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "plugins/task/transfer/transfer_loop.hpp"
#include "server/http/http_server.hpp"
#include "server/security/guarded_file.hpp"
#include "tests/server/security/caught_log.hpp"
#include "tests/server/security/signing_key.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;

namespace {

const tests::signing_key& any_key() {
  static const auto key = tests::signing_key::edwards();
  return key;
}
std::string set_of(const std::vector<std::string>& kids) {
  json keys = json::array();
  for (const std::string& kid : kids) keys.push_back(any_key().jwk(kid));
  return json{{"keys", keys}}.dump();
}

/// An issuer's server.
class key_server {
 public:
  key_server() { start(); }
  void start() {
    namespace http = server::http;
    http::server_options options{.listen = {"127.0.0.1", port_}};
    const auto handle = [this](const http::request&) {
      ++requests;
      const std::shared_future<void> wait = gate();
      wait.wait();
      const std::lock_guard lock(mutex_);
      return http::response{status_, "application/json", body_};
    };
    server_ = std::make_unique<http::http_server>(options, std::vector<http::route>{{"GET", "/keys", handle}}, evermill::log());
    port_ = server_->listening().port;
  }
  void stop() { server_.reset(); }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/keys"; }
  void answer(std::string body, unsigned status = 200) {
    const std::lock_guard lock(mutex_);
    body_ = std::move(body);
    status_ = status;
  }
  /// Requests wait until the promise is kept.
  std::promise<void> hold() {
    std::promise<void> release;
    const std::lock_guard lock(mutex_);
    gate_ = release.get_future().share();
    return release;
  }

  std::atomic<int> requests = 0;

 private:
  std::shared_future<void> gate() {
    const std::lock_guard lock(mutex_);
    return gate_;
  }
  static std::shared_future<void> open_gate() {
    std::promise<void> kept;
    kept.set_value();
    return kept.get_future().share();
  }

  std::mutex mutex_;
  std::string body_;
  unsigned status_ = 200;
  std::shared_future<void> gate_ = open_gate();
  std::uint16_t port_ = 0;
  std::unique_ptr<server::http::http_server> server_;
};

class UrlKeys : public ::testing::Test {
 protected:
  std::unique_ptr<key_source> source() {
    key_source_options options;
    options.url = server_.url();
    return make_url_keys(options, clock_, fetches_, log_.to());
  }
  static std::future<key_answer> begin(key_source& in, const std::string& kid) {
    auto answer = std::make_shared<std::promise<key_answer>>();
    in.find(kid, algorithm::eddsa, [answer](key_answer what, const json_web_key*) { answer->set_value(what); });
    return answer->get_future();
  }
  static key_answer find(key_source& in, const std::string& kid) { return begin(in, kid).get(); }

  tests::manual_clock clock_;
  tests::caught_log log_;
  key_server server_;
  tasks::transfer_loop fetches_;
};

}  // namespace

TEST_F(UrlKeys, AreFetchedWhenTheyAreFirstAskedForAndKept) {
  server_.answer(set_of({"a"}));
  const auto keys = source();
  EXPECT_EQ(server_.requests, 0);
  EXPECT_EQ(find(*keys, "a"), key_answer::found);
  EXPECT_EQ(find(*keys, "a"), key_answer::found);
  EXPECT_EQ(server_.requests, 1);
}

TEST_F(UrlKeys, RotatedOnesAreFound) {
  server_.answer(set_of({"a"}));
  const auto keys = source();
  EXPECT_EQ(find(*keys, "a"), key_answer::found);
  const auto before = keys->generation();
  server_.answer(set_of({"b"}));
  clock_.advance(30s);
  EXPECT_EQ(find(*keys, "b"), key_answer::found);
  EXPECT_EQ(find(*keys, "a"), key_answer::unknown) << "what the issuer has taken back is no key any more";
  EXPECT_GT(keys->generation(), before);
}

TEST_F(UrlKeys, MadeUpOnesCostTheIssuerOneFetchEach30Seconds) {
  server_.answer(set_of({"a"}));
  const auto keys = source();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(find(*keys, "made-up-" + std::to_string(i)), key_answer::unknown);
  EXPECT_EQ(server_.requests, 1);
  clock_.advance(30s);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(find(*keys, "made-up-" + std::to_string(i)), key_answer::unknown);
  EXPECT_EQ(server_.requests, 2);
}

TEST_F(UrlKeys, AreKeptWhileTheServerIsAway) {
  server_.answer(set_of({"a"}));
  const auto keys = source();
  EXPECT_EQ(find(*keys, "a"), key_answer::found);
  server_.stop();
  clock_.advance(24h);
  EXPECT_EQ(find(*keys, "a"), key_answer::found);
  EXPECT_EQ(find(*keys, "b"), key_answer::unknown);  // waits for the end of the fetch, too
  clock_.advance(30s);
  EXPECT_EQ(find(*keys, "b"), key_answer::unknown);
  EXPECT_THAT(log_.text(), HasSubstr("those fetched before are used"));
  EXPECT_EQ(log_.text().find("can't be fetched"), log_.text().rfind("can't be fetched")) << "told once";
  server_.answer(set_of({"a", "b"}));
  server_.start();
  clock_.advance(30s);
  EXPECT_EQ(find(*keys, "b"), key_answer::found);
  EXPECT_THAT(log_.text(), HasSubstr("can be fetched again"));
}

TEST_F(UrlKeys, AnAbsenceFromTheBeginningIsNotTheTokensFault) {
  server_.stop();
  const auto keys = source();
  EXPECT_EQ(find(*keys, "a"), key_answer::unavailable);
  EXPECT_EQ(find(*keys, "a"), key_answer::unavailable) << "at once: nobody waits again within the pause";
}

TEST_F(UrlKeys, AnswersThatAreNoKeysReplaceNone) {
  server_.answer(set_of({"a"}));
  const auto keys = source();
  EXPECT_EQ(find(*keys, "a"), key_answer::found);
  for (const auto& [body, status] : {std::pair(std::string("<html>"), 200U), std::pair(set_of({"b"}), 500U),
                                     std::pair(set_of({}), 200U), std::pair(std::string(std::size_t{2} << 20, ' '), 200U)}) {
    server_.answer(body, status);
    clock_.advance(30s);
    EXPECT_EQ(find(*keys, "b"), key_answer::unknown);
    EXPECT_EQ(find(*keys, "a"), key_answer::found);
  }
}

TEST_F(UrlKeys, OldOnesAreFetchedAgainWhileTheyAreUsed) {
  server_.answer(set_of({"a"}));
  const auto keys = source();
  EXPECT_EQ(find(*keys, "a"), key_answer::found);
  server_.answer(set_of({"b"}));
  clock_.advance(10min);
  std::promise<void> release = server_.hold();
  EXPECT_EQ(find(*keys, "a"), key_answer::found) << "nobody waits for the fetch who has a key";
  auto rotated = begin(*keys, "b");
  release.set_value();
  EXPECT_EQ(rotated.get(), key_answer::found) << "who has none waits for the one that is under way";
  EXPECT_EQ(find(*keys, "a"), key_answer::unknown);
  EXPECT_EQ(server_.requests, 2);
}

TEST_F(UrlKeys, ItsEndAnswersAllWhoWait) {
  server_.answer(set_of({"a"}));
  std::promise<void> release = server_.hold();
  auto keys = source();
  auto first = begin(*keys, "a"), second = begin(*keys, "b");
  keys.reset();
  EXPECT_EQ(first.get(), key_answer::unavailable);
  EXPECT_EQ(second.get(), key_answer::unavailable);
  release.set_value();
}

TEST_F(UrlKeys, ItsEndWaitsForAnAnswerThatIsUnderWay) {
  server_.answer(set_of({"a"}));
  auto keys = source();
  std::promise<void> called, release;
  std::atomic<bool> answered = false;
  keys->find("a", algorithm::eddsa, [&](key_answer, const json_web_key*) {
    called.set_value();
    release.get_future().wait();
    answered = true;
  });
  called.get_future().wait();
  std::thread ending([&] {
    keys.reset();
    EXPECT_TRUE(answered);
  });
  release.set_value();
  ending.join();
}

TEST(FileKeys, AreReadAgainAndABrokenFileKeepsTheOld) {
  const tests::temporary_directory directory;
  tests::manual_clock clock;
  tests::caught_log lines;
  key_source_options options;
  options.file = (directory.path() / "keys.json").string();
  EXPECT_THROW(make_file_keys(options, clock, lines.to()), std::runtime_error);
  ASSERT_TRUE(replace_file(options.file, set_of({"a"})));
  const auto keys = make_file_keys(options, clock, lines.to());
  const auto find = [&](const std::string& kid) {
    key_answer got{};
    keys->find(kid, algorithm::eddsa, [&](key_answer what, const json_web_key*) { got = what; });
    return got;
  };
  EXPECT_EQ(find("a"), key_answer::found);
  EXPECT_EQ(find("b"), key_answer::unknown);
  ASSERT_TRUE(replace_file(options.file, set_of({"b"})));
  clock.advance(1s);
  EXPECT_EQ(find("b"), key_answer::found);
  EXPECT_EQ(find("a"), key_answer::unknown);
  ASSERT_TRUE(replace_file(options.file, "{"));
  clock.advance(1s);
  EXPECT_EQ(find("b"), key_answer::found);
  EXPECT_THAT(lines.text(), HasSubstr("stay in force"));
}
