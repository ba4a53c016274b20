// A client and a server in one process, over real connections.
#include "evermill/client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/human_task.hpp"
#include "evermill/lock.hpp"
#include "server/gate.hpp"
#include "server/grpc/grpc_server.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr child_workflow<int(int)> sum_of{.name = "sum_of"};
constexpr child_workflow<std::string()> fails_of{.name = "fails"};
constexpr child_workflow<void()> holds_of{.name = "holds"};
constexpr child_workflow<int()> later_of{.name = "later"};
constexpr child_workflow<bool(std::string)> asks_of{.name = "asks"};
constexpr evermill::signal<int> add{.name = "add"};
constexpr evermill::signal<> done{.name = "done"};
constexpr query<int()> total{.name = "total"};
constexpr query<int(int)> total_and{.name = "total_and"};
constexpr update<int(int)> put{.name = "put"};
constexpr update<void()> clear{.name = "clear"};
constexpr activity<nlohmann::json()> elsewhere{.name = "elsewhere", .options = {.schedule_to_close = 1h, .cancellation = activity_cancellation::wait_cancellation_completed}};
constexpr human_task<bool(std::string)> check{.name = "check", .options = {.title = "Check it"}};

/// Adds up what it is sent, until it is done.
task<int> sum(context ctx, int before) {
  const auto state = std::make_shared<int>(before);
  ctx.on_query(total, [state] { return *state; }).keep();
  ctx.on_query(total_and, [state](int more) { return *state + more; }).keep();
  const handler putting = ctx.on_update(
      put, [state](int more) { return *state += more; },
      [](int more) { if (more < 0) throw application_error("Negative", "no negative numbers"); });
  const handler clearing = ctx.on_update(clear, [state] { *state = 0; });
  for (bool over = false; !over;) {
    const int more = co_await ctx.wait(add);
    over = more == 0;
    *state += more;
  }
  co_return *state;
}

task<std::string> fails(context ctx) {
  if (!ctx.workflow_id().empty()) throw application_error("Broken", "it is broken");
  co_return "";
}

task<void> holds(context ctx) {
  const auto held = co_await ctx.lock("printer");
  co_await ctx.wait(done);
}

task<int> later(context ctx) {
  const nlohmann::json value = co_await ctx.call(elsewhere);
  co_return value.get<int>();
}

task<bool> asks(context ctx, std::string what) {
  const bool answer = co_await ctx.ask(check, what);
  co_return answer;
}

struct Client : ::testing::Test {
  Client() {
    registry all;
    all.add(sum_of, sum);
    all.add(fails_of, fails);
    all.add(holds_of, holds);
    all.add(later_of, later);
    all.add(asks_of, asks);
    all.add(elsewhere, [](activity_context& about) { return nlohmann::json(about.complete_later()); });
    here = std::make_unique<engine>(all, engine_options{.partitions = 2});
    server = std::make_unique<server::grpc_server>(*here, server::grpc_server_options{.address = "127.0.0.1:0"});
    address = "127.0.0.1:" + std::to_string(server->port());
  }
  client connect(client_limits limits = {}) const { return client({.server = {.address = address}, .limits = limits}); }

  std::unique_ptr<engine> here;
  std::unique_ptr<server::grpc_server> server;
  std::string address;
};

template <class F>
client_errc error_of(F&& call) {
  try {
    call();
  } catch (const client_error& error) {
    return error.code();
  }
  ADD_FAILURE() << "it did not throw";
  return client_errc::internal;
}

TEST_F(Client, TalksToAnExecutionWithTypes) {
  client shop = connect();
  auto order = shop.start(sum_of, 1, {.id = "w"});
  EXPECT_EQ(order.id(), "w");
  EXPECT_FALSE(order.run_id().empty());
  EXPECT_FALSE(order.existed());
  EXPECT_TRUE(shop.start(sum_of, 1, {.id = "w"}).existed());
  EXPECT_EQ(error_of([&] { shop.start(sum_of, 2, {.id = "w"}); }), client_errc::already_exists);
  order.signal(add, 2);
  EXPECT_EQ(order.update(put, 10), 13);
  EXPECT_EQ(order.query(total), 13);
  EXPECT_EQ(order.query(total_and, 7), 20);
  try {
    order.update(put, -1);
    ADD_FAILURE();
  } catch (const update_failed& refused) {
    EXPECT_FALSE(refused.accepted());
    EXPECT_EQ(refused.why().type, "Negative");
  }
  order.update(clear);
  order.signal(add, 5, "once");
  order.signal(add, 5, "once");
  order.signal(add, 0);
  EXPECT_EQ(order.result(), 5);
  EXPECT_EQ(order.result_within(1min), 5);
  EXPECT_EQ(order.describe().status, execution_status::completed);
  EXPECT_EQ(shop.find<int>("w").result(), 5);
  EXPECT_EQ(error_of([&] { order.signal(add, 1); }), client_errc::closed);
  EXPECT_EQ(error_of([&] { shop.find<int>("nobody").result(); }), client_errc::not_found);
  EXPECT_EQ(error_of([&] { shop.start("unheard_of", {}); }), client_errc::unknown_workflow);
  EXPECT_EQ(error_of([&] { shop.query("w", "unheard_of"); }), client_errc::refused);
  EXPECT_EQ(error_of([&] { shop.cluster(); }), client_errc::invalid_argument);
}

TEST_F(Client, SignalsWithAStart) {
  client shop = connect();
  EXPECT_FALSE(shop.signal_with_start(sum_of, 1, add, 2, {.id = "w"}).existed());
  EXPECT_TRUE(shop.signal_with_start(sum_of, 1, add, 3, {.id = "w"}).existed());
  auto running = shop.find<int>("w");
  running.signal(add, 0);
  EXPECT_EQ(running.result(), 6);
}

TEST_F(Client, FailuresAreThoseOfTheEngine) {
  client shop = connect();
  try {
    shop.start(fails_of).result();
    ADD_FAILURE();
  } catch (const workflow_failed& failed) {
    EXPECT_EQ(failed.status(), "failed");
    EXPECT_EQ(failed.why().type, "Broken");
  }
  auto first = shop.start(sum_of, 1);
  first.cancel("enough");
  EXPECT_EQ(shop.wait(first.id()).status, execution_status::canceled);
  EXPECT_EQ(error_of([&] { first.terminate(); }), client_errc::closed);
  auto second = shop.start(sum_of, 1);
  second.terminate("at once");
  EXPECT_EQ(shop.wait(second.id()).status, execution_status::terminated);
}

TEST_F(Client, ManyStartsAreSentTogetherAndToldEachForItself) {
  client shop = connect();
  std::vector<start_request> requests;
  for (int i = 0; i < 3000; ++i) requests.push_back({"sum_of", json_payload(std::to_string(i)), {.id = "many-" + std::to_string(i)}});
  requests.push_back({"unheard_of", {}, {}});
  requests.push_back({"sum_of", json_payload("\"x\""), {.id = "many-1"}});
  requests.push_back({"sum_of", json_payload("1"), {.id = std::string(600, 'x')}});
  const auto outcomes = shop.start_all(std::move(requests));
  ASSERT_EQ(outcomes.size(), 3003u);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_FALSE(outcomes[static_cast<std::size_t>(i)].error) << outcomes[static_cast<std::size_t>(i)].error->what();
    ASSERT_EQ(outcomes[static_cast<std::size_t>(i)].started.workflow_id, "many-" + std::to_string(i));
  }
  EXPECT_EQ(outcomes[3000].error.value().code(), client_errc::unknown_workflow);
  EXPECT_TRUE(outcomes[3001].error);
  EXPECT_EQ(outcomes[3002].error.value().code(), client_errc::invalid_argument);
  EXPECT_EQ(shop.counts({.workflow_id_prefix = "many-"}).total, 3000u);
}

TEST_F(Client, ListsPagesAndHistories) {
  client shop = connect();
  for (int i = 0; i < 5; ++i) shop.start(sum_of, i, {.id = "l-" + std::to_string(i)});
  std::vector<std::string> seen;
  std::string token;
  do {
    const execution_page page = shop.list({.statuses = {execution_status::running}, .workflow_type = "sum_of"}, token, 2);
    for (const auto& each : page.executions) seen.push_back(each.workflow_id);
    token = page.next_page_token;
  } while (!token.empty());
  EXPECT_THAT(seen, ElementsAre("l-4", "l-3", "l-2", "l-1", "l-0"));
  EXPECT_EQ(shop.history("l-0").front().type, "WorkflowExecutionStarted");
  EXPECT_EQ(shop.read_history("l-0", 0, 1, 1).events.size(), 1u);
  EXPECT_EQ(error_of([&] { shop.list({}, "no token"); }), client_errc::invalid_argument);
  EXPECT_THAT(shop.status().workflow_types, ElementsAre("asks", "fails", "holds", "later", "sum_of"));
  EXPECT_EQ(shop.definitions().activities.front().name, "elsewhere");
  EXPECT_EQ(shop.task_queues().front().name, "default");
}

TEST_F(Client, FollowsAHistoryToItsEnd) {
  client shop = connect();
  auto running = shop.start(sum_of, 1, {.id = "w"});
  history_stream events = running.follow();
  std::uint64_t seq = 0;
  for (auto event = events.next(); event; event = events.next()) {
    EXPECT_EQ(event->event.seq, ++seq);
    if (seq == 1) running.signal(add, 0, "end");
  }
  EXPECT_EQ(seq, shop.describe("w").events);
  EXPECT_FALSE(events.next());
  history_stream nobody = shop.follow("nobody");
  EXPECT_EQ(error_of([&] { nobody.next(); }), client_errc::not_found);
}

TEST_F(Client, AStreamThatIsStoppedEnds) {
  client shop = connect();
  history_stream events = shop.start(sum_of, 1, {.id = "w"}).follow();
  ASSERT_TRUE(events.next());
  std::thread stopping([&] { events.stop(); });
  while (events.next()) {
  }
  stopping.join();
}

TEST_F(Client, PeopleAndOthersAnswer) {
  client shop = connect();
  auto asking = shop.start(asks_of, "this", {.id = "q"});
  std::vector<human_task_summary> open;
  while ((open = shop.human_tasks({.name = "check"})).empty()) std::this_thread::yield();
  const std::string id = open.front().task_id;
  EXPECT_EQ(shop.describe_human_task(id).question.value().data, "\"this\"");
  shop.claim_human_task(id, "ann");
  EXPECT_EQ(error_of([&] { shop.claim_human_task(id, "bob"); }), client_errc::conflict);
  shop.delegate_human_task(id, "ann", "bob");
  shop.release_human_task(id, "bob");
  shop.complete_human_task(id, "eve", json_payload("true"));
  EXPECT_TRUE(asking.result());
  EXPECT_EQ(error_of([&] { shop.complete_human_task(id, "eve", json_payload("true")); }), client_errc::closed);

  auto waiting = shop.start(later_of, {.id = "a"});
  while (shop.describe("a").activities.empty() || !shop.describe("a").activities.front().completed_elsewhere) std::this_thread::yield();
  const std::string token = shop.describe("a").activities.front().token;
  EXPECT_FALSE(shop.heartbeat_activity(token, json_payload("1")));
  shop.complete_activity(token, json_payload("42"));
  EXPECT_EQ(waiting.result(), 42);
  EXPECT_EQ(error_of([&] { shop.cancel_activity(token); }), client_errc::not_found);
  EXPECT_EQ(error_of([&] { shop.fail_activity(token, {}); }), client_errc::not_found);

  auto holding = shop.start(holds_of, {.id = "l"});
  while (shop.locks().empty()) std::this_thread::yield();
  EXPECT_EQ(shop.locks().front().name, "printer");
  holding.signal(done);
  holding.result();
}

TEST_F(Client, LimitsEndTheWaitingOnly) {
  client shop = connect();
  shop.start(sum_of, 1, {.id = "w"});
  EXPECT_EQ(shop.wait_for("w", 1ms), std::nullopt);
  EXPECT_EQ(error_of([&] { shop.with({.wait = 1ms}).wait("w"); }), client_errc::deadline_exceeded);
  EXPECT_EQ(error_of([&] { shop.find<int>("w").result_within(1ms); }), client_errc::deadline_exceeded);
  EXPECT_EQ(shop.describe("w").status, execution_status::running);
}

TEST_F(Client, AnEndThatIsAwaitedIsToldOnceOrTakenBack) {
  client shop = connect();
  auto running = shop.start(sum_of, 1, {.id = "w"});
  std::promise<execution_end> told;
  const auto kept = running.on_end([&](std::optional<client_error> error, execution_end end) {
    if (error) return told.set_exception(std::make_exception_ptr(*error));
    told.set_value(std::move(end));
  });
  bool wrong = false;
  auto taken_back = running.on_end([&](auto, auto) { wrong = true; });
  taken_back.reset();
  running.signal(add, 0);
  EXPECT_EQ(told.get_future().get().result.value().data, "1");
  EXPECT_FALSE(wrong);
  std::promise<client_errc> refused;
  const auto nobody = shop.on_end("nobody", [&](std::optional<client_error> error, auto) { refused.set_value(error.value().code()); });
  EXPECT_EQ(refused.get_future().get(), client_errc::not_found);
}

TEST_F(Client, WhatIsUnderWayIsToldWhenItIsClosed) {
  here->start("sum_of", json_payload("1"), {.id = "w"});
  std::atomic<int> told = 0;
  {
    const client shop = connect();
    for (int i = 0; i < 2000; ++i) shop.start("sum_of", json_payload("1"), {}, [&](auto, auto) { ++told; });
    const auto waiting = shop.on_end("w", [](auto, auto) { ADD_FAILURE() << "it was taken back"; });
  }
  EXPECT_EQ(told, 2000);
  EXPECT_EQ(here->describe("w").status, execution_status::running);
}

TEST(ClientAlone, SaysThatNobodyAnswers) {
  const auto unavailable = [](const client_error& error) {
    EXPECT_EQ(error.code(), client_errc::unavailable);
    EXPECT_THAT(error.what(), HasSubstr("127.0.0.1:1"));
    return true;
  };
  const server_address nowhere{.address = "127.0.0.1:1"};
  try {
    client shop({.server = nowhere, .connect = 10ms});
    ADD_FAILURE();
  } catch (const client_error& error) {
    unavailable(error);
  }
  const client shop({.server = nowhere, .limits = {.request = 100ms}, .connect = 0ms});
  try {
    shop.describe("w");
    ADD_FAILURE();
  } catch (const client_error& error) {
    unavailable(error);
  }
  const auto outcomes = shop.start_all({{"sum_of", json_payload("1"), {}}});
  // Within so little time gRPC may not have found out.
  EXPECT_THAT(outcomes.front().error.value().code(), AnyOf(client_errc::unavailable, client_errc::deadline_exceeded));
  server_address with_file = nowhere;
  with_file.tls = true;
  with_file.ca_file = "/there/is/no/such/file";
  EXPECT_EQ(error_of([&] { client({.server = with_file}); }), client_errc::invalid_argument);
  server_address with_token = nowhere;
  with_token.token = "evm_\n";
  EXPECT_EQ(error_of([&] { client({.server = with_token}); }), client_errc::invalid_argument);
}

}  // namespace
}  // namespace evermill
