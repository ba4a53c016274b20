#include "evermill/testing/matchers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workflows.hpp"

namespace evermill::kit_tests {
namespace {

using namespace evermill::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

template <class M, class V>
std::string explanation(const M& matcher, const V& value) {
  ::testing::StringMatchResultListener said;
  EXPECT_FALSE(matcher.MatchAndExplain(value, &said));
  return said.str();
}

class Matchers : public ::testing::Test {
 protected:
  Matchers() : env(definitions()) {
    env.replace(charge_card, [](const charge&) { return std::string("paid"); });
    auto order = env.start(fulfil_order, charge{"4111", 5});
    order.result();
    events = order.history();
  }

  environment env;
  std::vector<history_event> events;
};

TEST_F(Matchers, EventsInTheirOrderAreFoundAmongOthers) {
  EXPECT_THAT(events, HasEvents(WorkflowStarted(), ActivityScheduled("charge_card"), ActivityCompleted("paid"),
                                TimerStarted(), TimerFired(), WorkflowCompleted("expired")));
  EXPECT_THAT(events, HasEvents(ActivityScheduled("charge_card"), WorkflowCompleted()));
  EXPECT_THAT(events, HasEvents());
}

TEST_F(Matchers, EventsInAnotherOrderAreNot) {
  EXPECT_THAT(events, Not(HasEvents(TimerFired(), ActivityScheduled("charge_card"))));
  EXPECT_THAT(events, Not(HasEvents(TimerFired(), TimerFired()))) << "each event is found once";
}

TEST_F(Matchers, AllEventsAreMatchedByElementsAre) {
  EXPECT_THAT(events, ElementsAre(WorkflowStarted(), ActivityScheduled("charge_card"), ActivityCompleted(),
      TimerStarted(),
                                  TimerFired(), WorkflowCompleted()));
}

TEST_F(Matchers, FieldsAreComparedAtAnyDepthAndOthersMayBeThere) {
  EXPECT_THAT(events, HasEvents(Event("ActivityTaskScheduled", {{"input", {{"cents", 5}}}})));
  EXPECT_THAT(events, Not(HasEvents(Event("ActivityTaskScheduled", {{"input", {{"cents", 6}}}}))));
  EXPECT_THAT(events, Not(HasEvents(Event("ActivityTaskScheduled", {{"unheard_of", 1}}))));
  EXPECT_THAT(events, HasEvents(ActivityScheduled("charge_card", {{"card", "4111"}})));
  EXPECT_THAT(events, Not(HasEvents(ActivityScheduled("another"))));
}

TEST_F(Matchers, AFailureSaysWhatIsMissingAfterWhat) {
  EXPECT_EQ(explanation(HasEvents(ActivityCompleted(), ActivityScheduled("pack")), events),
            "after event 3 no event is ActivityTaskScheduled with {\"activity_type\":\"pack\"}");
  EXPECT_EQ(::testing::DescribeMatcher<const std::vector<history_event>&>(HasEvents(TimerStarted(), TimerFired())),
            "has, in this order, an event that is TimerStarted, then one that is TimerFired");
  EXPECT_THAT(::testing::PrintToString(events.front()), HasSubstr("\"type\":\"WorkflowExecutionStarted\""));
}

TEST_F(Matchers, HaveWordsForEveryUsualEvent) {
  auto canceled = env.start(counts_down, 1);
  canceled.cancel();
  EXPECT_THROW(canceled.result(), workflow_failed);
  EXPECT_THAT(canceled.history(), HasEvents(WorkflowCancelRequested(), WorkflowCanceled()));
  auto terminated = env.start(counts_down, 0);
  terminated.terminate();
  EXPECT_THAT(terminated.history(), HasEvents(WorkflowTerminated()));
  auto stepped = env.start(steps_once);
  stepped.signal(approval, "alice");
  stepped.result();
  EXPECT_THAT(stepped.history(), HasEvents(StepScheduled("count"), WorkflowSignaled("approval", "alice"),
      StepRecorded()));
  auto parent = env.start(sum_by_children, 1);
  parent.result();
  EXPECT_THAT(parent.history(), HasEvents(ChildInitiated("sum_of_squares"), ChildCompleted()));
  auto timed = env.start(fulfil_order, charge{"1", 1});
  timed.signal(approval, "bob");
  timed.result();
  EXPECT_THAT(timed.history(), HasEvents(WorkflowSignaled("approval")));
  env.replace(square, [](int) -> int { throw application_error("Odd", "no", {}, true); });
  auto failed = env.start(sum_by_children, 1);
  EXPECT_THROW(failed.result(), workflow_failed);
  EXPECT_THAT(failed.history(), HasEvents(ChildFailed(), WorkflowFailed("ChildWorkflowFailed")));
  EXPECT_THAT(env.find<int>(env.list().back().workflow_id).history(), HasEvents(WorkflowStarted()));
}

}  // namespace
}  // namespace evermill::kit_tests
