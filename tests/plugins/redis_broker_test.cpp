// What only the Redis broker promises. What all brokers do: redis_conformance_test.cpp.
#include "plugins/queue/redis/redis_broker.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>

#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker_conformance.hpp"
#include "tests/support/redis_server.hpp"
#include "tcp_proxy.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

using texts = std::vector<std::string>;
using answer = std::future<queue::broker_result<queue::position>>;

class captured_lines : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void wait_for(const std::string& part) {
    std::unique_lock lock(mutex_of_text_);
    came_.wait(lock, [&] { return text_.find(part) != std::string::npos; });
  }
  bool has(const std::string& part) { return text().find(part) != std::string::npos; }
  std::string text() {
    std::lock_guard lock(mutex_of_text_);
    return text_;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& line) override {
    std::lock_guard lock(mutex_of_text_);
    text_.append(line.payload.data(), line.payload.size()).push_back('\n');
    came_.notify_all();
  }
  void flush_() override {}

 private:
  std::mutex mutex_of_text_;
  std::condition_variable came_;
  std::string text_;
};

/// Answers whatever it gets with the same text.
class parrot {
 public:
  explicit parrot(std::string says) : says_(std::move(says)) {
    std::tie(listener_, port_) = listen_on_loopback();
    thread_ = std::thread([this] {
      for (int client; (client = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(client)) {
        std::array<char, 4096> heard;
        while (::recv(client, heard.data(), heard.size(), 0) > 0) {
          ::send(client, says_.data(), says_.size(), MSG_NOSIGNAL);
        }
      }
    });
  }
  ~parrot() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  const std::string says_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

class redis_broker : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_redis()) GTEST_SKIP() << *reason;
  }

  redis_server& start(std::vector<std::string> settings = {}) {
    servers_.push_back(std::make_unique<redis_server>(directory_.path() / std::to_string(servers_.size()), settings));
    return *servers_.back();
  }

  static std::unique_ptr<queue::broker> make(const std::string& address, const queue::redis_broker_options& options = {}) {
    auto made = queue::make_redis_broker(address, options);
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }
  static std::unique_ptr<queue::broker> make(const redis_server& at, const queue::redis_broker_options& options = {}) {
    return make("redis://" + at.host(), options);
  }
  static std::unique_ptr<queue::broker> with_stream(std::unique_ptr<queue::broker> made) {
    const auto ensured = made->ensure_stream("s", 1);
    EXPECT_TRUE(ensured.has_value()) << ensured.error().message;
    return made;
  }

  static answer start_append(queue::broker& by, std::vector<queue::record> records, std::uint64_t fence = 0) {
    auto told = std::make_shared<std::promise<queue::broker_result<queue::position>>>();
    const auto taken = by.append(only, std::move(records), [told](auto outcome) { told->set_value(outcome); }, fence);
    EXPECT_TRUE(taken.has_value());
    return told->get_future();
  }
  static void append(queue::broker& by, std::vector<queue::record> records, std::uint64_t fence = 0) {
    const auto outcome = start_append(by, std::move(records), fence).get();
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message;
  }

  inline static const queue::stream_partition only{"s", 0};
  const temporary_directory directory_;
  std::vector<std::unique_ptr<redis_server>> servers_;
};

// --- An answer that does not come

class redis_broker_failures : public redis_broker, public testing::WithParamInterface<tcp_proxy::failure> {};

TEST_P(redis_broker_failures, WritesOnceWhateverTheNetworkDoes) {
  const redis_server& server = start();
  const auto direct = with_stream(make(server));
  tcp_proxy proxy(server.port());
  const auto broker = make("redis://" + proxy.host());
  append(*broker, {{"", "0"}});
  for (unsigned i = 1; i <= 5; ++i) {
    proxy.fail(GetParam(), "EVALSHA", i);
    auto one = start_append(*broker, {{"", std::to_string(2 * i - 1)}});
    auto other = start_append(*broker, {{"", std::to_string(2 * i)}});
    proxy.wait_until_failed();
    const auto first = one.get();
    const auto second = other.get();
    ASSERT_TRUE(first.has_value()) << first.error().message;
    ASSERT_TRUE(second.has_value()) << second.error().message;
    EXPECT_EQ(*first, 2 * i);
    EXPECT_EQ(*second, 2 * i + 1);
  }
  if (GetParam() == tcp_proxy::failure::request_late) proxy.deliver_late();
  append(*broker, {{"", "11"}});
  EXPECT_EQ(broker_reading(*direct, only).values(12), (texts{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}));
  EXPECT_EQ(direct->bounds(only).value().last, 12U);
}

INSTANTIATE_TEST_SUITE_P(Redis, redis_broker_failures,
                         testing::Values(tcp_proxy::failure::request_lost, tcp_proxy::failure::answer_lost,
                                         tcp_proxy::failure::request_late));

TEST_F(redis_broker, KeepsAllThatItAcknowledgedWhenTheServerIsKilledInTheMiddle) {
  redis_server& server = start();
  const auto broker = with_stream(make(server));
  std::vector<answer> answers;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 100; ++i) answers.push_back(start_append(*broker, {{"", std::to_string(answers.size())}}));
    answers[answers.size() - 70].wait();
    server.kill();
    server.start();
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto outcome = answers[i].get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
    ASSERT_EQ(*outcome, i + 1);
  }
  const auto other = make(server);
  const auto values = broker_reading(*other, only).values(answers.size());
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], std::to_string(i));
}

TEST_F(redis_broker, GivesAnAppendUpInTheEnd) {
  redis_server& server = start();
  queue::redis_broker_options options;
  options.append_timeout = std::chrono::milliseconds(100);
  const auto broker = with_stream(make(server, options));
  server.kill();
  const auto outcome = start_append(*broker, {{"", "1"}}).get();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, queue::broker_errc::unavailable);
  EXPECT_NE(outcome.error().message.find(server.host()), std::string::npos) << outcome.error().message;
  EXPECT_TRUE(broker->flush(std::chrono::minutes(1)));
}

TEST_F(redis_broker, ClosesThoughTheServerIsSilent) {
  redis_server& server = start();
  const auto broker = with_stream(make("redis://" + server.host() + "?timeout-ms=600000"));
  append(*broker, {{"", "1"}});
  broker_reading reading(*broker, only);
  reading.take(1);
  server.suspend();
  auto pending = start_append(*broker, {{"", "2"}});
  broker->close();
  EXPECT_EQ(pending.get().error().code, queue::broker_errc::closed);
  server.resume();
}

TEST_F(redis_broker, LoadsItsScriptsAgainWhenTheyAreGone) {
  const redis_server& server = start();
  const auto broker = with_stream(make(server));
  broker_reading reading(*broker, only);
  for (int i = 1; i <= 3; ++i) {
    append(*broker, {{"", std::to_string(i)}});
    EXPECT_EQ(reading.values(1), texts{std::to_string(i)});
    EXPECT_EQ(server.run({"SCRIPT", "FLUSH"}), "OK");
  }
}

// --- Fences and limits

TEST_F(redis_broker, ComparesFencesOfAllSizes) {
  const auto broker = with_stream(make(start()));
  constexpr std::uint64_t large = std::uint64_t(1) << 60;  // beyond what a double tells apart
  append(*broker, {{"", "1"}}, 9);
  append(*broker, {{"", "2"}}, 10);
  append(*broker, {{"", "3"}}, large + 1);
  const auto refused = start_append(*broker, {{"", "4"}}, large).get();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, queue::broker_errc::refused);
  append(*broker, {{"", "5"}}, ~std::uint64_t(0));
  EXPECT_EQ(broker_reading(*broker, only).values(4), (texts{"1", "2", "3", "5"}));
}

TEST_F(redis_broker, JudgesEachFenceOfWhatIsGivenTogether) {
  const auto broker = with_stream(make(start()));
  std::vector<answer> answers;
  for (const std::uint64_t fence : {1, 5, 4, 5, 0, 6, 5}) {
    answers.push_back(start_append(*broker, {{"", std::to_string(answers.size())}}, fence));
  }
  texts taken;
  for (answer& each : answers) taken.push_back(each.get().has_value() ? "yes" : "no");
  EXPECT_EQ(taken, (texts{"yes", "yes", "no", "yes", "yes", "yes", "no"}));
  EXPECT_EQ(broker_reading(*broker, only).values(5), (texts{"0", "1", "3", "4", "5"}));
}

TEST_F(redis_broker, RefusesMoreHeadersThanAScriptCanTake) {
  const auto broker = with_stream(make(start()));
  queue::record record{"", "x", std::vector<queue::record_header>(1'000, {"a", "b"})};
  append(*broker, {record});
  record.headers.emplace_back("one", "more");
  const auto refused = broker->append(only, {record}, nullptr);
  EXPECT_EQ(refused.error().code, queue::broker_errc::too_large);
  EXPECT_EQ(broker_reading(*broker, only).take(1).at(0).what.headers.size(), 1'000U);
}

TEST_F(redis_broker, KeepsPrefixesAndDatabasesApart) {
  const redis_server& server = start();
  const auto here = with_stream(make(server));
  const auto prefixed = make("redis://" + server.host() + "/0?prefix=other");
  const auto database = make("redis://" + server.host() + "/5");
  EXPECT_EQ(prefixed->find_stream("s").error().code, queue::broker_errc::not_found);
  EXPECT_EQ(database->find_stream("s").error().code, queue::broker_errc::not_found);
  EXPECT_EQ(make("redis://" + server.host() + "/99")->find_stream("s").error().code, queue::broker_errc::refused);
}

// --- A server that is not what it was

TEST_F(redis_broker, AReaderNoticesThatTheServerLostItsData) {
  const redis_server& server = start();
  const auto broker = with_stream(make(server));
  append(*broker, {{"", "1"}});
  broker_reading reading(*broker, only);
  reading.take(1);
  EXPECT_EQ(server.run({"FLUSHALL"}), "OK");
  EXPECT_EQ(reading.take_end(), queue::broker_errc::regressed);
}

TEST_F(redis_broker, AReaderNoticesThatTheEndWasLostAndWrittenAnew) {
  const redis_server& server = start();
  const auto broker = with_stream(make(server));
  append(*broker, {{"", "1"}, {"", "2"}});
  broker_reading reading(*broker, only);
  reading.take(2);
  // As after a restart that lost record 2: somebody else has written 2 and 3 before this reader is back.
  const char* const rewrite =
      "redis.call('DEL', KEYS[1]) for i = 1, 2 do redis.call('XADD', KEYS[1], '0-*', 't', i, 'v', 'new') end return 1";
  EXPECT_EQ(server.run({"EVAL", rewrite, "1", "{evermill:s:0}:records"}), "1");
  EXPECT_NE(server.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}), "0");
  append(*make(server), {{"", "3"}});
  EXPECT_EQ(reading.take_end(), queue::broker_errc::regressed);
}

// --- Votes

class redis_votes : public redis_broker {
 protected:
  void SetUp() override {
    redis_broker::SetUp();
    if (IsSkipped()) return;
    address_ = "redis://" + start().host() + "," + start().host() + "," + start().host() + "/?timeout-ms=300";
  }
  static queue::membership_options member(const std::string& id, std::chrono::milliseconds timeout = std::chrono::minutes(10)) {
    return {.group = "g", .member_id = id, .description = id, .session_timeout = timeout};
  }
  static bool all_say(const queue::membership_view& view, const std::string& what) {
    return std::all_of(view.members.begin(), view.members.end(), [&](const auto& each) { return each.description == what; });
  }
  std::string address_;
};

TEST_F(redis_votes, GoOnWithoutOneServer) {
  const auto one = make(address_);
  const auto other = make(address_);
  auto a = std::make_unique<broker_member>(*one, member("a"));
  a->wait_for_coordinator("a");
  broker_member b(*other, member("b"));
  b.wait_for_members({"a", "b"});
  servers_[1]->kill();
  a->membership->describe("still here");
  b.membership->describe("still here");
  b.wait_until([](const auto& view) { return view.members.size() == 2 && all_say(view, "still here"); });
  a.reset();
  b.wait_for_members({"b"});
  b.wait_for_coordinator("b");
}

TEST_F(redis_votes, GoOnWithoutAServerThatIsSilent) {
  const auto one = make(address_);
  broker_member a(*one, member("a"));
  a.wait_for_coordinator("a");
  servers_[2]->suspend();
  a.membership->describe("still here");
  a.wait_until([](const auto& view) { return view.members.size() == 1 && all_say(view, "still here"); });
  const auto other = make(address_);
  broker_member b(*other, member("b"));
  b.wait_for_members({"a", "b"});
  b.wait_for_coordinator("a");
  servers_[2]->resume();
}

TEST_F(redis_votes, NobodyCountsWithoutAMajority) {
  const auto one = make(address_);
  broker_member a(*one, member("a", std::chrono::seconds(1)));
  a.wait_for_coordinator("a");
  servers_[1]->kill();
  servers_[2]->kill();
  const auto view = a.wait_until([](const auto& seen) { return !seen.joined; });
  EXPECT_TRUE(view.coordinator.empty());
  EXPECT_TRUE(view.members.empty());
  const auto other = make(address_);
  broker_member b(*other, member("b", std::chrono::seconds(1)));
  servers_[2]->start();
  a.wait_for_members({"a", "b"});
  b.wait_for_members({"a", "b"});
}

TEST_F(redis_votes, AServerThatForgotEverythingChangesNothing) {
  const auto one = make(address_);
  const auto other = make(address_);
  broker_member a(*one, member("a"));
  a.wait_for_coordinator("a");
  broker_member b(*other, member("b"));
  a.wait_for_members({"a", "b"});
  servers_[0]->run({"FLUSHALL"});
  b.membership->describe("after that");
  const auto view =
      a.wait_until([](const auto& seen) { return seen.members.size() == 2 && seen.members[1].description != "b"; });
  EXPECT_EQ(view.coordinator, "a");
}

TEST_F(redis_votes, MembersStayThoughTheServerForgotThemAll) {
  redis_server& server = start({"--appendonly", "no"});
  const auto one = make(server);
  const auto other = make(server);
  broker_member a(*one, member("a"));
  broker_member b(*other, member("b"));
  a.wait_for_members({"a", "b"});
  b.wait_for_members({"a", "b"});
  server.kill();
  server.start();
  b.membership->describe("after that");
  for (broker_member* const each : {&b, &a}) {  // b comes back first, to a server that knows nobody else
    each->wait_until([](const auto& seen) {
      EXPECT_EQ(seen.members.size(), 2U) << "a member that is alive was given up";
      return seen.members.size() == 2 && seen.members[1].description == "after that";
    });
  }
}

TEST_F(redis_votes, TwoThatHoldTooFewServersGiveThemBack) {
  const char* const key = "{evermill:group:g}:coordinator";
  for (const auto& [server, holder] : {std::pair(0, "somebody else"), std::pair(1, "a"), std::pair(2, "b")}) {
    ASSERT_EQ(servers_[static_cast<std::size_t>(server)]->run({"SET", key, holder, "EX", "3600"}), "OK");
  }
  const auto one = make(address_);
  const auto other = make(address_);
  broker_member a(*one, member("a"));
  broker_member b(*other, member("b"));
  const auto decides = [](const auto& view) { return view.coordinator == "a" || view.coordinator == "b"; };
  const auto view = a.wait_until(decides);
  b.wait_for_coordinator(view.coordinator);
}

// --- What is said

TEST_F(redis_broker, SaysWhatSurvivesAPowerCut) {
  struct setting {
    texts settings;
    bool survives;
    std::string said;
  };
  for (const setting& each : std::vector<setting>{{{}, true, "appendfsync always"},
                                                  {{"--appendfsync", "everysec"}, false, "appendfsync everysec"},
                                                  {{"--appendonly", "no"}, false, "appendonly no"},
                                                  {{"--no-appendfsync-on-rewrite", "yes"}, false, "rewrite yes"},
                                                  {{"--maxmemory-policy", "allkeys-lru"}, false, "allkeys-lru"}}) {
    const auto told = make(start(each.settings))->durability().value();
    EXPECT_EQ(told.survives_power_cut, each.survives);
    EXPECT_NE(told.reason.find(each.said), std::string::npos) << told.reason;
  }
  EXPECT_EQ(servers_[0]->run({"REPLICAOF", "127.0.0.1", std::to_string(servers_[1]->port()).c_str()}), "OK");
  const auto told = make(*servers_[0])->durability().value();
  EXPECT_FALSE(told.survives_power_cut);
  EXPECT_NE(told.reason.find("replica"), std::string::npos) << told.reason;
}

TEST_F(redis_broker, SaysThatARestartLosesTransactionsWhereTheDefaultUserMayNotDoAll) {
  const redis_server& server = start();
  ASSERT_EQ(server.run({"ACL", "SETUSER", "evermill", "on", ">geheim", "~*", "&*", "+@all"}), "OK");
  const auto broker = make("redis://evermill:geheim@" + server.host(), {});
  ASSERT_EQ(server.run({"ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all", "-flushall"}), "OK");
  const auto told = broker->durability().value();
  EXPECT_FALSE(told.survives_power_cut);
  EXPECT_NE(told.reason.find("off ~* &* +@all"), std::string::npos) << told.reason;
  ASSERT_EQ(server.run({"ACL", "SETUSER", "default", "reset", "off", "~*", "&*", "+@all"}), "OK");
  EXPECT_TRUE(broker->durability().value().survives_power_cut) << "it need not be able to log in";
}

TEST_F(redis_broker, DoesWithoutWhatItsUserMayNot) {
  const redis_server& server = start();
  EXPECT_EQ(server.run({"ACL", "SETUSER", "limited", "on", ">geheim", "~evermill*", "~{evermill*", "&*", "+@all", "-config",
                        "-client|unblock"}),
            "OK");
  const auto lines = std::make_shared<captured_lines>();
  queue::redis_broker_options options;
  options.log = log(std::make_shared<spdlog::logger>("test", lines));
  const auto broker = with_stream(make("redis://limited:geheim@" + server.host(), options));
  const auto told = broker->durability();
  ASSERT_TRUE(told.has_value()) << told.error().message;
  EXPECT_FALSE(told->survives_power_cut);
  EXPECT_NE(told->reason.find("does not tell its settings"), std::string::npos) << told->reason;
  broker_reading one(*broker, only);
  append(*broker, {{"", "1"}});
  EXPECT_EQ(one.values(1), texts{"1"});
  // One that comes while the thread waits for the first one is to wake it.
  while (!lines->has("CLIENT UNBLOCK")) {
    broker_reading other(*broker, only);
    ASSERT_EQ(other.values(1), texts{"1"});
  }
  EXPECT_EQ(lines->text().find("geheim"), std::string::npos);
}

TEST_F(redis_broker, SaysInTheLogThatAServerIsLostAndBack) {
  redis_server& server = start();
  const auto lines = std::make_shared<captured_lines>();
  queue::redis_broker_options options;
  options.log = log(std::make_shared<spdlog::logger>("test", lines));
  const auto broker = with_stream(make(server, options));
  broker_reading reading(*broker, only);
  append(*broker, {{"", "1"}});
  server.kill();
  lines->wait_for("lost redis " + server.host());
  server.start();
  lines->wait_for("redis " + server.host() + " is back");
}

TEST_F(redis_broker, LogsInAndShowsNoSecret) {
  const redis_server& server = start({"--requirepass", "geheim"});
  const auto lines = std::make_shared<captured_lines>();
  queue::redis_broker_options options;
  options.log = log(std::make_shared<spdlog::logger>("test", lines));
  const auto broker = with_stream(make("redis://:geheim@" + server.host(), options));
  append(*broker, {{"", "1"}});
  EXPECT_EQ(broker->address().find("geheim"), std::string::npos);
  for (const std::string& login : {std::string(), std::string("default:nicht-geheim@"), std::string(":nicht-geheim@")}) {
    const auto stranger = make("redis://" + login + server.host(), options);
    broker_member nobody(*stranger, {.group = "g", .member_id = "a"});
    const auto told = stranger->find_stream("s");
    ASSERT_FALSE(told.has_value());
    EXPECT_EQ(told.error().code, queue::broker_errc::refused);
    EXPECT_NE(told.error().message.find("password"), std::string::npos) << told.error().message;
    EXPECT_EQ(told.error().message.find("geheim"), std::string::npos) << told.error().message;
    lines->wait_for("lost redis");
  }
  EXPECT_EQ(lines->text().find("geheim"), std::string::npos);
}

TEST_F(redis_broker, RefusesAnOldServerAndWhatItRepeats) {
  const parrot old("*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n6.2.14\r\n");
  const auto told = make("redis://" + old.host())->find_stream("s");
  ASSERT_FALSE(told.has_value());
  EXPECT_EQ(told.error().code, queue::broker_errc::refused);
  EXPECT_NE(told.error().message.find("7 or newer"), std::string::npos) << told.error().message;
  const parrot older("-ERR unknown command `HELLO`, with args beginning with: `2`, `AUTH`, `default`, `geheim`\r\n");
  const auto repeated = make("redis://:geheim@" + older.host())->find_stream("s");
  ASSERT_FALSE(repeated.has_value());
  EXPECT_EQ(repeated.error().code, queue::broker_errc::refused);
  EXPECT_EQ(repeated.error().message.find("geheim"), std::string::npos) << repeated.error().message;
}

TEST_F(redis_broker, NoticesWhatIsNoRedis) {
  const parrot other("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(make("redis://" + other.host())->find_stream("s").error().code, queue::broker_errc::unavailable);
}

TEST_F(redis_broker, RefusesAMemberWithoutANameOrTime) {
  const auto broker = make("redis://localhost:1");
  EXPECT_EQ(broker->join({.group = "g"}, [] {}).error().code, queue::broker_errc::invalid);
  EXPECT_EQ(broker->join({.member_id = "a"}, [] {}).error().code, queue::broker_errc::invalid);
  const auto hasty = broker->join({.group = "g", .member_id = "a", .session_timeout = std::chrono::milliseconds(1)}, [] {});
  EXPECT_EQ(hasty.error().code, queue::broker_errc::invalid);
}

}  // namespace
}  // namespace evermill::tests
