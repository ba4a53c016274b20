// A client whose server is killed, or told to stop, and started again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "evermill/client.hpp"
#include "tests/processes/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;

constexpr child_workflow<std::string()> needs_signal{.name = "needs_signal"};
constexpr child_workflow<int()> sums{.name = "sums"};
constexpr evermill::signal<std::string> approval{.name = "approval"};
constexpr query<int()> sum{.name = "sum"};
constexpr update<int(int)> add{.name = "add"};

/// A server of the sample program, which is killed.
struct KilledServer : ::testing::Test {
  KilledServer() { begin("127.0.0.1:0"); }
  void begin(const std::string& listen) {
    const std::string output = (directory.path() / "output").string();
    process.reset();
    process = std::make_unique<processes::child_process>(
        std::vector<std::string>{SAMPLE_PROGRAM, "server", "--data", (directory.path() / "data").string(), "--listen", listen}, output,
        std::vector<std::string>());
    while (address_in(output).empty()) {
      ASSERT_FALSE(process->ended_within(5ms)) << process->output();
    }
    address = address_in(output);
  }
  static std::string address_in(const std::string& file) {
    std::ifstream from(file);
    const std::string text((std::istreambuf_iterator<char>(from)), std::istreambuf_iterator<char>());
    const std::string before = "Programs reach it at ";
    const auto at = text.find(before);
    const auto end = text.find(" (gRPC)\n", at);
    if (at == std::string::npos || end == std::string::npos) return "";
    return text.substr(at + before.size(), end - at - before.size());
  }
  void kill() { process->kill(); }
  void restart() { begin(address); }
  client connect() const { return client({.server = {.address = address}}); }

  tests::temporary_directory directory;
  std::unique_ptr<processes::child_process> process;
  std::string address;
};

TEST_F(KilledServer, ResultsAreWaitedForAcrossIt) {
  client shop = connect();
  auto running = shop.start(needs_signal, {.id = "w"});
  auto result = std::async(std::launch::async, [&] { return running.result(); });
  std::promise<execution_status> told;
  const auto waiting = running.on_end([&](std::optional<client_error> error, execution_end end) {
    EXPECT_FALSE(error) << error->what();
    told.set_value(end.status);
  });
  kill();
  restart();
  running.signal(approval, "ann");
  EXPECT_EQ(result.get(), "approved by ann");
  EXPECT_EQ(told.get_future().get(), execution_status::completed);
}

TEST_F(KilledServer, RequestsThatAreMadeMeanwhileAreDoneOnce) {
  client shop = connect();
  auto running = shop.start(sums, {.id = "s"});
  EXPECT_EQ(running.update(add, 1), 1);
  kill();
  auto updated = std::async(std::launch::async, [&] { return running.update(add, 10); });
  auto started = std::async(std::launch::async, [&] {
    std::vector<start_request> requests;
    for (int i = 0; i < 700; ++i) requests.push_back({"needs_signal", {}, {.id = "many-" + std::to_string(i)}});
    return shop.start_all(std::move(requests));
  });
  restart();
  EXPECT_EQ(updated.get(), 11);
  EXPECT_EQ(running.query(sum), 11);
  for (const auto& each : started.get()) EXPECT_FALSE(each.error) << each.error->what();
  EXPECT_EQ(shop.counts({.workflow_id_prefix = "many-"}).total, 700u);
}

TEST_F(KilledServer, AFollowedHistoryGoesOnWhereItWas) {
  client shop = connect();
  auto running = shop.start(needs_signal, {.id = "w"});
  history_stream events = running.follow();
  EXPECT_EQ(events.next()->event.seq, 1u);
  kill();
  auto rest = std::async(std::launch::async, [&] {
    std::vector<std::uint64_t> seen;
    while (const auto event = events.next()) seen.push_back(event->event.seq);
    return seen;
  });
  restart();
  running.signal(approval, "ann");
  const auto seen = rest.get();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front(), 2u);
  EXPECT_EQ(seen.back(), running.describe().events);
  EXPECT_EQ(seen.size(), running.describe().events - 1);
}

TEST_F(KilledServer, OneThatStopsInOrderIsWaitedForToo) {
  client shop = connect();
  auto running = shop.start(needs_signal, {.id = "w"});
  auto result = std::async(std::launch::async, [&] { return running.result(); });
  process->send(SIGTERM);
  EXPECT_TRUE(process->ended_within(1min));
  restart();
  running.signal(approval, "eve");
  EXPECT_EQ(result.get(), "approved by eve");
}

}  // namespace
}  // namespace evermill
