// What a file becomes. The files themselves are in files/good.
#include "dsl/definition.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dsl_files.hpp"

namespace evermill::dsl {
namespace {

using namespace std::chrono;
using testing::ElementsAre;

template <class Kind>
const Kind& as(const task& of) {
  const Kind* found = std::get_if<Kind>(&of.what);
  if (found == nullptr) throw std::runtime_error(of.name + " is of another kind: " + std::string(kind_of(of)));
  return *found;
}

template <class Call>
const Call& call_of(const task& of) {
  return std::get<Call>(as<call_task>(of).what);
}

read_result read_tasks(const std::string& tasks) { return read_definition(workflow_head + "do:\n" + tasks); }

TEST(Definition, HasAllThatStandsAtTheTop) {
  const auto read = good("everything-at-the-top.yaml");
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(read->dsl_version, "1.0.3");
  EXPECT_EQ(read->workflow_namespace, "tests");
  EXPECT_EQ(read->name, "everything-at-the-top");
  EXPECT_EQ(read->version, "1.0.0");
  EXPECT_EQ(read->summary, "Two lines\nof Markdown.\n");
  EXPECT_EQ(read->tags, json::parse(R"({"team":"storage","tier":"1"})"));
  EXPECT_EQ(read->metadata.at("owner").at("name"), "Ada");
  EXPECT_FALSE(read->loose);
  EXPECT_EQ(read->timeout->known(), 2h);
  EXPECT_THAT(read->secrets, ElementsAre("mailer", "registry"));
  EXPECT_FALSE(read->input.schema->compiled()->validate(1).empty());
  EXPECT_EQ(read->input.as->computed()->source(), "{ order: .order, started: $workflow.startedAt.iso8601 }");
  EXPECT_TRUE(read->input.as->computed()->uses("workflow"));
  EXPECT_EQ(read->extensions.at(0).extend, "all");
  EXPECT_EQ(read->extensions.at(0).before.at(0).pointer, "/use/extensions/0/logged/before/0/log");
  EXPECT_EQ(read->catalogs.at(0).first, "shared");
  EXPECT_EQ(read->catalogs.at(0).second.endpoint.authentication->what, authentication::scheme::basic);
  EXPECT_EQ(read->functions.at(1).first, "quadruple");
  EXPECT_EQ(read->source.at("document").at("name"), "everything-at-the-top");
}

TEST(Definition, TasksHaveWhatAllTasksHave) {
  const auto read = good("everything-at-the-top.yaml");
  const task& first = read->tasks.at(0);
  EXPECT_EQ(first.name, "first");
  EXPECT_EQ(first.pointer, "/do/0/first");
  EXPECT_EQ(first.condition->source(), ".order != null");
  EXPECT_EQ(first.input.as->computed()->source(), ".order");
  EXPECT_EQ(first.exports.as->members()->at(0).first, "last");
  EXPECT_EQ(first.timeout->known(), 5min);
  EXPECT_EQ(first.metadata, json::parse(R"({"color":"green"})"));
  EXPECT_EQ(first.then.what, flow_directive::kind::task);
  EXPECT_EQ(first.then.target, 1u);
  EXPECT_EQ(read->source_of(first).at("then"), "second");
  EXPECT_EQ(as<set_task>(first).value.evaluate({{"id", 1}, {"price", 2}, {"count", 3}}, no_variables()),
            json::parse(R"({"id":1,"total":6})"));
}

TEST(Definition, FunctionsKnowEachOther) {
  const auto read = good("everything-at-the-top.yaml");
  const auto& called = call_of<function_call>(read->tasks.at(1));
  const task* quadruple = std::get<const task*>(called.function);
  EXPECT_EQ(quadruple, read->functions.at(1).second.get());
  const task& once = as<do_task>(*quadruple).tasks.at(0);
  EXPECT_EQ(std::get<const task*>(call_of<function_call>(once).function), read->functions.at(0).second.get());
  EXPECT_EQ(once.pointer, "/use/functions/quadruple/do/0/once");
}

TEST(Definition, Flow) {
  using kind = flow_directive::kind;
  const auto read = good("flow.yaml");
  const auto& route = as<switch_task>(read->tasks.at(0));
  EXPECT_EQ(route.branches.at(0).then.target, 2u);
  EXPECT_EQ(route.branches.at(1).then.what, kind::end);
  EXPECT_EQ(route.branches.at(2).when, std::nullopt);
  const auto& ship = as<do_task>(read->tasks.at(2));
  EXPECT_EQ(ship.tasks.at(0).pointer, "/do/2/ship/do/0/label");
  EXPECT_EQ(ship.tasks.at(0).then.what, kind::exit);
  const auto& race = as<fork_task>(read->tasks.at(3));
  EXPECT_TRUE(race.compete);
  EXPECT_EQ(as<wait_task>(race.branches.at(1)).wait.known(), 1h + 2min + 3s + 4ms);
  EXPECT_FALSE(as<fork_task>(read->tasks.at(4)).compete);
  EXPECT_EQ(as<wait_task>(read->tasks.at(5)).wait.computed()->source(), ".delay");
  EXPECT_EQ(read->tasks.at(6).then.target, 6u);
}

TEST(Definition, Loops) {
  const auto read = good("loops.yaml");
  const auto& all = as<for_task>(read->tasks.at(0));
  EXPECT_EQ(all.each, "order");
  EXPECT_EQ(all.at, "position");
  EXPECT_EQ(all.in.source(), ".orders");
  EXPECT_TRUE(all.condition->uses("position"));
  EXPECT_EQ(as<for_task>(read->tasks.at(1)).each, "item");
  EXPECT_EQ(as<for_task>(read->tasks.at(1)).at, "index");
}

TEST(Definition, Errors) {
  const auto read = good("errors.yaml");
  const auto& attempt = as<try_task>(read->tasks.at(0));
  const auto& raised = *as<raise_task>(attempt.tasks.at(0)).error;
  EXPECT_EQ(raised.type.constant()->get<std::string>(), error_type::runtime);
  EXPECT_EQ(raised.status, 500);
  EXPECT_EQ(as<raise_task>(attempt.tasks.at(1)).error->type.computed()->source(), "\"https://shop.example/errors/\\(.kind)\"");
  EXPECT_EQ(attempt.errors->status, 500);
  EXPECT_EQ(attempt.as, "fault");
  EXPECT_EQ(attempt.retry->attempt_limit, 10);
  EXPECT_EQ(attempt.retry->growth, retry_policy::backoff::linear);
  EXPECT_EQ(attempt.catch_tasks->at(0).pointer, "/do/0/attempt/catch/do/0/report");
  const auto& again = as<try_task>(read->tasks.at(1));
  EXPECT_EQ(again.as, "error");
  EXPECT_EQ(again.retry->jitter->to.known(), 1s);
  EXPECT_EQ(*again.retry->delay->evaluate({{"delay", 2}}, no_variables()), 2s);
  const auto& everything = as<try_task>(read->tasks.at(2));
  EXPECT_EQ(everything.errors, std::nullopt);
  EXPECT_EQ(everything.retry, nullptr);
  EXPECT_EQ(everything.catch_tasks, std::nullopt);
  const auto top = good("everything-at-the-top.yaml");
  EXPECT_EQ(top->tasks.size(), 2u);
}

TEST(Definition, Events) {
  using strategy = event_consumption::strategy;
  const auto read = good("events.yaml");
  EXPECT_EQ(read->schedule->on->what, strategy::any);
  const auto& announce = as<emit_task>(read->tasks.at(0)).event;
  EXPECT_EQ(announce.at(0).first, "id");
  EXPECT_EQ(announce.back().second.evaluate({{"id", 1}}, no_variables()), json::parse(R"({"order":{"id":1}})"));
  EXPECT_EQ(as<listen_task>(read->tasks.at(1)).read, listen_task::reading::envelope);
  const auto& all = as<listen_task>(read->tasks.at(2));
  EXPECT_EQ(all.read, listen_task::reading::raw);
  EXPECT_EQ(all.to.filters.at(0).correlate.at(0).name, "order");
  EXPECT_EQ(all.to.filters.at(0).correlate.at(0).expect->computed()->source(), "$context.id");
  EXPECT_EQ(all.to.filters.at(0).correlate.at(1).expect, std::nullopt);
  EXPECT_EQ(std::get<expression>(as<listen_task>(read->tasks.at(3)).to.until).source(), ".data.last");
  const auto& closed = as<listen_task>(read->tasks.at(4));
  EXPECT_TRUE(closed.to.filters.empty());
  EXPECT_EQ(std::get<event_consumption::until_events>(closed.to.until)->filters.size(), 2u);
  EXPECT_EQ(closed.iterator->item, "event");
  EXPECT_EQ(closed.iterator->tasks->at(0).name, "keep");
}

TEST(Definition, Calls) {
  const auto read = good("calls.yaml");
  const auto named = [&](std::string_view name) -> const task& {
    for (const task& one : read->tasks) {
      if (one.name == name) return one;
    }
    throw std::runtime_error(std::string(name));
  };
  const auto& http = call_of<http_call>(named("http"));
  EXPECT_EQ(std::get<uri_template>(http.endpoint.uri).variables(), std::vector<std::string>{"id"});
  EXPECT_EQ(http.output, http_output::response);
  EXPECT_TRUE(http.redirect);
  EXPECT_EQ(http.query->computed()->source(), ".query");
  const auto& body = call_of<http_call>(named("http-body"));
  EXPECT_EQ(body.endpoint.authentication->what, authentication::scheme::bearer);
  EXPECT_EQ(body.method.computed()->source(), ".method");
  EXPECT_EQ(std::get<secret_reference>(call_of<http_call>(named("http-inline")).endpoint.authentication->properties).name,
            "token");
  EXPECT_EQ(call_of<grpc_call>(named("grpc")).port, 5011);
  EXPECT_EQ(call_of<openapi_call>(named("openapi")).operation_id, "getOrder");
  const auto& oauth = std::get<oauth2_properties>(call_of<openapi_call>(named("openapi")).authentication->properties);
  EXPECT_EQ(oauth.token_endpoint, "/t");
  EXPECT_EQ(oauth.client->authentication, "private_key_jwt");
  EXPECT_EQ(call_of<asyncapi_call>(named("asyncapi-publish")).server, "main");
  const auto& subscription = std::get<asyncapi_subscription>(call_of<asyncapi_call>(named("asyncapi-subscribe")).action);
  EXPECT_EQ(subscription.amount, 5);
  EXPECT_EQ(subscription.time_limit->known(), 1min);
  EXPECT_EQ(subscription.iterator->item, "message");
  EXPECT_EQ(std::get<asyncapi_subscription>(call_of<asyncapi_call>(named("asyncapi-until")).action).what,
            asyncapi_subscription::lifetime::until_holds);
  EXPECT_EQ(call_of<a2a_call>(named("agent")).method, "message/send");
  EXPECT_EQ(std::get<mcp_http_transport>(call_of<mcp_call>(named("tools-http")).transport).headers->constant()->at("A"), "b");
  EXPECT_EQ(std::get<mcp_stdio_transport>(call_of<mcp_call>(named("tools-stdio")).transport).arguments.size(), 1u);
  const auto& cataloged = std::get<function_call::of_catalog>(call_of<function_call>(named("cataloged")).function);
  EXPECT_EQ(cataloged.name + " " + cataloged.version + " " + cataloged.catalog, "log 1.2.0 shared");
  EXPECT_TRUE(std::holds_alternative<uri_template>(call_of<function_call>(named("far")).function));
}

TEST(Definition, CallsMayNameWhatTheRuntimeBrings) {
  reading_options options;
  options.functions = {"resize"};
  const std::string text = workflow_head + "do:\n  - a: { call: resize, with: { to: 10 } }\n";
  EXPECT_EQ(read_definition(text).definition, nullptr);
  const auto read = read_definition(text, options);
  ASSERT_NE(read.definition, nullptr);
  const auto& called = call_of<function_call>(read.definition->tasks.at(0));
  EXPECT_EQ(std::get<function_call::of_runtime>(called.function).name, "resize");
}

TEST(Definition, Processes) {
  const auto read = good("processes.yaml");
  const auto& container = as<run_task>(read->tasks.at(0));
  EXPECT_EQ(container.returned, run_task::output::all);
  const auto& box = std::get<container_process>(container.what);
  EXPECT_EQ(box.lifetime, container_process::cleanup::eventually);
  EXPECT_EQ(box.cleanup_after->known(), 1h);
  EXPECT_EQ(box.pull, container_process::pull_policy::always);
  EXPECT_EQ(box.input.arguments.at(1).computed()->source(), ".file");
  const auto& script = std::get<script_process>(as<run_task>(read->tasks.at(2)).what);
  EXPECT_THAT(std::get<value_template>(script.code).constant()->get<std::string>(), testing::HasSubstr("${ not ours }"));
  EXPECT_TRUE(std::holds_alternative<external_resource>(std::get<script_process>(as<run_task>(read->tasks.at(3)).what).code));
  EXPECT_EQ(as<run_task>(read->tasks.at(4)).returned, run_task::output::code);
  EXPECT_FALSE(as<run_task>(read->tasks.at(5)).awaited);
  EXPECT_EQ(std::get<workflow_process>(as<run_task>(read->tasks.at(5)).what).version, "latest");
}

TEST(Definition, Schedules) {
  const auto read = good("schedules.yaml");
  EXPECT_EQ(read->schedule->every->known(), 15min);
  EXPECT_EQ(read->schedule->after->known(), 10s);
  EXPECT_TRUE(read->schedule->cron.has_value());
}

TEST(Definition, LooseModeTriesEachText) {
  const auto read = good("loose.yaml");
  const auto value = as<set_task>(read->tasks.at(0)).value.evaluate(json::parse(R"({"order":{"id":7},"a":1})"), no_variables());
  ASSERT_TRUE(value);
  EXPECT_EQ(*value,
            json::parse(R"({"path":7,"sum":3,"text":"just some words","word":"hello","enclosed":1,"unknown":"$nobody.x"})"));
}

TEST(Definition, StrictModeKeepsText) {
  const auto read = good("data-flow.yaml");
  const auto& shape = as<set_task>(read->tasks.at(1)).value;
  const auto value = shape.evaluate(json::parse(R"({"id":7})"), no_variables());
  ASSERT_TRUE(value);
  EXPECT_EQ(
      *value,
      json::parse(
          R"({"text":"plain text","number":12,"list":[1,7,{"deep":null}],"null":null,"nothing":null,"no":"no","on":"on"})"));
}

TEST(Definition, JsonIsAsGoodAsYaml) {
  const auto read = good("json.json");
  EXPECT_EQ(as<set_task>(read->tasks.at(0)).value.evaluate({{"name", "Ada"}}, no_variables())->at("text"), "hello Ada");
}

TEST(Definition, ProblemsHaveTheirPlaceWithinTexts) {
  const auto read = read_tasks("  - a:\n      set: |\n        ${ .a\n           | lenght }\n");
  ASSERT_EQ(read.problems.size(), 1u);
  EXPECT_EQ(read.problems[0].at, (position{6, 14}));
  EXPECT_EQ(read.problems[0].pointer, "/do/0/a/set");
}

TEST(Definition, NamesWithSlashesAreEscapedInPointers) {
  const auto read = read_tasks("  - a/b: { set: { x: 1 } }\n");
  ASSERT_NE(read.definition, nullptr);
  EXPECT_EQ(read.definition->tasks[0].pointer, "/do/0/a~1b");
  EXPECT_EQ(read.definition->source_of(read.definition->tasks[0]), json::parse(R"({"set":{"x":1}})"));
}

TEST(Definition, VariablesOfACatchAndALoopEndWithThem) {
  EXPECT_NE(read_tasks("  - a: { try: [], catch: { do: [ { b: { set: '${ $error }' } } ] } }\n").definition, nullptr);
  EXPECT_EQ(read_tasks("  - a: { try: [ { b: { set: '${ $error }' } } ], catch: {} }\n").definition, nullptr);
  EXPECT_EQ(read_tasks("  - a: { for: { in: .x }, do: [], output: { as: $item } }\n").definition, nullptr);
}

TEST(Definition, WarningsDoNotKeepItFromRunning) {
  const auto read = read_definition(workflow_head + "ouput: {}\ndo: []\n");
  EXPECT_NE(read.definition, nullptr);
  ASSERT_EQ(read.problems.size(), 1u);
  EXPECT_EQ(read.problems[0].severity, severity::warning);
}

}  // namespace
}  // namespace evermill::dsl
