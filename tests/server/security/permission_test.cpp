#include "server/security/permission.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/security/grants_json.hpp"

using namespace evermill;
using namespace evermill::server::security;
using ::testing::HasSubstr;

namespace {

principal with(std::vector<grant> grants) {
  principal made;
  made.name = "ci";
  made.id = "token:1";
  made.grants = std::move(grants);
  return made;
}
principal with_scope(scope what, std::vector<std::string> namespaces) {
  return with({grant{what, name_set(std::move(namespaces)), {}, {}}});
}
principal worker_of(std::vector<std::string> queues, std::vector<std::string> types) {
  return with({grant{scope::worker, name_set({"shop"}), name_set(std::move(queues)), name_set(std::move(types))}});
}

struct row {
  action what;
  bool read, operate, admin;  ///< with that scope on the namespace
  bool read_all, admin_all;   ///< on all namespaces
};

const std::vector<row>& table() {
  static const std::vector<row> rows{
      {action::describe_workflow, true, true, true, true, true},
      {action::list_workflows, true, true, true, true, true},
      {action::count_workflows, true, true, true, true, true},
      {action::read_history, true, true, true, true, true},
      {action::follow_workflow, true, true, true, true, true},
      {action::get_result, true, true, true, true, true},
      {action::query_workflow, true, true, true, true, true},
      {action::list_human_tasks, true, true, true, true, true},
      {action::describe_human_task, true, true, true, true, true},
      {action::list_task_queues, true, true, true, true, true},
      {action::list_locks, true, true, true, true, true},
      {action::list_definitions, true, true, true, true, true},
      {action::describe_definition, true, true, true, true, true},
      {action::describe_namespace, true, true, true, true, true},
      {action::export_journal, true, true, true, true, true},
      {action::start_workflow, false, true, true, false, true},
      {action::signal_workflow, false, true, true, false, true},
      {action::signal_with_start, false, true, true, false, true},
      {action::update_workflow, false, true, true, false, true},
      {action::cancel_workflow, false, true, true, false, true},
      {action::terminate_workflow, false, true, true, false, true},
      {action::taint_workflow, false, true, true, false, true},
      {action::claim_human_task, false, true, true, false, true},
      {action::complete_human_task, false, true, true, false, true},
      {action::delegate_human_task, false, true, true, false, true},
      {action::complete_activity_by_token, false, true, true, false, true},
      {action::put_definition, false, true, true, false, true},
      {action::delete_definition, false, false, true, false, true},
      {action::purge_workflow, false, false, true, false, true},
      {action::import_journal, false, false, true, false, true},
      {action::poll_activity_tasks, false, false, false, false, false},
      {action::report_activity, false, false, false, false, false},
      {action::poll_workflow_tasks, false, false, false, false, false},
      {action::decide_workflow, false, false, false, false, false},
      {action::cluster_status, false, false, false, true, true},
      {action::change_log_level, false, false, false, false, true},
      {action::manage_namespaces, false, false, false, false, true},
      {action::manage_nodes, false, false, false, false, true},
      {action::list_namespaces, true, true, true, true, true},
  };
  return rows;
}

bool may(const principal& who, action what, const resource& of = {}) {
  return allows(who, what, "shop", of) == decision::allowed;
}

}  // namespace

TEST(Permission, TheTableHasEveryAction) {
  ASSERT_EQ(table().size(), action_count);
  std::set<std::string_view> names;
  for (const row& each : table()) names.insert(action_name(each.what));
  EXPECT_EQ(names.size(), action_count);
  EXPECT_FALSE(names.contains(""));
}

TEST(Permission, ReadIsPartOfOperateIsPartOfAdmin) {
  for (const row& each : table()) {
    SCOPED_TRACE(action_name(each.what));
    EXPECT_EQ(may(with_scope(scope::read, {"shop"}), each.what), each.read);
    EXPECT_EQ(may(with_scope(scope::operate, {"shop"}), each.what), each.operate);
    EXPECT_EQ(may(with_scope(scope::admin, {"shop"}), each.what), each.admin);
    EXPECT_EQ(may(with_scope(scope::read, {"*"}), each.what), each.read_all);
    EXPECT_EQ(may(with_scope(scope::admin, {"*"}), each.what), each.admin_all);
  }
}

TEST(Permission, WhatIsRefusedInOneNamespaceIsHiddenInAllOthers) {
  const principal reader = with_scope(scope::read, {"shop", "depot"});
  EXPECT_EQ(allows(reader, action::start_workflow, "shop"), decision::forbidden);
  EXPECT_EQ(allows(reader, action::start_workflow, "bank"), decision::hidden);
  EXPECT_EQ(allows(reader, action::describe_workflow, "bank"), decision::hidden);
  EXPECT_EQ(allows(reader, action::describe_workflow, "depot"), decision::allowed);
  EXPECT_EQ(allows(reader, action::poll_activity_tasks, "bank"), decision::hidden);
}

TEST(Permission, AHiddenNamespaceReadsAsOneThatDoesNotExist) {
  const principal reader = with_scope(scope::read, {"shop"});
  for (const row& each : table()) {
    if (allows(reader, each.what, "bank") != decision::hidden) continue;
    EXPECT_EQ(refusal_text(decision::hidden, reader, each.what, "bank"), unknown_namespace_text("bank"));
  }
  EXPECT_THAT(refusal_text(decision::forbidden, reader, action::start_workflow, "shop"),
              HasSubstr("the scope operate on the namespace \"shop\""));
  EXPECT_EQ(refusal_text(decision::allowed, reader, action::get_result, "shop"), "");
}

TEST(Permission, WhoHasNothingMayDoNothingAndSeesNothing) {
  for (const row& each : table()) {
    const decision made = allows(with({}), each.what, "shop");
    EXPECT_NE(made, decision::allowed) << action_name(each.what);
    const bool concerns_all = each.what >= action::cluster_status;
    EXPECT_EQ(made, concerns_all ? decision::forbidden : decision::hidden) << action_name(each.what);
  }
}

TEST(Permission, AWorkerHasItsQueuesAndNothingElse) {
  const principal worker = worker_of({"gpu"}, {});
  for (const action what : {action::poll_activity_tasks, action::report_activity, action::complete_activity_by_token}) {
    EXPECT_TRUE(may(worker, what, {.task_queue = "gpu"}));
    EXPECT_FALSE(may(worker, what, {.task_queue = "cpu"}));
    EXPECT_FALSE(may(worker, what)) << "a queue that is not named is none of its";
    EXPECT_EQ(allows(worker, what, "bank", {.task_queue = "gpu"}), decision::hidden);
  }
  EXPECT_FALSE(may(worker, action::poll_workflow_tasks, {.workflow_type = "order"}));
  EXPECT_FALSE(may(worker, action::describe_workflow));
  EXPECT_FALSE(may(worker, action::start_workflow));
}

TEST(Permission, ADeciderHasItsWorkflowTypes) {
  const principal worker = worker_of({}, {"order"});
  EXPECT_TRUE(may(worker, action::poll_workflow_tasks, {.workflow_type = "order"}));
  EXPECT_TRUE(may(worker, action::decide_workflow, {.workflow_type = "order"}));
  EXPECT_FALSE(may(worker, action::decide_workflow, {.workflow_type = "payment"}));
  EXPECT_FALSE(may(worker, action::poll_activity_tasks, {.task_queue = "order"}));
  EXPECT_TRUE(may(worker_of({"*"}, {"*"}), action::decide_workflow, {.workflow_type = "payment"}));
}

TEST(Permission, GrantsAddUpButDoNotMix) {
  const principal who = with({grant{scope::read, name_set({"shop"}), {}, {}}, grant{scope::operate, name_set({"bank"}), {}, {}}});
  EXPECT_EQ(allows(who, action::start_workflow, "shop"), decision::forbidden);
  EXPECT_EQ(allows(who, action::start_workflow, "bank"), decision::allowed);
}

TEST(Permission, NobodyWhoIsNotAskedMayDoEverything) {
  for (const row& each : table())
    EXPECT_TRUE(may(make_anonymous(), each.what, {.task_queue = "q", .workflow_type = "w"})) << action_name(each.what);
}

TEST(Permission, WhatChangesSomethingIsKnown) {
  EXPECT_TRUE(changes(action::start_workflow));
  EXPECT_TRUE(changes(action::change_log_level));
  EXPECT_FALSE(changes(action::describe_workflow));
  EXPECT_FALSE(changes(action::poll_activity_tasks));
}

TEST(Permission, GrantsAsJsonComeBackAsTheyWere) {
  const std::vector<grant> all{grant{scope::operate, name_set({"shop", "depot"}), {}, {}},
                               grant{scope::worker, name_set::every(), name_set({"gpu"}), name_set({"order"})}};
  const auto back = grants_of(to_json(all));
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(*back, all);
  EXPECT_EQ(to_string(all.back()), "worker:*:gpu (workflow types order)");
}

TEST(Permission, SeveralScopesShareTheirNamespaces) {
  const auto made =
      grants_of(nlohmann::json::parse(R"({"scopes":["read","worker"],"namespaces":["shop"],"task_queues":["gpu"]})"));
  ASSERT_TRUE(made) << made.error();
  ASSERT_EQ(made->size(), 2U);
  EXPECT_TRUE(made->front().task_queues.empty()) << "they are the worker's alone";
}

TEST(Permission, GrantsThatCannotBeUnderstoodGrantNothing) {
  for (const char* const text :
       {R"(1)", R"({})", R"({"scope":"root","namespaces":["shop"]})", R"({"scope":"read"})",
        R"({"scope":"read","namespaces":[]})", R"({"scope":"read","namespaces":"shop"})", R"({"scope":"read","namespaces":[1]})",
        R"({"scope":"read","namespaces":["a\u0000"]})", R"({"scope":"read","scopes":["read"],"namespaces":["shop"]})",
        R"({"scope":"worker","namespaces":["shop"]})", R"({"scope":"read","namespaces":["shop"],"task_queues":["gpu"]})",
        R"({"scope":"read","namespaces":["shop"],"unless":["x"]})",
        R"([{"scope":"read","namespaces":["shop"]},{"scope":"x","namespaces":["shop"]}])"}) {
    EXPECT_FALSE(grants_of(nlohmann::json::parse(text))) << text;
  }
}
