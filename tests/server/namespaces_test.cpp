// Each operation, asked in a namespace: what is of another one is not there, in the words for what does not exist; ids that are forged to
// name another one are refused. Once against the engine in this process, once over gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/namespaces.hpp"
#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "server/grpc/control_client.hpp"
#include "server/grpc/grpc_server.hpp"
#include "server/local_control.hpp"

namespace evermill::server {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr evermill::signal<std::string> word{.name = "word"};
constexpr human_task<std::string()> review{.name = "review"};
constexpr activity<std::string()> outside{.name = "outside", .options = {.schedule_to_close = std::chrono::hours(1)}};

task<std::string> waits_for_a_word(context ctx) {
  const evermill::handler asked = ctx.on_query(evermill::query<int()>{.name = "seven"}, [] { return 7; });
  const evermill::handler updated = ctx.on_update(evermill::update<int()>{.name = "eight"}, [] { return 8; });
  const std::string got = co_await ctx.wait(word);
  co_return got;
}
task<std::string> asks(context ctx) {
  const std::string answer = co_await ctx.ask(review);
  co_return answer;
}
task<std::string> calls(context ctx) {
  const std::string told = co_await ctx.call(outside);
  co_return told;
}
task<void> locks(context ctx) {
  auto held = co_await ctx.lock("printer");
  co_await ctx.wait(word);
}

registry definitions_for_namespaces() {
  registry all;
  all.add("waits", waits_for_a_word);
  all.add("asks", asks);
  all.add("calls", calls);
  all.add("locks", locks);
  all.add(outside, [](activity_context& ctx) -> std::string {
    ctx.complete_later();
    return {};
  });
  return all;
}

engine_options options() {
  engine_options made;
  made.partitions = 3;
  made.namespaces = {{.name = "shop"}, {.name = "bank"}, {.name = "few", .max_open_executions = 1}};
  return made;
}

struct operation_on {
  const char* name;
  std::function<void(control&, const std::string& id)> ask;
};

const std::vector<operation_on>& on_workflows() {
  static const std::vector<operation_on> all{
      {"signal", [](control& in, const std::string& id) { signal(in, id, "word", json_payload("\"x\"")); }},
      {"query", [](control& in, const std::string& id) { in.query(id, "seven", {}); }},
      {"update", [](control& in, const std::string& id) { update(in, id, "eight", {}, "u"); }},
      {"cancel", [](control& in, const std::string& id) { cancel(in, id, ""); }},
      {"terminate", [](control& in, const std::string& id) { terminate(in, id, ""); }},
      {"taint", [](control& in, const std::string& id) { in.taint(id); }},
      {"wait", [](control& in, const std::string& id) { wait(in, id); }},
      {"describe", [](control& in, const std::string& id) { in.describe(id); }},
      {"history", [](control& in, const std::string& id) { in.history(id, 1, 10); }},
      {"read_history", [](control& in, const std::string& id) { in.read_history(id, 0, 1, 10); }},
  };
  return all;
}
const std::vector<operation_on>& on_human_tasks() {
  static const std::vector<operation_on> all{
      {"describe", [](control& in, const std::string& id) { in.describe_human_task(id); }},
      {"claim", [](control& in, const std::string& id) { in.claim_human_task(id, "me", false); }},
      {"release", [](control& in, const std::string& id) { in.release_human_task(id, "me", true); }},
      {"delegate", [](control& in, const std::string& id) { in.delegate_human_task(id, "me", "you", true); }},
      {"complete", [](control& in, const std::string& id) { in.complete_human_task(id, "me", json_payload("\"x\""), true); }},
  };
  return all;
}
const std::vector<operation_on>& on_activities() {
  static const std::vector<operation_on> all{
      {"complete", [](control& in, const std::string& id) { in.report_activity(id, activity_completed{json_payload("\"x\"")}); }},
      {"fail", [](control& in, const std::string& id) { in.report_activity(id, failure{}); }},
      {"heartbeat", [](control& in, const std::string& id) { in.report_activity(id, activity_heartbeat{}); }},
      {"cancel", [](control& in, const std::string& id) { in.report_activity(id, activity_canceled{}); }},
  };
  return all;
}

/// "CODE: MESSAGE", the id taken out; "" where it was done.
std::string outcome(const operation_on& what, control& in, const std::string& id) {
  try {
    what.ask(in, id);
    return "";
  } catch (const control_error& error) {
    std::string said = error.what();
    for (std::size_t at = said.find(id); at != said.npos; at = said.find(id)) said.replace(at, id.size(), "ID");
    return std::to_string(static_cast<int>(error.code())) + ": " + said;
  }
}

std::string with_code(control_errc code) { return std::to_string(static_cast<int>(code)) + ": "; }

class NamespaceDoors : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<control> open(const std::string& name_space) {
    if (!GetParam()) return std::make_unique<local_control>(control_of(here, name_space));
    return connect(server_address{.address = "127.0.0.1:" + std::to_string(server.port()), .name_space = name_space}, 10s);
  }

  engine here{definitions_for_namespaces(), options()};
  grpc_server server{here, grpc_server_options{.address = "127.0.0.1:0"}};
};

TEST_P(NamespaceDoors, WhatIsOfAnotherOneIsNotThereForAnyOperation) {
  const auto shop = open("shop"), bank = open("bank"), other = open("");
  EXPECT_EQ(start(*shop, "waits", {}, {.id = "order-77"}).workflow_id, "order-77");
  start(*shop, "asks", {}, {.id = "a"});
  start(*shop, "calls", {}, {.id = "c"});
  const std::string task_id = shop->human_tasks({}, "", 10).at(0).task_id;
  EXPECT_THAT(task_id, Not(HasSubstr("\x1f")));
  std::string token;
  while (token.empty()) {
    if (const auto about = shop->describe("c"); about.activities.at(0).completed_elsewhere) token = about.activities[0].token;
  }
  for (control* const elsewhere : {bank.get(), other.get()}) {
    for (const operation_on& each : on_workflows()) {
      const std::string told = outcome(each, *elsewhere, "order-77");
      EXPECT_TRUE(told.starts_with(with_code(control_errc::not_found))) << each.name << ": " << told;
      EXPECT_EQ(told, outcome(each, *elsewhere, "order-88")) << each.name << " tells that it exists";
    }
    for (const operation_on& each : on_human_tasks()) {
      const std::string told = outcome(each, *elsewhere, task_id);
      EXPECT_TRUE(told.starts_with(with_code(control_errc::not_found))) << each.name << ": " << told;
    }
    for (const operation_on& each : on_activities()) {
      EXPECT_TRUE(outcome(each, *elsewhere, token).starts_with(with_code(control_errc::not_found))) << each.name;
    }
    EXPECT_THAT(elsewhere->list({}, "", 10).executions, IsEmpty());
    EXPECT_EQ(elsewhere->counts({}).total, 0U);
    EXPECT_THAT(elsewhere->human_tasks({}, "", 10), IsEmpty());
  }
  EXPECT_EQ(shop->describe("order-77").status, execution_status::running) << "nothing has happened to it";
  EXPECT_EQ(shop->describe("order-77").workflow_id, "order-77");
  EXPECT_EQ(shop->human_tasks({}, "", 10).at(0).assignee, "");
  EXPECT_FALSE(shop->report_activity(token, activity_heartbeat{})) << "its attempt goes on";
  EXPECT_EQ(shop->list({}, "", 10).executions.size(), 3U);
  // And at home all of it is there.
  for (const operation_on& each : on_human_tasks()) EXPECT_EQ(outcome(each, *shop, task_id), "") << each.name;
  EXPECT_EQ(outcome(on_activities()[0], *shop, token), "");
  for (const char* const name : {"query", "update", "taint", "describe", "history", "read_history", "cancel"}) {
    for (const operation_on& each : on_workflows()) {
      if (std::string(each.name) != name) continue;
      EXPECT_EQ(outcome(each, *shop, "order-77"), "") << name;
    }
  }
}

TEST_P(NamespaceDoors, ForgedIdsAreRefused) {
  start(*open("shop"), "waits", {}, {.id = "w"});
  const auto bank = open("bank"), other = open("");
  for (control* const from : {bank.get(), other.get()}) {
    for (const std::string& forged : {namespaces::qualified("shop", "w"), namespaces::marked("default", "w"), std::string("\x1fw")}) {
      for (const operation_on& each : on_workflows()) {
        EXPECT_TRUE(outcome(each, *from, forged).starts_with(with_code(control_errc::invalid_argument))) << each.name;
      }
      for (const operation_on& each : on_human_tasks()) {
        EXPECT_TRUE(outcome(each, *from, forged + "/1.2").starts_with(with_code(control_errc::invalid_argument))) << each.name;
      }
      for (const operation_on& each : on_activities()) {
        EXPECT_TRUE(outcome(each, *from, forged).starts_with(with_code(control_errc::invalid_argument))) << each.name;
      }
      EXPECT_THROW(start(*from, "waits", {}, {.id = forged}), control_error);
      EXPECT_THROW(from->locks(forged, 10), control_error);
      EXPECT_THROW(from->human_tasks({}, forged + "/1.2", 10), control_error);
    }
  }
  EXPECT_EQ(open("shop")->describe("w").status, execution_status::running);
}

TEST_P(NamespaceDoors, TheSameIdAndLocksOfTheSameName) {
  const auto shop = open("shop"), bank = open("bank"), other = open("default");
  for (control* const each : {shop.get(), bank.get(), other.get()}) {
    EXPECT_FALSE(start(*each, "locks", {}, {.id = "l"}).existed);
    while (each->locks("", 10).size() != 1) std::this_thread::yield();
    EXPECT_EQ(each->locks("", 10)[0].holders.at(0).workflow_id, "l");
    EXPECT_THAT(each->history(each->locks("", 10)[0].id, 1, 10), Not(IsEmpty()));
  }
  const std::string token = [&] {
    start(*shop, "waits", {}, {.id = "m"});
    return shop->list({}, "", 1).next_page_token;
  }();
  EXPECT_EQ(shop->list({}, token, 1).executions.at(0).workflow_id, "l");
  EXPECT_THROW(bank->list({}, token, 1), control_error);
  signal(*shop, "l", "word", json_payload("\"go\""));
  EXPECT_EQ(wait(*shop, "l").status, execution_status::completed);
  EXPECT_EQ(other->describe("l").status, execution_status::running);
}

TEST_P(NamespaceDoors, QuotasSayWhenToComeAgain) {
  const auto few = open("few");
  start(*few, "waits", {}, {.id = "a"});
  try {
    start(*few, "waits", {}, {.id = "b"});
    ADD_FAILURE() << "one too many";
  } catch (const control_error& error) {
    EXPECT_EQ(error.code(), control_errc::overloaded);
    EXPECT_TRUE(error.retry_after() || GetParam()) << "over gRPC it is in the status, which this client does not read";
  }
}

TEST_P(NamespaceDoors, OneThatIsNotDeclaredIsNotFound) {
  try {
    open("casino")->describe("w");
    ADD_FAILURE() << "there is no such namespace";
  } catch (const control_error& error) {
    EXPECT_EQ(error.code(), control_errc::not_found);
    EXPECT_THAT(error.what(), HasSubstr("casino"));
    EXPECT_THAT(error.what(), HasSubstr("configuration file")) << "it says what to do";
  }
}

TEST_P(NamespaceDoors, WhoWatchesSeesTheNamespaceOnly) {
  const auto shop = open("shop"), bank = open("bank");
  std::mutex mutex;
  std::vector<std::string> seen;
  auto watching = shop->follow("", [&](const execution_progress& progress) {
    const std::lock_guard lock(mutex);
    seen.push_back(progress.workflow_id);
  });
  start(*bank, "waits", {}, {.id = "of-bank"});
  start(*shop, "waits", {}, {.id = "of-shop"});
  for (bool any = false; !any;) {
    const std::lock_guard lock(mutex);
    any = !seen.empty();
    std::this_thread::yield();
  }
  watching.reset();
  for (const std::string& each : seen) EXPECT_EQ(each, "of-shop");
}

INSTANTIATE_TEST_SUITE_P(HereAndOverGrpc, NamespaceDoors, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Grpc" : "Here"; });

}  // namespace
}  // namespace evermill::server
