// Spans: when they are told, whose parts they are, and that a restart makes the same ones.
#include <gmock/gmock.h>

#include <set>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr const char* unsampled_caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

struct every_trace final : tracing::span_sink {
  bool samples(const tracing::trace_context&) const noexcept override { return wanted; }
  void offer(std::vector<tracing::span>&&) override {}
  bool wanted = true;
};

class Tracing : public testing::Test {
 protected:
  partition_options options() {
    partition_options made;
    made.id = partition_rig::own;
    made.spans = &sink;
    return made;
  }
  void start(const std::string& id, const std::string& type, const std::string& json, const std::string& traceparent) {
    messages::DecisionEvent event;
    event.set_workflow_id(id);
    auto& started = *event.mutable_event()->mutable_workflow_execution_started();
    started.set_workflow_type(type);
    started.set_traceparent(traceparent);
    started.mutable_input()->set_data(json);
    rig.publish(std::move(event));
  }
  std::vector<tracing::span> named(const std::string& name) const {
    std::vector<tracing::span> found;
    for (const tracing::span& each : rig.spans) {
      if (each.name == name) found.push_back(each);
    }
    return found;
  }
  tracing::trace_context context_of(const messages::ActivityTask& task) const {
    return tracing::parse_traceparent(task.traceparent()).value();
  }

  every_trace sink;
  partition_rig rig{test_workflows(), options()};
};

TEST_F(Tracing, NothingIsToldBeforeItIsDurable) {
  start("w", "asks", "1", caller);
  rig.pump();
  EXPECT_THAT(rig.spans, IsEmpty());
  rig.make_durable();
  EXPECT_THAT(named("turn"), SizeIs(1));
  rig.settle();
  rig.complete(*rig.tasks.at(0), "2");
  rig.pump();
  EXPECT_THAT(named("activity ask"), IsEmpty());
  EXPECT_THAT(named("workflow asks"), IsEmpty());
  rig.fail_commit();
  EXPECT_THAT(named("activity ask"), IsEmpty());
}

TEST_F(Tracing, ARunIsItsCallersAndAnAttemptIsItsRuns) {
  start("w", "asks", "1", caller);
  rig.settle();
  const tracing::trace_context attempt = context_of(*rig.tasks.at(0));
  rig.complete(*rig.tasks.at(0), "2");
  rig.settle();
  const tracing::trace_context from = tracing::parse_traceparent(caller).value();
  const auto runs = named("workflow asks");
  ASSERT_THAT(runs, SizeIs(1));
  EXPECT_EQ(runs[0].parent, from.span);
  EXPECT_EQ(runs[0].how, tracing::span::status::ok);
  const auto attempts = named("activity ask");
  ASSERT_THAT(attempts, SizeIs(1));
  EXPECT_EQ(attempts[0].parent, runs[0].where.span);
  EXPECT_EQ(attempts[0].where, attempt);
  EXPECT_THAT(named("turn"), SizeIs(2));
  std::set<std::uint64_t> ids;
  for (const tracing::span& each : rig.spans) {
    EXPECT_EQ(each.where.trace_high, from.trace_high);
    EXPECT_EQ(each.where.trace_low, from.trace_low);
    ids.insert(each.where.span);
  }
  EXPECT_EQ(ids.size(), rig.spans.size());
}

TEST_F(Tracing, ARestartKnowsTheCallerAndGoesOnWithTheSameRun) {
  start("w", "asks", "1", caller);
  rig.settle();
  const std::string first = rig.tasks.at(0)->traceparent();
  rig.restart();
  rig.settle();
  ASSERT_TRUE(rig.tick());  // the lost attempt is followed by another
  rig.settle();
  ASSERT_THAT(rig.tasks, SizeIs(2));
  EXPECT_NE(rig.tasks.at(1)->traceparent(), first);
  EXPECT_EQ(context_of(*rig.tasks.at(1)).trace_low, tracing::parse_traceparent(caller)->trace_low);
  rig.complete(*rig.tasks.at(1), "2");
  rig.settle();
  const auto runs = named("workflow asks");
  ASSERT_THAT(runs, SizeIs(1));
  const auto attempts = named("activity ask");
  ASSERT_THAT(attempts, SizeIs(2));  // the one that was lost, too
  EXPECT_EQ(attempts[0].where, tracing::parse_traceparent(first));
  EXPECT_EQ(attempts[0].how, tracing::span::status::error);
  for (const tracing::span& each : attempts) EXPECT_EQ(each.parent, runs[0].where.span);
  EXPECT_EQ(runs[0].parent, tracing::parse_traceparent(caller)->span);
}

TEST_F(Tracing, AChildIsItsParents) {
  start("w", "parent_elsewhere", "1", caller);
  rig.settle();
  ASSERT_THAT(rig.sent, SizeIs(1));
  const auto child = tracing::parse_traceparent(rig.sent[0]->event().workflow_execution_started().traceparent());
  ASSERT_TRUE(child);
  const auto turns = named("turn");
  ASSERT_THAT(turns, SizeIs(1));
  EXPECT_EQ(child->span, turns[0].parent);
  EXPECT_EQ(child->trace_low, tracing::parse_traceparent(caller)->trace_low);
}

TEST_F(Tracing, AllRunsOfAnExecutionAreInOneTrace) {
  start("w", "rounds", "[2,0]", "");
  rig.settle();
  rig.signal("w", "number", "5");
  rig.settle();
  rig.signal("w", "number", "6");
  rig.settle();
  const auto runs = named("workflow rounds");
  ASSERT_THAT(runs, SizeIs(2));
  EXPECT_EQ(runs[0].parent, 0u);
  EXPECT_EQ(runs[1].parent, runs[0].where.span);
  EXPECT_EQ(runs[0].where.trace_low, runs[1].where.trace_low);
}

TEST_F(Tracing, WhatTheCallerHasNotSampledIsNotTold) {
  start("w", "asks", "1", unsampled_caller);
  rig.settle();
  EXPECT_FALSE(context_of(*rig.tasks.at(0)).sampled());
  rig.complete(*rig.tasks.at(0), "2");
  rig.settle();
  EXPECT_THAT(rig.spans, IsEmpty());
}

TEST_F(Tracing, WhatNobodyHasSampledIsNotTold) {
  sink.wanted = false;
  start("w", "echo", "1", "");
  start("v", "echo", "1", caller);
  rig.settle();
  EXPECT_THAT(named("workflow echo"), SizeIs(1));
}

TEST_F(Tracing, WithoutASinkTheCallersPlaceIsPassedOnAsItIs) {
  rig.options().spans = nullptr;
  rig.restart();
  start("w", "asks", "1", caller);
  start("v", "asks", "1", "");
  rig.settle();
  ASSERT_THAT(rig.tasks, SizeIs(2));
  EXPECT_EQ(rig.tasks.at(0)->traceparent(), caller);
  EXPECT_EQ(rig.tasks.at(1)->traceparent(), "");
  rig.restart();
  rig.settle();
  ASSERT_TRUE(rig.tick());
  rig.settle();
  ASSERT_THAT(rig.tasks, SizeIs(4));
  EXPECT_EQ(rig.tasks.at(2)->traceparent(), caller);
  EXPECT_THAT(rig.spans, IsEmpty());
}

}  // namespace
}  // namespace evermill::actors
