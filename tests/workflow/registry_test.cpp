#include "evermill/registry.hpp"
#include "workflow/built_in.hpp"
#include "workflow/registry_data.hpp"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <variant>

namespace evermill {
namespace {

constexpr activity<int(int)> square{.name = "square"};
constexpr activity<void()> ping{.name = "ping"};

task<int> echo(context, int n) { co_return n; }
task<> quiet(context) { co_return; }

using outcome = std::variant<std::optional<payload>, failure>;

outcome run(const registry& r, const std::string& name, const payload& input) {
  activity_context attempt({.workflow_id = "w", .activity_type = name, .attempt = 3, .dispatch_id = "d"}, {});
  return r.find_activity(name)->run(attempt, input);
}

template <class F>
failure failure_of(F f) {
  registry r;
  r.add(square, f);
  return std::get<failure>(run(r, "square", json_payload("3")));
}

TEST(Registry, FindsWhatWasAdded) {
  registry r;
  r.add("echo", echo);
  r.add("quiet", quiet);
  r.add(square, [](int n) { return n * n; });
  EXPECT_EQ(r.workflow_names(), (std::vector<std::string>{"echo", "quiet"}));
  EXPECT_EQ(r.find_workflow("echo")->name, "echo");
  EXPECT_EQ(r.find_workflow("nobody"), nullptr);
  EXPECT_EQ(r.find_activity("echo"), nullptr);
  EXPECT_EQ(r.name_of(echo), "echo");
  const registry copy = r;
  EXPECT_EQ(copy.find_workflow("echo"), r.find_workflow("echo"));
}

TEST(Registry, RefusesEmptyAndTakenNames) {
  registry r;
  r.add("echo", echo);
  r.add(square, [](int n) { return n; });
  EXPECT_THROW(r.add("", echo), std::invalid_argument);
  EXPECT_THROW(r.add("echo", quiet), std::invalid_argument);
  EXPECT_THROW(r.add(square, [](int n) { return n; }), std::invalid_argument);
  EXPECT_EQ(r.name_of(echo), "echo") << "a refused name leaves no trace";
}

TEST(Registry, ActivitiesHaveVersions) {
  registry r;
  r.add(square, [](int n) { return n; }, {.version = "1"});
  r.add(square, [](int n) { return n * n; }, {.version = "2"});
  EXPECT_THROW(r.add(square, [](int n) { return n; }, {.version = "1"}), std::invalid_argument);
  EXPECT_EQ(r.find_activity("square")->version, "2") << "the one that was added last";
  EXPECT_EQ(r.find_activity("square", "1")->version, "1");
  EXPECT_EQ(r.find_activity("square", "3"), nullptr);
  EXPECT_EQ(r.activity_names(), std::vector<std::string>{"square"});
}

TEST(Registry, TheDefaultVersionIsThatOfActivitiesToo) {
  registry r;
  r.add(square, [](int n) { return n; });
  r.set_default_version("7");
  r.add(ping, [] {});
  EXPECT_EQ(r.find_activity("square")->version, "7");
  EXPECT_EQ(r.find_activity("ping", "7")->name, "ping");
  registry taken;
  taken.add(square, [](int n) { return n; }, {.version = "7"});
  taken.add(square, [](int n) { return n; });
  EXPECT_THROW(taken.set_default_version("7"), std::invalid_argument);
}

TEST(Registry, NameOfAFunctionThatIsNotThereSaysWhatToDo) {
  registry r;
  try {
    r.name_of(echo);
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("registry.add"));
  }
}

TEST(Registry, ActivitiesTakeTheInputAndTheContextWhereTheyWant) {
  registry r;
  r.add(square, [](activity_context& attempt, int n) { return n * static_cast<int>(attempt.attempt()); });
  r.add(ping, [](activity_context&) {});
  EXPECT_EQ(std::get<0>(run(r, "square", json_payload("5"))), json_payload("15"));
  EXPECT_EQ(std::get<0>(run(r, "ping", {})), std::nullopt);
}

TEST(Registry, AnExceptionBecomesAFailureWithItsType) {
  const failure declined =
      failure_of([](int) -> int { throw application_error("CardDeclined", "no funds", json_payload("1"), true); });
  EXPECT_EQ(declined.kind, failure_kind::application);
  EXPECT_EQ(declined.type, "CardDeclined");
  EXPECT_EQ(declined.details, json_payload("1"));
  EXPECT_TRUE(declined.non_retryable);

  const failure range = failure_of([](int) -> int { throw std::out_of_range("too far"); });
  EXPECT_EQ(range.type, "std::out_of_range");
  EXPECT_EQ(range.message, "too far");
  EXPECT_FALSE(range.non_retryable);

  EXPECT_EQ(failure_of([](int) -> int { throw canceled_error("stop"); }).kind, failure_kind::canceled);
  EXPECT_EQ(failure_of([](int) -> int { throw 5; }).kind, failure_kind::application);
}

TEST(Registry, AnInputThatDoesNotDecodeIsNotRetried) {
  registry r;
  r.add(square, [](int n) { return n; });
  const failure why = std::get<failure>(run(r, "square", json_payload("[]")));
  EXPECT_EQ(why.kind, failure_kind::invalid_payload);
  EXPECT_TRUE(why.non_retryable);
}

task<> built_in_one(context) { co_return; }
task<> of_the_user(context) { co_return; }

TEST(BuiltIn, IsInACopyThatSharesNothing) {
  registry given;
  given.add("mine", of_the_user);
  const auto add = [](registry& to) { to.add("evermill.own", built_in_one); };
  const registry with = workflow::with_built_in(given, add);
  ASSERT_NE(with.find_workflow("evermill.own"), nullptr);
  ASSERT_NE(with.find_workflow("mine"), nullptr);
  EXPECT_EQ(given.find_workflow("evermill.own"), nullptr) << "what the user has is as it was";
  EXPECT_EQ(with.workflow_names(), std::vector<std::string>{"mine"}) << "they are nobody's to choose from";
  EXPECT_EQ(with.name_of(of_the_user), "mine");
  EXPECT_EQ(with.find_workflow("mine")->owner->name_of(reinterpret_cast<const void*>(of_the_user)), "mine");
  EXPECT_NE(workflow::with_built_in(with, add).find_workflow("evermill.own"), nullptr) << "an engine may be given another one's";
  registry again = with;
  EXPECT_THROW(again.add("evermill.mine", of_the_user), std::invalid_argument);
}

TEST(BuiltIn, HasNoDefaultVersion) {
  registry given;
  given.set_default_version("7");
  const registry with = workflow::with_built_in(given, [](registry& to) { to.add("evermill.own", built_in_one); });
  EXPECT_EQ(with.find_workflow("evermill.own")->version, "");
}

}  // namespace
}  // namespace evermill
