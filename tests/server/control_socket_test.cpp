// An engine in this process, reached over its socket as another process would.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "evermill/context.hpp"
#include "server/grpc/control_client.hpp"
#include "server/grpc/control_server.hpp"
#include "server/socket_path.hpp"

namespace evermill::server {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::chrono::seconds limit{60};
constexpr evermill::signal<std::string> go{.name = "go"};

task<std::string> waits(context ctx) {
  std::string what = co_await ctx.wait(go);
  co_return what;
}

constexpr activity<std::string()> elsewhere{.name = "elsewhere", .options = {.schedule_to_close = 1h}};

task<std::string> waits_elsewhere(context ctx) {
  std::string what = co_await ctx.call(elsewhere);
  co_return what;
}

constexpr human_task<std::string()> sign{.name = "sign", .options = {.form_schema = R"({"type": "string"})"}};

task<std::string> signs_with_a_lock(context ctx) {
  auto pen = co_await ctx.lock("pen");
  std::string signature = co_await ctx.ask(sign);
  co_return signature;
}

registry definitions() {
  registry all;
  all.add("waits", waits);
  all.add("waits_elsewhere", waits_elsewhere);
  all.add(elsewhere, [](activity_context& about) { return about.complete_later(); });
  all.add("signs_with_a_lock", signs_with_a_lock);
  return all;
}

class ControlSocket : public ::testing::Test {
 protected:
  ControlSocket() {
    std::string name = (std::filesystem::path(::testing::TempDir()) / "evermill-server-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    engine_.emplace(definitions(), engine_options{.data_directory = directory_});
  }
  ~ControlSocket() override {
    server_.reset();
    engine_.reset();
    std::filesystem::remove_all(directory_);
  }

  void serve() { server_ = std::make_unique<control_server>(*engine_, directory_); }
  std::unique_ptr<control> client() { return connect(directory_, limit); }

  std::filesystem::path directory_;
  std::optional<engine> engine_;
  std::unique_ptr<control_server> server_;
};

control_errc code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const control_error& error) {
    return error.code();
  }
  ADD_FAILURE() << "it did not throw";
  return control_errc::internal;
}

TEST_F(ControlSocket, CarriesHumanTasksAndLocks) {
  serve();
  const auto there = client();
  start(*there, "signs_with_a_lock", {}, {.id = "w"});
  std::vector<human_task_summary> tasks;
  while (tasks.empty()) tasks = there->human_tasks({}, "", 10);
  const std::string id = tasks.at(0).task_id;
  EXPECT_EQ(there->describe_human_task(id).form_schema, R"({"type": "string"})");
  EXPECT_TRUE(there->human_tasks({}, id, 10).empty());
  const auto locks = there->locks("", 10);
  ASSERT_EQ(locks.size(), 1u);
  EXPECT_EQ(locks[0].name, "pen");
  EXPECT_EQ(locks[0].holders.at(0).workflow_id, "w");
  there->claim_human_task(id, "ann", false);
  EXPECT_EQ(code_of([&] { there->claim_human_task(id, "bob", false); }), control_errc::conflict);
  there->delegate_human_task(id, "ann", "bob", false);
  there->release_human_task(id, "bob", false);
  EXPECT_EQ(there->describe_human_task(id).assignee, "");
  EXPECT_EQ(code_of([&] { there->complete_human_task(id, "ann", json_payload("7"), false); }), control_errc::invalid_argument);
  there->complete_human_task(id, "ann", json_payload("\"Ann\""), false);
  EXPECT_EQ(code_of([&] { there->complete_human_task(id, "ann", json_payload("\"Bob\""), false); }), control_errc::closed);
  EXPECT_EQ(wait(*there, "w").result, json_payload("\"Ann\""));
}

TEST_F(ControlSocket, CarriesEveryRequest) {
  serve();
  const auto there = client();
  EXPECT_EQ(there->status().process_id, ::getpid());
  EXPECT_THAT(there->status().workflow_types, ElementsAre("signs_with_a_lock", "waits", "waits_elsewhere"));
  EXPECT_FALSE(start(*there, "waits", {}, {.id = "w"}).existed);
  EXPECT_TRUE(start(*there, "waits", {}, {.id = "w"}).existed);
  there->taint("w");
  signal(*there, "w", "go", json_payload("\"now\""));
  EXPECT_EQ(wait(*there, "w").result, json_payload("\"now\""));
  EXPECT_EQ(there->describe("w").status, execution_status::completed);
  ASSERT_EQ(there->list({}, "", 10).executions.size(), 1u);
  EXPECT_EQ(there->list({}, "", 10).executions[0].workflow_id, "w");
  const auto events = there->history("w", 2, 1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, "WorkflowExecutionSignaled");
  start(*there, "waits", {}, {.id = "c"});
  cancel(*there, "c", "why");
  EXPECT_EQ(wait(*there, "c").status, execution_status::canceled);
  start(*there, "waits", {}, {.id = "t"});
  terminate(*there, "t", "enough");
  const execution_end end = wait(*there, "t");
  EXPECT_EQ(end.status, execution_status::terminated);
  EXPECT_EQ(end.cause.value().message, "enough");
}

TEST_F(ControlSocket, CarriesReportsOnActivities) {
  serve();
  const auto there = client();
  start(*there, "waits_elsewhere", {}, {.id = "w"});
  const std::string token = there->describe("w").activities.at(0).token;
  EXPECT_FALSE(there->report_activity(token, activity_heartbeat{json_payload("40")}));
  EXPECT_EQ(there->describe("w").activities.at(0).heartbeat_details, json_payload("40"));
  EXPECT_EQ(there->describe("w").activities.at(0).task_queue, "default");
  EXPECT_TRUE(there->describe("w").activities.at(0).dispatched);
  there->report_activity(token, activity_completed{json_payload("\"done\"")});
  EXPECT_EQ(wait(*there, "w").result, json_payload("\"done\""));
  EXPECT_EQ(code_of([&] { there->report_activity(token, activity_canceled{}); }), control_errc::not_found);
  EXPECT_EQ(code_of([&] { there->report_activity("w", failure{}); }), control_errc::invalid_argument);

  start(*there, "waits_elsewhere", {}, {.id = "f"});
  failure why{failure_kind::application, "Refused", "no", {}, true, nullptr};
  there->report_activity(there->describe("f").activities.at(0).token, why);
  EXPECT_EQ(wait(*there, "f").cause.value().cause->type, "Refused");
  start(*there, "waits_elsewhere", {}, {.id = "c"});
  there->report_activity(there->describe("c").activities.at(0).token, activity_canceled{});
  EXPECT_EQ(wait(*there, "c").cause.value().cause->kind, failure_kind::canceled);
}

TEST_F(ControlSocket, CarriesErrors) {
  serve();
  const auto there = client();
  EXPECT_EQ(code_of([&] { there->describe("no"); }), control_errc::not_found);
  EXPECT_EQ(code_of([&] { wait(*there, "no"); }), control_errc::not_found);
  EXPECT_EQ(code_of([&] { start(*there, "unknown", {}, {}); }), control_errc::unknown_workflow);
  EXPECT_EQ(code_of([&] { start(*there, "waits", {}, {.id = "\n"}); }), control_errc::invalid_argument);
  start(*there, "waits", {}, {.id = "w"});
  EXPECT_EQ(code_of([&] { start(*there, "waits", json_payload("1"), {.id = "w"}); }), control_errc::already_exists);
  terminate(*there, "w", "");
  EXPECT_EQ(code_of([&] { signal(*there, "w", "go", {}); }), control_errc::closed);
}

TEST_F(ControlSocket, FollowsEventsInOrder) {
  serve();
  const auto there = client();
  start(*there, "waits", {}, {.id = "w"});
  std::promise<void> completed;
  std::vector<std::string> types;
  const auto following = there->follow("w", [&](const execution_progress& what) {
    types.push_back(what.event.type);
    if (what.event.type == "WorkflowExecutionCompleted") completed.set_value();
  });
  signal(*there, "w", "go", json_payload("\"now\""));
  ASSERT_EQ(completed.get_future().wait_for(limit), std::future_status::ready);
  EXPECT_THAT(types, ElementsAre("WorkflowExecutionSignaled", "WorkflowExecutionCompleted"));
}

TEST_F(ControlSocket, TellsHowManyWaitAndEndsTheirWaitsWhenItStops) {
  serve();
  const auto there = client();
  start(*there, "waits", {}, {.id = "w"});
  EXPECT_EQ(server_->waiting_calls(), 0u);
  std::promise<std::optional<control_error>> answered;
  there->wait("w", [&](std::optional<control_error> error, const execution_end&) { answered.set_value(error); });
  const auto end = std::chrono::steady_clock::now() + limit;
  while (server_->waiting_calls() != 1 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(server_->waiting_calls(), 1u);
  server_.reset();
  const auto error = answered.get_future().get();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), control_errc::stopped);
  EXPECT_EQ(engine_->describe("w").status, execution_status::running);
}

TEST_F(ControlSocket, IsItsUsersAloneAndGoesWithTheServer) {
  serve();
  struct stat about {};
  ASSERT_EQ(::lstat(socket_file(directory_).c_str(), &about), 0);
  EXPECT_TRUE(S_ISSOCK(about.st_mode));
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  server_.reset();
  EXPECT_NE(::lstat(socket_file(directory_).c_str(), &about), 0);
  EXPECT_EQ(code_of([&] { client(); }), control_errc::unreachable);
}

TEST_F(ControlSocket, TakesThePlaceOfAStaleSocketOnly) {
  serve();
  std::filesystem::rename(socket_file(directory_), directory_ / "evermill.kept");
  server_.reset();
  std::filesystem::rename(directory_ / "evermill.kept", socket_file(directory_));
  EXPECT_EQ(code_of([&] { client(); }), control_errc::unreachable);
  serve();
  EXPECT_EQ(client()->status().process_id, ::getpid());
  server_.reset();
  std::ofstream(socket_file(directory_)) << "somebody's";
  EXPECT_EQ(code_of([&] { serve(); }), control_errc::unreachable);
  EXPECT_TRUE(std::filesystem::exists(socket_file(directory_)));
}

}  // namespace
}  // namespace evermill::server
