// Namespaces in the engine: the same ids in two of them have nothing in common, whatever is asked; and what each may do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/namespaces.hpp"
#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/testing/environment.hpp"
#include "evermill/verify.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr evermill::signal<std::string> word{.name = "word"};
constexpr evermill::query<std::string()> what_id{.name = "what_id"};
constexpr evermill::update<std::string(std::string)> echo{.name = "echo"};
constexpr child_workflow<std::string()> waits_child{.name = "waits"};
constexpr human_task<std::string()> review{.name = "review"};
constexpr activity<std::string()> tells_id{.name = "tells_id"};

task<std::string> waits(context ctx) {
  const std::string id = ctx.workflow_id();
  const evermill::handler asked = ctx.on_query(what_id, [id] { return id; });
  const evermill::handler updated = ctx.on_update(echo, [](std::string said) { return said; });
  const std::string got = co_await ctx.wait(word);
  co_return id + " got " + got;
}

task<std::string> parent(context ctx) {
  const std::string got = co_await ctx.start_as("the-child", waits_child);
  co_return ctx.workflow_id() + ": " + got;
}

task<void> sends(context ctx, std::string to) {
  ctx.send(to, word, std::string("from " + ctx.workflow_id()));
  co_return;
}

task<void> locks(context ctx) {
  auto held = co_await ctx.lock("printer");
  co_await ctx.wait(word);
}

task<std::string> asks(context ctx) {
  const std::string answer = co_await ctx.ask(review);
  co_return answer;
}

task<std::string> calls(context ctx) {
  const std::string told = co_await ctx.call(tells_id);
  co_return told;
}

constexpr activity<std::string()> later{.name = "later", .options = {.schedule_to_close = std::chrono::hours(1)}};

task<std::string> calls_later(context ctx) {
  const std::string told = co_await ctx.call(later);
  co_return told;
}

task<int> continues(context ctx, int left) {
  if (left > 0) co_await ctx.continue_as_new(left - 1);
  co_return left;
}

registry definitions() {
  registry all;
  all.add("waits", waits);
  all.add("parent", parent);
  all.add("sends", sends);
  all.add("locks", locks);
  all.add("asks", asks);
  all.add("calls", calls);
  all.add("continues", continues);
  all.add(tells_id, [](activity_context& ctx) { return ctx.workflow_id(); });
  return all;
}

std::string shop(std::string_view id) { return in_namespace("shop", id); }
std::string bank(std::string_view id) { return in_namespace("bank", id); }

template <class F>
std::pair<engine_errc, std::string> refusal_of(F&& act) {
  try {
    act();
  } catch (const engine_error& error) {
    return {error.code(), error.what()};
  }
  throw std::logic_error("it was not refused");
}

std::vector<std::string> ids_of(const std::vector<listed_execution>& executions) {
  std::vector<std::string> ids;
  for (const listed_execution& each : executions) ids.push_back(split_id(each.workflow_id).id);
  return ids;
}

engine_options two_namespaces() {
  engine_options options;
  options.partitions = 3;
  options.namespaces = {{.name = "shop"}, {.name = "bank"}};
  return options;
}

// --- names

TEST(NamespaceNames, AreShortWordsAndIdsNeverHoldTheirMark) {
  for (const char* const good : {"shop", "a", "team-1.eu_west", "7"}) EXPECT_FALSE(namespaces::why_no_namespace(good)) << good;
  for (const std::string& bad : {std::string(), std::string("-a"), std::string("a b"), std::string("a/b"), std::string("*"),
                                 std::string(65, 'a'), std::string("a\x1f"), std::string("\xc3\xa4")}) {
    EXPECT_TRUE(namespaces::why_no_namespace(bad)) << bad;
    if (bad.empty()) continue;
    EXPECT_EQ(refusal_of([&] { in_namespace(bad, "x"); }).first, engine_errc::invalid_argument) << bad;
  }
  EXPECT_EQ(in_namespace("default", "x"), "x");
  EXPECT_EQ(in_namespace("", "x"), "x");
  EXPECT_EQ(split_id(shop("x")).name_space, "shop");
  EXPECT_EQ(split_id(shop("x")).id, "x");
  EXPECT_EQ(split_id("x").name_space, "default");
  for (const std::string& forged : {shop("x"), std::string("a\x1f"), std::string("\n")}) {
    EXPECT_EQ(refusal_of([&] { in_namespace("", forged); }).first, engine_errc::invalid_argument);
    EXPECT_EQ(refusal_of([&] { in_namespace("bank", forged); }).first, engine_errc::invalid_argument);
  }
  EXPECT_TRUE(namespaces::why_no_kept_id("\x1f" "a b\x1fx"));
  EXPECT_TRUE(namespaces::why_no_kept_id("\x1f" "default\x1fx")) << "one id, one way to write it";
  EXPECT_TRUE(namespaces::why_no_kept_id(shop("a") + "\x1f"));
  EXPECT_TRUE(namespaces::why_no_kept_id("\x1fx"));
  EXPECT_EQ(namespaces::shown("the execution \"" + shop("o") + "\" has ended"), "the execution \"o\" has ended");
}

// --- one id, several executions

TEST(Namespaces, TheSameIdIsAnExecutionInEach) {
  engine in(definitions(), two_namespaces());
  for (const std::string& id : {std::string("x"), shop("x"), bank("x")}) EXPECT_FALSE(in.start("waits", {}, {.id = id}).existed);
  EXPECT_TRUE(in.start("waits", {}, {.id = shop("x")}).existed);
  in.signal(shop("x"), "word", json_payload("\"shop's\""));
  EXPECT_EQ(in.find<std::string>(shop("x")).result(), "x got shop's") << "code knows its id without the namespace";
  EXPECT_EQ(in.describe("x").status, execution_status::running);
  EXPECT_EQ(in.describe(bank("x")).status, execution_status::running);
  EXPECT_EQ(codec<std::string>::decode(in.query(bank("x"), "what_id", {})), "x");
  in.terminate(bank("x"));
  EXPECT_EQ(in.describe("x").status, execution_status::running);
  EXPECT_FALSE(in.start("waits", {}, {.id = shop("y")}).existed);
  EXPECT_EQ(refusal_of([&] { in.describe("y"); }).first, engine_errc::not_found);
  const auto elsewhere = refusal_of([&] { in.describe(bank("y")); });
  EXPECT_EQ(elsewhere.first, engine_errc::not_found);
  EXPECT_THAT(elsewhere.second, Not(HasSubstr("\x1f")));
  EXPECT_EQ(split_id(in.start("waits", {}, {.id = shop("")}).workflow_id).name_space, "shop") << "an id is made in the namespace";
}

TEST(Namespaces, HistoriesShowIdsAsUsersKnowThem) {
  engine in(definitions(), two_namespaces());
  in.start("parent", {}, {.id = shop("p")});
  in.signal(shop("the-child"), "word", json_payload("\"hello\""));
  EXPECT_EQ(in.find<std::string>(shop("p")).result(), "p: the-child got hello");
  for (const std::string& id : {shop("p"), shop("the-child")}) {
    for (const history_event& each : in.history(id)) EXPECT_THAT(each.json, Not(HasSubstr("u001f"))) << each.json;
  }
  EXPECT_THAT(in.history(shop("the-child")).at(0).json, HasSubstr(R"("workflow_id":"the-child")"));
  EXPECT_THAT(in.history(shop("the-child")).at(0).json, HasSubstr(R"("namespace":"shop")"));
}

TEST(Namespaces, ListsAndCountsAreOfOne) {
  engine in(definitions(), two_namespaces());
  for (int i = 0; i < 30; ++i) {
    in.start("waits", {}, {.id = "d-" + std::to_string(i)});
    if (i % 2 == 0) in.start("waits", {}, {.id = shop("s-" + std::to_string(i))});
    if (i % 3 == 0) in.start("asks", {}, {.id = bank("b-" + std::to_string(i))});
  }
  in.terminate(shop("s-4"));
  const auto all_of = [&](execution_filter filter) {
    std::set<std::string> found;
    std::string token;
    do {
      const execution_page page = in.list(filter, token, 4);
      for (const std::string& id : ids_of(page.executions)) EXPECT_TRUE(found.insert(id).second) << id;
      token = page.next_page_token;
    } while (!token.empty());
    EXPECT_EQ(found.size(), in.count(filter));
    return found;
  };
  EXPECT_THAT(all_of({}), SizeIs(30));
  EXPECT_THAT(all_of({.name_space = "shop"}), SizeIs(15));
  EXPECT_THAT(all_of({.name_space = "bank"}), SizeIs(10));
  EXPECT_THAT(all_of({.workflow_type = "waits", .name_space = "bank"}), IsEmpty());
  EXPECT_THAT(all_of({.workflow_type = "asks", .name_space = "bank"}), SizeIs(10));
  EXPECT_THAT(all_of({.workflow_type = "asks"}), IsEmpty());
  EXPECT_THAT(all_of({.statuses = {execution_status::terminated}, .name_space = "shop"}), ElementsAre("s-4"));
  EXPECT_THAT(all_of({.workflow_id_prefix = "s-1", .name_space = "shop"}), UnorderedElementsAre("s-10", "s-12", "s-14", "s-16", "s-18"));
  EXPECT_THAT(all_of({.workflow_id_prefix = "s-1"}), IsEmpty());
  const std::string token = in.list({.name_space = "shop"}, "", 4).next_page_token;
  EXPECT_EQ(refusal_of([&] { in.list({.name_space = "bank"}, token, 4); }).first, engine_errc::invalid_argument);
  EXPECT_EQ(refusal_of([&] { in.list({}, token, 4); }).first, engine_errc::invalid_argument);
  EXPECT_THAT(in.list("", 1000), SizeIs(55)) << "of all namespaces";
}

TEST(Namespaces, AreDeclaredOrRefused) {
  engine in(definitions(), two_namespaces());
  EXPECT_TRUE(in.has_namespace("shop") && in.has_namespace("default") && in.has_namespace(""));
  EXPECT_FALSE(in.has_namespace("casino"));
  const auto refused = refusal_of([&] { in.start("waits", {}, {.id = in_namespace("casino", "x")}); });
  EXPECT_EQ(refused.first, engine_errc::invalid_argument);
  EXPECT_THAT(refused.second, HasSubstr("\"casino\""));
  EXPECT_THAT(refused.second, HasSubstr("engine_options::namespaces"));
  EXPECT_EQ(refusal_of([&] { in.cancel(in_namespace("casino", "x")); }).first, engine_errc::invalid_argument);
  for (const std::string& forged : {std::string("a\x1f") + "b", std::string("\x1fx"), std::string("\x1f" "a b\x1fx")}) {
    EXPECT_EQ(refusal_of([&] { in.start("waits", {}, {.id = forged}); }).first, engine_errc::invalid_argument);
    EXPECT_EQ(refusal_of([&] { in.signal(forged, "word", {}); }).first, engine_errc::invalid_argument);
  }
  const std::vector<std::vector<namespace_options>> wrong{{{.name = "a b"}},
                                                          {{.name = "a"}, {.name = "a"}},
                                                          {{.name = "a", .starts_per_second = -1}},
                                                          {{.name = "a", .starts_burst = 0}},
                                                          {{.name = "a", .retention = -1s}}};
  for (const std::vector<namespace_options>& bad : wrong) {
    engine_options options;
    options.namespaces = bad;
    EXPECT_EQ(refusal_of([&] { engine(definitions(), options); }).first, engine_errc::invalid_argument);
  }
}

// --- what workflows name

TEST(Namespaces, ChildrenSignalsAndLocksStayInside) {
  for (const bool replayed : {false, true}) {
    testing::environment env(definitions(), {.replay_every_turn = replayed, .partitions = 3});
    env.start("waits", {}, {.id = "the-child"});
    env.start("parent", {}, {.id = shop("p")});
    env.start("waits", {}, {.id = bank("the-child")});
    env.settle();
    EXPECT_EQ(env.describe(shop("the-child")).status, execution_status::running);
    env.start("sends", json_payload("\"the-child\""), {.id = shop("s")});
    env.settle();
    EXPECT_EQ(env.find<std::string>(shop("p")).result(), "p: the-child got from s");
    EXPECT_EQ(env.describe("the-child").status, execution_status::running);
    EXPECT_EQ(env.describe(bank("the-child")).status, execution_status::running);
    for (const std::string& id : {std::string("l"), shop("l"), shop("m"), bank("l")}) {
      env.start("locks", {}, {.id = id});
      env.settle();
    }
    EXPECT_THAT(env.locks(), SizeIs(1));
    ASSERT_THAT(env.locks("shop"), SizeIs(1));
    EXPECT_EQ(env.locks("shop")[0].holders.at(0).workflow_id, shop("l"));
    EXPECT_EQ(env.locks("shop")[0].waiters.at(0).workflow_id, shop("m"));
    EXPECT_EQ(env.locks("bank")[0].holders.at(0).workflow_id, bank("l"));
    env.signal(shop("l"), "word", json_payload("\"go\""));
    env.settle();
    EXPECT_EQ(env.locks("shop")[0].holders.at(0).workflow_id, shop("m"));
    env.terminate(shop("m"));
    env.settle();
    EXPECT_THAT(env.locks("shop"), IsEmpty());
    EXPECT_THAT(env.locks("bank"), SizeIs(1));
  }
}

TEST(Namespaces, AWorkflowCantNameAnIdOfAnotherOne) {
  testing::environment env(definitions());
  env.start("waits", {}, {.id = bank("x")});
  env.start("sends", codec<std::string>::encode(bank("x")), {.id = shop("s")});
  env.settle();
  EXPECT_EQ(env.describe(shop("s")).status, execution_status::failed);
  EXPECT_EQ(env.describe(bank("x")).status, execution_status::running);
}

TEST(Namespaces, ClosedParentsEndTheirOwnChildren) {
  testing::environment env(definitions(), {.partitions = 3});
  env.start("waits", {}, {.id = "the-child"});
  env.start("parent", {}, {.id = shop("p")});
  env.settle();
  env.terminate(shop("p"));
  env.settle();
  EXPECT_NE(env.describe(shop("the-child")).status, execution_status::running);
  EXPECT_EQ(env.describe("the-child").status, execution_status::running);
}

TEST(Namespaces, HumanTasksAreOfOne) {
  engine in(definitions(), two_namespaces());
  in.start("asks", {}, {.id = "b"});
  in.start("asks", {}, {.id = shop("a")});
  EXPECT_THAT(in.human_tasks(), SizeIs(1));
  const auto tasks = in.human_tasks({.name_space = "shop"});
  ASSERT_THAT(tasks, SizeIs(1));
  EXPECT_EQ(split_id(tasks[0].task_id).name_space, "shop");
  EXPECT_EQ(tasks[0].workflow_id, shop("a"));
  const std::string plain = split_id(tasks[0].task_id).id;
  EXPECT_THROW(in.describe_human_task(plain), engine_error) << "it is another one's, or nobody's";
  EXPECT_THROW(in.complete_human_task(in_namespace("bank", plain), "me", json_payload("\"no\"")), engine_error);
  in.complete_human_task(tasks[0].task_id, "me", json_payload("\"yes\""));
  EXPECT_EQ(in.find<std::string>(shop("a")).result(), "yes");
  EXPECT_THAT(in.human_tasks(), SizeIs(1));
}

TEST(Namespaces, ActivitiesSeeTheirIdAndTokensCountInTheirOwn) {
  engine_options options = two_namespaces();
  registry all = definitions();
  all.add("calls_later", calls_later);
  all.add(later, [](activity_context& ctx) -> std::string {
    ctx.complete_later();
    return {};
  });
  engine in(all, options);
  EXPECT_EQ(codec<std::string>::decode(*[&] {
    in.start("calls", {}, {.id = shop("c")});
    return in.wait(shop("c")).result;
  }()), "c");
  in.start("calls_later", {}, {.id = shop("l")});
  std::string token;
  while (token.empty()) {
    const auto about = in.describe(shop("l"));
    if (about.activities.at(0).completed_elsewhere) token = about.activities[0].token;
  }
  for (const std::string& wrong : {namespaces::marked("bank", token), namespaces::marked("default", token)}) {
    EXPECT_EQ(refusal_of([&] { in.complete_activity(wrong, json_payload("\"no\"")); }).first, engine_errc::not_found);
    EXPECT_EQ(refusal_of([&] { in.heartbeat_activity(wrong); }).first, engine_errc::not_found);
    EXPECT_EQ(refusal_of([&] { in.cancel_activity(wrong); }).first, engine_errc::not_found);
    EXPECT_EQ(refusal_of([&] { in.fail_activity(wrong, {}); }).first, engine_errc::not_found);
  }
  EXPECT_FALSE(in.heartbeat_activity(in_namespace("shop", token))) << "nobody has canceled it";
  in.complete_activity(in_namespace("shop", token), json_payload("\"done\""));
  EXPECT_EQ(in.find<std::string>(shop("l")).result(), "done");
}

// --- quotas

TEST(NamespaceQuotas, OpenExecutionsStartsAndPayloads) {
  engine_options options;
  options.partitions = 3;
  options.namespaces = {{.name = "few", .max_open_executions = 2},
                        {.name = "slow", .starts_per_second = 0.001, .starts_burst = 2},
                        {.name = "small", .max_payload_bytes = 10}};
  engine in(definitions(), options);
  const auto few = [](std::string_view id) { return in_namespace("few", id); };
  in.start("waits", {}, {.id = few("a")});
  in.start("waits", {}, {.id = few("b")});
  EXPECT_TRUE(in.start("waits", {}, {.id = few("b")}).existed) << "nothing is opened";
  for (int i = 0; i < 4; ++i) {
    const auto refused = refusal_of([&] { in.start("waits", {}, {.id = few("c" + std::to_string(i))}); });
    EXPECT_EQ(refused.first, engine_errc::overloaded);
    EXPECT_THAT(refused.second, HasSubstr("\"few\""));
    EXPECT_EQ(refusal_of([&] { in.describe(few("c" + std::to_string(i))); }).first, engine_errc::not_found);
  }
  in.terminate(few("a"));
  in.start("waits", {}, {.id = few("c")});
  EXPECT_FALSE(in.start("waits", {}, {.id = few("c"), .reuse = workflow_id_reuse::terminate_existing}).existed) << "one for another";
  EXPECT_EQ(refusal_of([&] { in.start("waits", {}, {.id = few("d")}); }).first, engine_errc::overloaded);
  in.start("waits", {}, {.id = "d"});

  in.start("waits", {}, {.id = in_namespace("slow", "a")});
  in.start("waits", {}, {.id = in_namespace("slow", "b")});
  try {
    in.start("waits", {}, {.id = in_namespace("slow", "c")});
    ADD_FAILURE() << "too many starts";
  } catch (const engine_error& error) {
    EXPECT_EQ(error.code(), engine_errc::overloaded);
    ASSERT_TRUE(error.retry_after());
    EXPECT_GT(*error.retry_after(), 500s);
    EXPECT_LE(*error.retry_after(), 1000s);
  }

  in.start("waits", {}, {.id = in_namespace("small", "a")});
  EXPECT_EQ(refusal_of([&] { in.signal(in_namespace("small", "a"), "word", json_payload("\"much too long\"")); }).first,
            engine_errc::invalid_argument);
  EXPECT_EQ(refusal_of([&] { in.update(in_namespace("small", "a"), "echo", json_payload("\"much too long\"")); }).first,
            engine_errc::invalid_argument);
  EXPECT_EQ(refusal_of([&] { in.start("sends", json_payload("\"much too long\""), {.id = in_namespace("small", "b")}); }).first,
            engine_errc::invalid_argument);
  in.signal(in_namespace("small", "a"), "word", json_payload("\"short\""));
}

TEST(NamespaceQuotas, OpenExecutionsAreCountedAgainAfterARestart) {
  const tests::temporary_directory directory;
  engine_options options;
  options.data_directory = directory.path();
  options.partitions = 2;
  options.namespaces = {{.name = "few", .max_open_executions = 2}};
  {
    engine in(definitions(), options);
    in.start("waits", {}, {.id = in_namespace("few", "a")});
    in.start("waits", {}, {.id = in_namespace("few", "b")});
    in.start("continues", json_payload("3"), {.id = "elsewhere"});
  }
  engine in(definitions(), options);
  EXPECT_EQ(refusal_of([&] { in.start("waits", {}, {.id = in_namespace("few", "c")}); }).first, engine_errc::overloaded);
  in.terminate(in_namespace("few", "b"));
  in.start("waits", {}, {.id = in_namespace("few", "c")});
}

// --- retention

void expect_clean(const std::filesystem::path& directory) {
  const verify_report report = verify(directory, [](const verify_problem& each) { ADD_FAILURE() << each.what; });
  EXPECT_EQ(report.problems, 0U);
}

void wait_until_gone(const engine& in, const execution_filter& filter) {
  while (in.count(filter) > 0) std::this_thread::yield();
}

TEST(Retention, EndedExecutionsGoWithAllTheirRunsAndOthersStay) {
  const tests::temporary_directory directory;
  engine_options options;
  options.data_directory = directory.path();
  options.partitions = 2;
  options.namespaces = {{.name = "shop"}};
  {
    engine in(definitions(), options);
    for (int i = 0; i < 50; ++i) {
      const std::string number = std::to_string(i);
      in.start("continues", json_payload("3"), {.id = shop("c-" + number)});
      in.start("continues", json_payload("1"), {.id = "kept-" + number});
    }
    for (int i = 0; i < 50; ++i) in.wait(shop("c-" + std::to_string(i)));
    // The id was used before: those journals go, too.
    for (int i = 0; i < 3; ++i) {
      in.start("continues", json_payload("2"), {.id = shop("again"), .reuse = workflow_id_reuse::allow});
      in.wait(shop("again"));
    }
    in.start("waits", {}, {.id = shop("runs")});
    in.start("parent", {}, {.id = shop("p")});
  }
  expect_clean(directory.path());
  options.namespaces = {{.name = "shop", .retention = 1s}};
  {
    engine in(definitions(), options);
    wait_until_gone(in, {.statuses = {execution_status::completed}, .name_space = "shop"});
    EXPECT_EQ(refusal_of([&] { in.describe(shop("c-7")); }).first, engine_errc::not_found);
    EXPECT_EQ(in.describe(shop("runs")).status, execution_status::running);
    EXPECT_EQ(in.count({}), 50U) << "of another namespace";
    EXPECT_FALSE(in.start("continues", json_payload("3"), {.id = shop("c-7")}).existed) << "the id is free again";
    EXPECT_THAT(in.metrics(), HasSubstr("evermill_executions_deleted_total"));
    in.signal(shop("the-child"), "word", json_payload("\"end\""));
    EXPECT_EQ(in.find<std::string>(shop("p")).result(), "p: the-child got end");
  }
  expect_clean(directory.path());
  const verify_report report = verify(directory.path(), [](const verify_problem&) {});
  EXPECT_LT(report.runs, 50U * 2 + 20) << "journals are gone, too";
  engine in(definitions(), options);
  wait_until_gone(in, {.statuses = {execution_status::completed}, .name_space = "shop"});
  EXPECT_EQ(ids_of(in.list({.name_space = "shop"}, "", 10).executions), std::vector<std::string>{"runs"});
}

}  // namespace
}  // namespace evermill
