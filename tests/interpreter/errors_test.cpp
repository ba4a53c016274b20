// raise, try, catch, retry, timeouts: which errors there are, and what becomes of them.
#include "interpreter_rig.hpp"

namespace evermill::interpreter {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::string spec = "https://serverlessworkflow.io/spec/1.0.0/errors/";

TEST(Raise, FailsTheWorkflowWithItsError) {
  interpreter_rig rig(file_of(R"(
  - fail:
      raise:
        error:
          type: https://shop.example/errors/sold-out
          status: 409
          title: Sold out
          detail: '${ "no \(.item) left" }'
)"));
  EXPECT_EQ(rig.given({{"item", "book"}}).error(), json::parse(R"({"type": "https://shop.example/errors/sold-out", "status": 409,
      "title": "Sold out", "detail": "no book left", "instance": "/do/0/fail"})"));
}

TEST(Raise, OfADefinedErrorMayNameItsInstance) {
  interpreter_rig rig(file_of("  - fail: { raise: { error: broken } }\n",
                              "use: { errors: { broken: { type: https://x.example/e, status: 500, instance: /do/7 } } }\n"));
  EXPECT_EQ(rig.error()["instance"], "/do/7");
}

TEST(Expression, ThatFailsIsAnErrorOfItsTask) {
  const json error = interpreter_rig(file_of("  - add: { set: '${ .a + 1 }' }\n")).given({{"a", "x"}}).error();
  EXPECT_EQ(error["type"], spec + "expression");
  EXPECT_EQ(error["status"], 400);
  EXPECT_EQ(error["instance"], "/do/0/add");
  EXPECT_THAT(error["detail"].get<std::string>(), HasSubstr(".a + 1"));
}

TEST(Try, HandsTheErrorToItsCatch) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { fail: { raise: { error: { type: https://x.example/e, status: 400, title: Bad } } } } ]
      catch:
        errors: { with: { status: 400, type: https://x.example/e } }
        as: why
        do: [ { note: { set: { title: '${ $why.title }', at: '${ $why.instance }', n: '${ .n }' } } } ]
)"));
  EXPECT_EQ(rig.given({{"n", 1}}).output(), json::parse(R"({"title": "Bad", "at": "/do/0/attempt/try/0/fail", "n": 1})"));
}

TEST(Try, GivesItsInputWhereTheCatchDoesNothing) {
  interpreter_rig rig(file_of(R"(
  - attempt: { try: [ { fail: { raise: { error: { type: https://x.example/e, status: 400 } } } } ], catch: {} }
)"));
  EXPECT_EQ(rig.given({{"n", 1}}).output(), json({{"n", 1}}));
}

TEST(Try, LetsOtherErrorsPass) {
  const auto file = [](const std::string& how) {
    return file_of("  - attempt:\n      try: [ { fail: { raise: { error: { type: https://x.example/e, status: 400, title: Bad } } } } ]\n"
                   "      catch: { " + how + ", do: [ { note: { set: '\"caught\"' } } ] }\n");
  };
  for (const char* how : {"errors: { with: { status: 401 } }", "errors: { with: { type: https://x.example/f } }",
                          "errors: { with: { title: bad } }", "errors: { with: { instance: /do/0 } }",
                          "errors: { with: { details: x } }", "when: '$error.status == 500'", "exceptWhen: '$error.status == 400'"}) {
    EXPECT_EQ(interpreter_rig(file(how)).error()["title"], "Bad") << how;
  }
}

TEST(Try, TriesAgainAsOftenAsItMay) {
  int calls = 0;
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { ask: { call: ask } } ]
      catch: { retry: { delay: { seconds: 3 }, limit: { attempt: { count: 2 } } } }
)"));
  rig.with("ask", [&](const json&) -> json {
    ++calls;
    throw application_error("Busy", "not now");
  });
  const json error = rig.error();
  EXPECT_EQ(error["title"], "Busy");
  EXPECT_EQ(error["type"], spec + "runtime");
  EXPECT_EQ(error["instance"], "/do/0/attempt/try/0/ask");
  EXPECT_THAT(rig.calls, SizeIs(3));
}

TEST(Try, GoesOnWhenATrySucceeds) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { ask: { call: ask } } ]
      catch: { retry: { delay: { hours: 3 }, backoff: { exponential: {} } } }
)"));
  environment in{registry()};
  int calls = 0;
  rig.with("ask", [&](const json&) -> json {
    if (++calls < 4) throw application_error("Busy", "not now");
    return calls;
  });
  const auto began = in.now();
  EXPECT_EQ(rig.run_in(in).output, 4);
  EXPECT_EQ(in.now() - began, 3h + 6h + 12h);
}

TEST(Try, WaitsLongerEachTimeLinearly) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { fail: { raise: { error: { type: https://x.example/e, status: 503 } } } } ]
      catch: { retry: { delay: PT1H, backoff: { linear: {} }, limit: { attempt: { count: 3 } } }, do: [ { note: { set: '"given-up"' } } ] }
)"));
  environment in{registry()};
  const auto began = in.now();
  EXPECT_EQ(rig.run_in(in).output, "given-up");
  EXPECT_EQ(in.now() - began, 6h);
}

TEST(Try, AfterTheLastTryTheCatchIsDone) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { fail: { raise: { error: { type: https://x.example/e, status: 503 } } } } ]
      catch: { retry: { limit: { attempt: { count: 1 } } }, do: [ { note: { set: { gave-up: true } } } ] }
)"));
  EXPECT_EQ(rig.output(), json({{"gave-up", true}}));
}

TEST(Try, ConditionsOfTheRetryDecide) {
  const auto file = [](const std::string& how) {
    return file_of("  - attempt:\n      try: [ { ask: { call: ask } } ]\n      catch: { retry: { " + how + " } }\n");
  };
  for (const char* how : {"when: '$error.status == 1'", "exceptWhen: '$error.status == 500'"}) {
    interpreter_rig rig(file(how));
    rig.with("ask", [](const json&) -> json { throw application_error("Busy", "not now"); });
    rig.error();
    EXPECT_THAT(rig.calls, SizeIs(1)) << how;
  }
}

TEST(Try, AllTriesTogetherHaveALimit) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { fail: { raise: { error: { type: https://x.example/e, status: 503 } } } } ]
      catch: { retry: { delay: PT10M, limit: { duration: PT1H } } }
)"));
  environment in{registry()};
  const auto began = in.now();
  EXPECT_EQ(rig.run_in(in).error["status"], 503);
  EXPECT_EQ(in.now() - began, 1h);
}

TEST(Try, EachTryHasALimit) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { nap: { wait: PT2H } } ]
      catch: { retry: { limit: { attempt: { count: 1, duration: PT1H } } }, as: why, do: [ { note: { set: '${ $why.status }' } } ] }
)"));
  EXPECT_EQ(rig.output(), 408);
}

TEST(Try, JitterIsWithinItsRange) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { fail: { raise: { error: { type: https://x.example/e, status: 503 } } } } ]
      catch: { retry: { delay: PT1H, jitter: { from: PT1M, to: PT2M }, limit: { attempt: { count: 1 } } } }
)"));
  environment in{registry()};
  const auto began = in.now();
  rig.run_in(in);
  EXPECT_GE(in.now() - began, 61min);
  EXPECT_LE(in.now() - began, 62min);
  rig.error();
}

TEST(Try, NeverCatchesACancelRequest) {
  interpreter_rig rig(file_of(R"(
  - attempt: { try: [ { nap: { wait: P9D } } ], catch: { do: [ { note: { set: '"caught"' } } ] } }
)"));
  rig.meanwhile([](environment& in) {
    in.settle();
    in.cancel("flow-1");
  });
  EXPECT_EQ(rig.run().status, execution_status::canceled);
}

TEST(Timeout, OfATaskIsAnErrorThatCanBeCaught) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { slow: { do: [ { nap: { wait: P9D } } ], timeout: { after: { minutes: 5 } } } } ]
      catch: { errors: { with: { type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout } }, as: why, do: [ { n: { set: '${ $why }' } } ] }
)"));
  const json error = rig.output();
  EXPECT_EQ(error["status"], 408);
  EXPECT_EQ(error["instance"], "/do/0/attempt/try/0/slow");
}

TEST(Timeout, EndsACallThatTakesTooLong) {
  interpreter_rig rig(file_of("  - ask: { call: ask, timeout: { after: PT1M } }\n"));
  environment in{registry()};
  in.hang(activity<json(json)>{.name = "ask"});
  const run_end end = rig.run_in(in);
  EXPECT_EQ(end.error["type"], spec + "timeout");
  EXPECT_THAT(in.history("flow-1"), SizeIs(::testing::Gt(3U)));
}

TEST(Timeout, ThatIsNotReachedChangesNothing) {
  interpreter_rig rig(file_of("  - nap: { wait: PT1S, timeout: { after: PT1M } }\n", "timeout: { after: PT1H }\n"));
  EXPECT_EQ(rig.given(3).output(), 3);
}

TEST(Timeout, OfTheWorkflow) {
  const json error = interpreter_rig(file_of("  - nap: { wait: P9D }\n", "timeout: { after: PT1H }\n")).error();
  EXPECT_EQ(error["type"], spec + "timeout");
  EXPECT_EQ(error["instance"], "/");
}

TEST(Expression, ThatTakesTooLongIsNoErrorOfTheWorkflow) {
  interpreter_rig rig(file_of(R"(
  - attempt:
      try: [ { spin: { set: '${ [range(1e9)] | length }' } } ]
      catch: { do: [ { note: { set: '"caught"' } } ] }
)"));
  environment in{registry()};
  EXPECT_THROW(rig.run_in(in), testing::environment_error);
  const auto about = in.describe("flow-1");
  EXPECT_EQ(about.status, execution_status::running);
  EXPECT_EQ(about.blocked, "turn_timeout");
  EXPECT_EQ(about.events, 0U) << "nothing of the turn is durable";
}

}  // namespace
}  // namespace evermill::interpreter
