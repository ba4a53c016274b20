// emit, listen, the event buses, lifecycle events, schedules.
#include "evermill/testing/matchers.hpp"
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

json event_of(const std::string& type, json data, const std::string& id = "1") {
  return {{"specversion", "1.0"}, {"id", id}, {"source", "https://x.example"}, {"type", type}, {"data", std::move(data)}};
}

/// As `evermill emit` does it. The request id makes it happen once, also where the script is run again.
void emit(environment& in, const std::string& type, json data, const std::string& id) {
  event_message told;
  told.kind = "event";
  told.event = event_of(type, std::move(data), id);
  for (const std::string& bus : {event_bus_of(type), std::string(bus_of_all_events)}) {
    try {
      in.signal(bus, event_bus_signal.name, codec<event_message>::encode(told), id + bus);
    } catch (const engine_error& error) {
      EXPECT_EQ(error.code(), engine_errc::not_found) << error.what();  // nobody listens
    }
  }
}

using emitted = std::vector<std::pair<std::string, json>>;

interpreter_rig listening(const std::string& listen, emitted events) {
  interpreter_rig rig(file_of("  - hear: { listen: " + listen + " }\n"));
  rig.meanwhile([events](environment& in) {
    in.settle();
    int id = 0;
    for (const auto& [type, data] : events) {
      emit(in, type, data, std::to_string(++id));
      in.settle();
    }
  });
  return rig;
}

TEST(Listen, ToOneGivesItsData) {
  EXPECT_EQ(listening("{ to: { one: { with: { type: a } } } }", {{"b", 1}, {"a", 2}, {"a", 3}}).output(), json::parse("[2]"));
}

TEST(Listen, AnEventNamesNoSecrets) {
  EXPECT_EQ(listening("{ to: { one: { with: { type: a } } } }", {{"a", "\uE000secret:shop\uE001"}}).output(),
            json::array({"\uFFFDsecret:shop\uE001"}));
}

TEST(Listen, ReadsTheEnvelope) {
  const json heard = listening("{ to: { one: { with: { type: a } } }, read: envelope }", {{"a", 2}}).output();
  EXPECT_EQ(heard, json::array({event_of("a", 2)}));
}

TEST(Listen, ToAllWaitsForEachInAnyOrder) {
  EXPECT_EQ(listening("{ to: { all: [ { with: { type: a } }, { with: { type: b } } ] } }", {{"b", 1}, {"b", 2}, {"a", 3}}).output(),
            json::parse("[1, 3]"));
}

TEST(Listen, ToAnyTakesTheFirst) {
  EXPECT_EQ(listening("{ to: { any: [ { with: { type: a } }, { with: { type: b } } ] } }", {{"c", 0}, {"b", 1}}).output(),
            json::parse("[1]"));
}

TEST(Listen, ToAnyOfNoneTakesEveryEvent) {
  EXPECT_EQ(listening("{ to: { any: [] } }", {{"whatever", 1}}).output(), json::parse("[1]"));
}

TEST(Listen, UntilAConditionOverWhatWasHeard) {
  EXPECT_EQ(listening("{ to: { any: [ { with: { type: a } } ], until: '( . | length ) > 2' } }", {{"a", 1}, {"a", 2}, {"a", 3}, {"a", 4}}).output(),
            json::parse("[1, 2, 3]"));
}

TEST(Listen, UntilAnEventThatIsNotPartOfTheResult) {
  EXPECT_EQ(listening("{ to: { any: [ { with: { type: a } } ], until: { one: { with: { type: stop } } } } }",
                      {{"a", 1}, {"a", 2}, {"stop", 0}}).output(),
            json::parse("[1, 2]"));
}

TEST(Listen, UntilSeveralEventsNoneOfWhichIsPartOfTheResult) {
  EXPECT_EQ(listening("{ to: { any: [], until: { all: [ { with: { type: shut } }, { with: { type: dark } } ] } } }",
                      {{"a", 1}, {"shut", 0}, {"a", 2}, {"dark", 0}}).output(),
            json::parse("[1, 2]"));
}

TEST(Listen, FiltersByDataAndByPatterns) {
  EXPECT_EQ(listening("{ to: { one: { with: { type: a, data: '${ .n > 2 }' } } } }", {{"a", {{"n", 1}}}, {"a", {{"n", 3}}}}).output(),
            json::parse(R"([{"n": 3}])"));
  EXPECT_EQ(listening("{ to: { one: { with: { type: 'shop[.].*' } } } }", {{"a", 1}, {"shop.order", 2}}).output(), json::parse("[2]"));
  EXPECT_EQ(listening("{ to: { one: { with: { type: a, source: 'https://[xy][.]ex.*' } } } }", {{"a", 1}}).output(), json::parse("[1]"));
}

TEST(Listen, CorrelatesEvents) {
  EXPECT_EQ(listening("{ to: { all: [ { with: { type: a }, correlate: { room: { from: .data.room } } }, { with: { type: b }, correlate: { room: { from: .data.room } } } ] } }",
                      {{"a", {{"room", 1}}}, {"b", {{"room", 2}}}, {"b", {{"room", 1}, {"x", 1}}}}).output(),
            json::parse(R"([{"room": 1}, {"room": 1, "x": 1}])"));
  EXPECT_EQ(listening("{ to: { one: { with: { type: a }, correlate: { room: { from: .data.room, expect: '${ 2 }' } } } } }",
                      {{"a", {{"room", 1}}}, {"a", {{"room", 2}}}}).output(),
            json::parse(R"([{"room": 2}])"));
}

TEST(Listen, DoesSomethingForEachEvent) {
  interpreter_rig rig(file_of(R"(
  - hear:
      listen: { to: { any: [ { with: { type: a } } ], until: '(. | length) == 2' } }
      foreach:
        item: event
        at: i
        do: [ { nap: { wait: PT1H } }, { make: { set: '${ { n: ($event * 10), i: $i } }' } } ]
        output: { as: .n }
        export: { as: '$context + { last: $output }' }
  - tell: { set: '${ { heard: ., last: $context.last } }' }
)"));
  rig.meanwhile([](environment& in) {
    in.settle();
    for (int n = 1; n <= 2; ++n) emit(in, "a", n, std::to_string(n));
  });
  EXPECT_EQ(rig.output(), json::parse(R"({"heard": [10, 20], "last": 20})"));
}

TEST(Listen, GivesUpAfterItsTimeout) {
  interpreter_rig rig(file_of("  - hear: { listen: { to: { one: { with: { type: a } } } }, timeout: { after: P1D } }\n"));
  EXPECT_EQ(rig.error()["status"], 408);
  environment in{registry()};
  rig.run_in(in);
  in.settle();
  std::vector<json> told;
  for (const history_event& event : in.history("evermill.events/a")) {
    if (event.type == "WorkflowExecutionSignaled") told.push_back(json::parse(event.json)["input"]["kind"]);
  }
  EXPECT_THAT(told, Contains("unsubscribe"));
}

TEST(Emit, GivesTheEventAndReachesWhoListens) {
  const std::string listener = file_of("  - hear: { listen: { to: { one: { with: { type: order.placed } } }, read: envelope } }\n");
  interpreter_rig rig(file_of("  - tell: { emit: { event: { with: { source: https://shop.example, type: order.placed, subject: s, data: { id: '${ .id }' } } } } }\n"));
  rig.given({{"id", 7}}).meanwhile([](environment&) {});
  const auto script = [&](environment& in) {
    dsl_input hearing;
    hearing.definition = listener;
    in.start(dsl_workflow, hearing, {.id = "listener"});
    in.settle();
    const run_end end = rig.run_in(in);
    EXPECT_EQ(end.output["type"], "order.placed");
    EXPECT_EQ(end.output["data"], json({{"id", 7}}));
    EXPECT_EQ(end.output["specversion"], "1.0");
    EXPECT_EQ(end.output["subject"], "s");
    EXPECT_TRUE(end.output.contains("id") && end.output.contains("time"));
    EXPECT_EQ(json::parse(in.wait("listener").result->data), json::array({end.output}));
  };
  EXPECT_GT(testing::crash_after_every_commit(registry(), script), 0U);
}

TEST(Emit, NeedsASource) {
  const json error = interpreter_rig(file_of("  - tell: { emit: { event: { with: { source: '${ .none }', type: a } } } }\n")).given(json::object()).error();
  EXPECT_THAT(error["detail"].get<std::string>(), HasSubstr("source"));
}

TEST(EventBus, StaysShortAndForgetsNobody) {
  environment in{registry()};
  dsl_input hearing;
  hearing.definition = file_of("  - hear: { listen: { to: { any: [ { with: { type: a } } ], until: '(. | length) == 200' } }, output: { as: '[length, .[199]]' } }\n");
  in.start(dsl_workflow, hearing, {.id = "listener"});
  in.settle();
  for (int n = 0; n < 200; ++n) emit(in, "a", n, std::to_string(n));
  EXPECT_EQ(json::parse(in.wait("listener").result->data), json::parse("[200, 199]"));
  EXPECT_LT(in.describe("evermill.events/a").events, 300U) << "it continues as new";
}

TEST(EventBus, IgnoresWhatItDoesNotUnderstand) {
  environment in{registry()};
  interpreter_rig rig = listening("{ to: { one: { with: { type: a } } } }", {});
  rig.meanwhile([](environment& on) {
    on.settle();
    on.signal("evermill.events/a", event_bus_signal.name, json_payload("[1]"));
    emit(on, "a", 5, "1");
  });
  EXPECT_EQ(rig.run_in(in).output, json::parse("[5]"));
}

/// Types and data of the lifecycle events that a run sent, in order.
std::vector<std::pair<std::string, json>> lifecycle_of(environment& in) {
  std::vector<std::pair<std::string, json>> found;
  for (const history_event& event : in.history("flow-1")) {
    if (event.type != "SignalExternalWorkflowExecutionInitiated") continue;
    const json fields = json::parse(event.json);
    if (fields["workflow_id"] != std::string(bus_of_all_events)) continue;
    const json& told = fields["input"]["event"];
    found.emplace_back(told["type"].get<std::string>().substr(std::string("io.serverlessworkflow.").size()), told["data"]);
  }
  return found;
}

std::vector<std::string> types_of(environment& in) {
  std::vector<std::string> types;
  for (const auto& [type, data] : lifecycle_of(in)) {
    if (type.find("status-changed") == std::string::npos) types.push_back(type);
  }
  return types;
}

TEST(Lifecycle, TellsOfTheWorkflowAndItsTasks) {
  interpreter_rig rig(file_of("  - a: { set: { n: 1 } }\n  - b: { wait: PT1S }\n"));
  rig.input.events = "all";
  environment in{registry()};
  rig.run_in(in);
  EXPECT_THAT(types_of(in), ElementsAre("workflow.started.v1", "task.created.v1", "task.started.v1", "task.completed.v1", "task.created.v1",
                                        "task.started.v1", "task.completed.v1", "workflow.completed.v1"));
  const auto events = lifecycle_of(in);
  EXPECT_EQ(events.front().second["name"], "flow-1.tests");
  EXPECT_EQ(events.front().second["definition"], json({{"name", "flow"}, {"namespace", "tests"}, {"version", "1.0.0"}}));
  EXPECT_EQ(events[2].second["task"], "/do/0/a");
  EXPECT_EQ(rig.output(), json({{"n", 1}})) << "the same in every replay";
}

TEST(Lifecycle, OfTheWorkflowAloneOrNone) {
  interpreter_rig rig(file_of("  - a: { set: { n: 1 } }\n"));
  environment in{registry()};
  rig.run_in(in);
  EXPECT_THAT(types_of(in), IsEmpty());
  rig.input.events = "workflow";
  environment other{registry()};
  rig.run_in(other);
  EXPECT_THAT(types_of(other), ElementsAre("workflow.started.v1", "workflow.completed.v1"));
}

TEST(Lifecycle, TellsOfFaultsRetriesAndCancellations) {
  interpreter_rig rig(file_of("  - t: { try: [ { fail: { raise: { error: { type: https://x.example/e, status: 400 } } } } ], catch: { retry: { limit: { attempt: { count: 1 } } } } }\n"));
  rig.input.events = "all";
  environment in{registry()};
  rig.run_in(in);
  EXPECT_THAT(types_of(in), ElementsAre("workflow.started.v1", "task.created.v1", "task.started.v1", "task.created.v1", "task.started.v1",
                                        "task.faulted.v1", "task.retried.v1", "task.created.v1", "task.started.v1", "task.faulted.v1",
                                        "task.faulted.v1", "workflow.faulted.v1"));
  EXPECT_EQ(lifecycle_of(in).back().second["status"], "faulted");
  interpreter_rig canceled(file_of("  - nap: { wait: P1D }\n"));
  canceled.input.events = "all";
  canceled.meanwhile([](environment& on) {
    on.settle();
    on.cancel("flow-1");
  });
  environment another(registry(), {.skip_time = false});
  canceled.run_in(another);
  EXPECT_THAT(types_of(another), AllOf(Contains("task.cancelled.v1"), Contains("workflow.cancelled.v1")));
}

TEST(Status, SaysWhatIsBeingDone) {
  environment in(registry(), {.skip_time = false});
  dsl_input input;
  input.definition = file_of("  - outer: { do: [ { nap: { wait: P1D } } ] }\n");
  auto flow = in.start(dsl_workflow, input, {.id = "flow-1"});
  in.settle();
  EXPECT_EQ(flow.query(query<json()>{.name = "status"}),
            json::parse(R"({"phase": "waiting", "tasks": {"/do/0/outer": "running", "/do/0/outer/do/0/nap": "waiting"}})"));
  in.advance(24h);
  EXPECT_EQ(flow.query(query<json()>{.name = "status"}), json::parse(R"({"phase": "completed", "tasks": {}})"));
}

std::size_t started(environment& in, const std::string& prefix = "plan/") {
  std::size_t count = 0;
  for (const listed_execution& each : in.list()) count += each.workflow_id.starts_with(prefix) ? 1 : 0;
  return count;
}

environment& scheduled(environment& in, const std::string& schedule) {
  dsl_input input;
  input.definition = file_of("  - a: { wait: PT1M }\n  - b: { set: '${ . }' }\n", "schedule: " + schedule + "\n");
  input.input = 5;
  in.start(dsl_workflow, input, {.id = "plan"});
  in.settle();
  return in;
}

TEST(Schedule, EveryStartsAgainAndAgain) {
  environment in(registry(), {.skip_time = false});
  scheduled(in, "{ every: PT1H }").advance(3h + 30min);
  EXPECT_EQ(started(in), 4U);
  EXPECT_EQ(json::parse(in.wait("plan/1").result->data), 5);
  in.advance(200h);
  EXPECT_EQ(started(in), 204U) << "over several runs of the schedule";
}

TEST(Schedule, CronStartsAtItsTimes) {
  environment in(registry(), {.skip_time = false});
  scheduled(in, "{ cron: '30 * * * *' }").advance(29min);
  EXPECT_EQ(started(in), 0U);
  in.advance(2h + 2min);
  EXPECT_EQ(started(in), 3U);
}

TEST(Schedule, AfterWaitsForTheEnd) {
  environment in(registry(), {.skip_time = false});
  scheduled(in, "{ after: PT9M }").advance(25min);
  EXPECT_EQ(started(in), 3U) << "each takes ten minutes with the pause";
}

TEST(Schedule, OnEventsStartsWithThem) {
  environment in(registry(), {.skip_time = false});
  scheduled(in, "{ on: { one: { with: { type: a } } } }");
  for (int n = 1; n <= 150; ++n) emit(in, "a", n, std::to_string(n));
  in.advance(5min);
  EXPECT_EQ(started(in), 150U);
  EXPECT_EQ(json::parse(in.wait("plan/150").result->data), json::array({event_of("a", 150, "150")}));
}

TEST(Schedule, IsLeftAloneWhereTheStartSaysOnce) {
  interpreter_rig rig(file_of("  - a: { set: 1 }\n", "schedule: { every: PT1H }\n"));
  rig.input.definition = file_of("  - a: { set: '${ 1 }' }\n", "schedule: { every: PT1H }\n");
  rig.input.once = true;
  EXPECT_EQ(rig.output(), 1);
}

}  // namespace
}  // namespace evermill::interpreter
