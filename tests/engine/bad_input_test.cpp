// What users do wrong, or only seldom: odd ids, wrong types, odd exceptions, several engines, ends in the middle.
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"

namespace evermill {
namespace {

/// Large without the cost of JSON.
struct blob {
  std::string bytes;
};

}  // namespace

template <>
struct codec<blob> {
  static payload encode(const blob& value) { return {payload::content_type::bytes, {}, value.bytes}; }
  static blob decode(const payload& from) { return {from.data}; }
};

namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr activity<int(int)> once{.name = "once", .options = {.retry = {.max_attempts = 1}}};
constexpr activity<std::string(int)> once_in_words{.name = "once"};
constexpr activity<int(int)> blocks{.name = "blocks"};
constexpr signal<int> number{.name = "number"};

task<int> calls_once(context ctx, int n) { co_return co_await ctx.call(once, n); }
task<int> reads(context ctx) { co_return co_await ctx.wait(number); }
task<int> blocks_twice(context ctx, int n) {
  const int first = co_await ctx.call(blocks, n);
  const int second = co_await ctx.call(blocks, first);
  co_return second;
}

std::string numbered(int i) { return std::string("w").append(std::to_string(i)); }

class BadInput : public testing::Test {
 protected:
  BadInput()
      : directory_(std::filesystem::temp_directory_path() /
                   std::string("evermill-bad-input-")
                       .append(std::to_string(::getpid()))
                       .append(testing::UnitTest::GetInstance()->current_test_info()->name())) {
    registry_.add("calls_once", calls_once);
    registry_.add("reads", reads);
    registry_.add("blocks_twice", blocks_twice);
  }
  ~BadInput() override { std::filesystem::remove_all(directory_); }

  engine_options durable() const { return {.data_directory = directory_, .stop_grace = 1s}; }

  /// How an execution of calls_once ends when its activity is `function`.
  template <class Handle, class F>
  failure cause_with(const Handle& handle, F function) {
    registry_.add(handle, function);
    engine e(registry_, durable());
    e.start(calls_once, 1, {.id = "w"});
    const execution_end end = e.wait("w");
    EXPECT_EQ(end.status, execution_status::failed);
    return end.cause.value_or(failure{});
  }

  static engine_errc code_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const engine_error& error) {
      return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return engine_errc::unavailable;
  }

  registry registry_;
  std::filesystem::path directory_;
};

TEST_F(BadInput, AnIdMayHoldAnyTextWithoutControlCharacters) {
  const std::string ids[] = {"päckchen/№ 5 \U0001F69A", "\"quoted\" \\ 'id'", "../../etc", " ", std::string(512, 'x'), "0"};
  {
    engine e(registry_, durable());
    for (const std::string& id : ids) {
      EXPECT_EQ(e.start(reads, {.id = id}).id(), id);
      e.signal(id, "number", json_payload("5"));
      EXPECT_EQ(e.wait(id).status, execution_status::completed) << id;
    }
  }
  engine e(registry_, durable());
  EXPECT_EQ(e.list("", 100).size(), std::size(ids));
  for (const std::string& id : ids) {
    EXPECT_EQ(e.describe(id).workflow_id, id);
    EXPECT_EQ(e.history(id).size(), 3U) << id;
  }
}

TEST_F(BadInput, AnIdThatCannotBeIsRefusedEverywhere) {
  engine e(registry_);
  for (const std::string& id : {std::string("a\tb"), std::string("a\0b", 3), std::string("\xc0\xaf"), std::string(513, 'x')}) {
    EXPECT_EQ(code_of([&] { e.start(reads, {.id = id}); }), engine_errc::invalid_argument);
    EXPECT_EQ(code_of([&] { e.signal(id, "number", json_payload("5")); }), engine_errc::invalid_argument);
    EXPECT_EQ(code_of([&] { e.cancel(id); }), engine_errc::invalid_argument);
    EXPECT_EQ(code_of([&] { e.terminate(id); }), engine_errc::invalid_argument);
    EXPECT_EQ(code_of([&] { e.taint(id); }), engine_errc::invalid_argument);
    EXPECT_EQ(code_of([&] { e.describe(id); }), engine_errc::not_found);
  }
  EXPECT_EQ(code_of([&] { e.signal("", "number", {}); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { e.signal("w", "", {}); }), engine_errc::invalid_argument);
  EXPECT_TRUE(e.list("", 10).empty());
}

TEST_F(BadInput, AnUnknownWorkflowIsRefusedWithTheOnesThereAre) {
  engine e(registry_);
  try {
    e.start("redas", {}, {});
    FAIL() << "it was started";
  } catch (const engine_error& error) {
    EXPECT_EQ(error.code(), engine_errc::unknown_workflow);
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("\"redas\""), HasSubstr("calls_once"), HasSubstr("reads")));
  }
}

TEST_F(BadInput, ASignalOfAnotherTypeFailsTheExecutionThatReadsIt) {
  engine e(registry_);
  auto h = e.start(reads);
  e.signal(h.id(), "number", json_payload("\"five\""));
  const execution_end end = e.wait(h.id());
  EXPECT_EQ(end.status, execution_status::failed);
  EXPECT_EQ(end.cause->kind, failure_kind::invalid_payload);
  EXPECT_THAT(end.cause->message, HasSubstr("\"five\""));
}

TEST_F(BadInput, AnActivitysResultOfAnotherTypeFailsTheExecution) {
  const failure cause = cause_with(once_in_words, [](int) { return std::string("one"); });
  EXPECT_EQ(cause.kind, failure_kind::invalid_payload);
  EXPECT_THAT(cause.message, HasSubstr("\"one\""));
}

TEST_F(BadInput, AnActivityMayThrowAnything) {
  const failure cause = cause_with(once, [](int n) -> int { throw n; });
  ASSERT_TRUE(cause.cause);
  EXPECT_THAT(cause.cause->message, HasSubstr("not a std::exception"));
}

TEST_F(BadInput, TextThatIsNotUtf8IsKeptReadable) {
  const failure cause = cause_with(once, [](int) -> int { throw std::runtime_error("caf\xe9 closed"); });
  ASSERT_TRUE(cause.cause);
  EXPECT_EQ(cause.cause->message, "caf\xef\xbf\xbd closed");
  engine e(registry_, durable());  // reads what was written
  EXPECT_EQ(e.wait("w").cause->cause->message, cause.cause->message);
  e.start(reads, {.id = "canceled"});
  e.cancel("canceled", "caf\xe9");
  EXPECT_EQ(e.wait("canceled").status, execution_status::canceled);
  EXPECT_EQ(e.history("canceled").size(), 3U);
}

TEST_F(BadInput, EnginesInOneProcessDoNotMeet) {
  registry_.add(once, [](int n) { return n + 1; });
  engine_options second = durable();
  second.data_directory += "-2";
  {
    engine a(registry_, durable());
    engine b(registry_, second);
    engine c(registry_);
    for (int i = 0; i < 20; ++i) {
      const std::string id = numbered(i);
      auto in_a = a.start(calls_once, 1, {.id = id});
      auto in_b = b.start(calls_once, 2, {.id = id});
      auto in_c = c.start(calls_once, 3, {.id = id});
      EXPECT_EQ(in_a.result(), 2);
      EXPECT_EQ(in_b.result(), 3);
      EXPECT_EQ(in_c.result(), 4);
    }
  }
  std::filesystem::remove_all(second.data_directory);
}

TEST_F(BadInput, CallbacksTellWhatTheWaitingFormsDo) {
  registry_.add(once, [](int n) { return n + 1; });
  engine e(registry_);
  const auto start = [&](const char* json) {
    std::promise<std::pair<std::optional<engine_error>, started_execution>> told;
    e.start("calls_once", json_payload(json), {.id = "w"},
            [&](std::optional<engine_error> error, started_execution started) { told.set_value({error, started}); });
    return told.get_future().get();
  };
  const auto first = start("1");
  EXPECT_FALSE(first.first);
  EXPECT_EQ(first.second.workflow_id, "w");
  EXPECT_FALSE(first.second.existed);
  EXPECT_TRUE(start("1").second.existed);
  const auto refused = start("2");
  ASSERT_TRUE(refused.first);
  EXPECT_EQ(refused.first->code(), engine_errc::already_exists);

  for (int again = 0; again < 2; ++again) {  // the second time it has ended already
    std::promise<execution_end> ended;
    e.wait("w", [&](std::optional<engine_error> error, execution_end end) {
      EXPECT_FALSE(error);
      ended.set_value(std::move(end));
    });
    EXPECT_EQ(ended.get_future().get().result, json_payload("2"));
  }
  std::promise<std::optional<engine_error>> missing;
  e.wait("nobody", [&](std::optional<engine_error> error, execution_end) { missing.set_value(std::move(error)); });
  EXPECT_EQ(missing.get_future().get()->code(), engine_errc::not_found);
}

inline constexpr activity<blob(blob)> gives_back{.name = "gives_back"};

task<blob> passes_on(context ctx, blob text) {
  blob back = co_await ctx.call(gives_back, text);
  co_await ctx.wait(signal<>{.name = "go"});
  co_return back;
}

TEST_F(BadInput, AnArgumentOf100MegabytesIsKeptLikeAnyOther) {
  registry_.add("passes_on", passes_on);
  registry_.add(gives_back, [](blob text) { return text; });
  const blob large{std::string(100'000'000, 'x')};
  {
    engine e(registry_, durable());
    e.start(passes_on, large, {.id = "w"});
  }
  engine e(registry_, durable());
  e.signal("w", "go", payload{});
  const execution_end end = e.wait("w");
  ASSERT_EQ(end.status, execution_status::completed) << (end.cause ? end.cause->message : "");
  EXPECT_EQ(end.result->data.size(), large.bytes.size());
}

blob too_large() { return {std::string(max_payload_bytes + 1, 'x')}; }

task<blob> makes_a_large_result(context, int) { co_return too_large(); }
task<void> gives_a_large_argument(context ctx) {
  const blob argument = too_large();
  co_await ctx.call(gives_back, argument);
}

TEST_F(BadInput, WhatIsTooLargeIsRefusedBeforeAnythingHappens) {
  registry_.add("makes_a_large_result", makes_a_large_result);
  registry_.add("gives_a_large_argument", gives_a_large_argument);
  const payload large = codec<blob>::encode(too_large());
  engine e(registry_, durable());
  EXPECT_EQ(code_of([&] { e.start("calls_once", large, {.id = "v"}); }),
            engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { e.describe("v"); }), engine_errc::not_found);
  e.start(reads, {.id = "r"});
  EXPECT_EQ(code_of([&] { e.signal("r", "number", large); }), engine_errc::invalid_argument);
  EXPECT_EQ(e.describe("r").events, 1U);
  e.start(makes_a_large_result, 1, {.id = "result"});
  EXPECT_THAT(e.wait("result").cause.value_or(failure{}).message, HasSubstr("at most 268435456"));
  e.start(gives_a_large_argument, {.id = "argument"});
  EXPECT_THAT(e.wait("argument").cause.value_or(failure{}).message, HasSubstr("at most 268435456"));
}

TEST_F(BadInput, AnActivitysResultThatIsTooLargeFailsItOnce) {
  int calls = 0;
  const failure cause = cause_with(activity<blob(int)>{.name = "once"}, [&](int) {
    ++calls;
    return too_large();
  });
  EXPECT_EQ(cause.type, "ActivityFailed");
  EXPECT_EQ(calls, 1);
}

TEST_F(BadInput, AnActivityThatNeverReturnsDoesNotHoldUpTheEnd) {
  std::promise<void> entered;
  std::promise<void> released;
  auto until = released.get_future().share();
  registry_.add(blocks, [&, until](int n) {
    entered.set_value();
    until.wait();
    return n;
  });
  {
    engine_options impatient = durable();
    impatient.stop_grace = 10ms;
    engine e(registry_, impatient);
    e.start(blocks_twice, 1, {.id = "w"});
    entered.get_future().wait();
  }
  released.set_value();
  engine e(registry_, engine_options{.mode = engine_mode::inspect, .data_directory = directory_});
  EXPECT_EQ(e.describe("w").activities.size(), 1U) << "it is still to be done";
}

TEST_F(BadInput, WhoeverWaitsWhenTheEngineStopsIsTold) {
  std::promise<std::optional<engine_error>> told;
  {
    engine e(registry_);
    e.start(reads, {.id = "w"});
    e.wait("w", [&](std::optional<engine_error> error, execution_end) { told.set_value(std::move(error)); });
  }
  EXPECT_EQ(told.get_future().get()->code(), engine_errc::unavailable);
}

TEST_F(BadInput, AnEngineThatEndsInTheMiddleGoesOnWhenItIsOpenedAgain) {
  constexpr int count = 100;
  std::mutex mutex;
  std::condition_variable_any changed;
  bool open = false;
  std::atomic<int> entered{0};
  registry_.add(blocks, [&](activity_context& about, int n) {
    std::unique_lock lock(mutex);
    ++entered;
    changed.notify_all();
    if (!changed.wait(lock, about.stop_token(), [&] { return open; })) throw std::runtime_error("stopped");
    return n + 1;
  });
  {
    engine e(registry_, durable());
    for (int i = 0; i < count; ++i) e.start(blocks_twice, i, {.id = numbered(i)});
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered > 0; });
  }
  open = true;
  engine e(registry_, durable());
  for (int i = 0; i < count; ++i) {
    const execution_end end = e.wait(numbered(i));
    EXPECT_EQ(end.status, execution_status::completed) << (end.cause ? end.cause->message : "");
    EXPECT_EQ(end.result, json_payload(std::to_string(i + 2)));
  }
}

}  // namespace
}  // namespace evermill
