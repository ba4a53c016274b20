/// @file
/// GoogleTest matchers for histories, and a test that crashes everywhere. The one header of evermill that needs
/// GoogleTest (GTest::gmock); link it yourself.
///
///     EXPECT_THAT(order.history(), HasEvents(ActivityScheduled("charge_card"), TimerFired(), WorkflowCompleted()));
#pragma once

#include <gmock/gmock.h>

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "evermill/testing/environment.hpp"

namespace evermill {

/// For GoogleTest: shows an event in a failure as its JSON.
inline void PrintTo(const history_event& event, std::ostream* out) { *out << event.json; }

}  // namespace evermill

namespace evermill::testing {

/// Matches one event of a history.
using event_matcher = ::testing::Matcher<const history_event&>;

namespace detail {

/// Every field of `wanted`, at any depth, is in `found` with that value.
inline bool includes(const nlohmann::json& found, const nlohmann::json& wanted) {
  if (!wanted.is_object() || !found.is_object()) return found == wanted;
  for (const auto& [name, value] : wanted.items()) {
    const auto field = found.find(name);
    if (field == found.end() || !includes(*field, value)) return false;
  }
  return true;
}

class is_event final : public ::testing::MatcherInterface<const history_event&> {
 public:
  is_event(std::string type, nlohmann::json fields) : type_(std::move(type)), fields_(std::move(fields)) {}

  bool MatchAndExplain(const history_event& event, ::testing::MatchResultListener*) const override {
    return event.type == type_ && includes(nlohmann::json::parse(event.json, nullptr, false), fields_);
  }
  void DescribeTo(std::ostream* out) const override {
    *out << "is " << type_;
    if (!fields_.empty()) *out << " with " << fields_;
  }

 private:
  const std::string type_;
  const nlohmann::json fields_;
};

class has_events final : public ::testing::MatcherInterface<const std::vector<history_event>&> {
 public:
  explicit has_events(std::vector<event_matcher> wanted) : wanted_(std::move(wanted)) {}

  bool MatchAndExplain(const std::vector<history_event>& events, ::testing::MatchResultListener* out) const override {
    std::size_t at = 0;
    std::string after = "the beginning";
    for (const event_matcher& wanted : wanted_) {
      while (at < events.size() && !wanted.Matches(events[at])) ++at;
      if (at == events.size()) {
        *out << "after " << after << " no event ";
        wanted.DescribeTo(out->stream() != nullptr ? out->stream() : &ignored_);
        return false;
      }
      after = "event " + std::to_string(events[at++].seq);
    }
    return true;
  }
  void DescribeTo(std::ostream* out) const override {
    const char* separator = "has, in this order, an event that ";
    for (const event_matcher& wanted : wanted_) {
      *out << std::exchange(separator, ", then one that ");
      wanted.DescribeTo(out);
    }
  }

 private:
  std::vector<event_matcher> wanted_;
  mutable std::ostream ignored_{nullptr};
};

}  // namespace detail

/// An event of this type ("ActivityTaskScheduled", …: as in `evermill history --json`) that has these fields, with
/// others beside them. Fields that have their default value are left out in a history.
inline event_matcher Event(std::string type, nlohmann::json fields = nlohmann::json::object()) {
  return event_matcher(new detail::is_event(std::move(type), std::move(fields)));
}

/// These events, in this order; others may lie between them. For all of a history: ElementsAre of GoogleTest.
template <class... Events>
::testing::Matcher<const std::vector<history_event>&> HasEvents(Events... events) {
  return ::testing::Matcher<const std::vector<history_event>&>(
      new detail::has_events(std::vector<event_matcher>{std::move(events)...}));
}

// --- the usual ones; values are what the codec made of them, as JSON

/// The run's start.
inline event_matcher WorkflowStarted() { return Event("WorkflowExecutionStarted"); }
/// The run's end with whatever result.
inline event_matcher WorkflowCompleted() { return Event("WorkflowExecutionCompleted"); }
/// The run's end with this result.
inline event_matcher WorkflowCompleted(nlohmann::json result) {
  return Event("WorkflowExecutionCompleted", {{"result", std::move(result)}});
}
/// The run's end with a failure of this type.
inline event_matcher WorkflowFailed(const std::string& type) {
  return Event("WorkflowExecutionFailed", {{"failure", {{"type", type}}}});
}
/// The end of a run that was canceled.
inline event_matcher WorkflowCanceled() { return Event("WorkflowExecutionCanceled"); }
/// The end of a run that was terminated.
inline event_matcher WorkflowTerminated() { return Event("WorkflowExecutionTerminated"); }
/// The end of a run that another one has followed.
inline event_matcher WorkflowContinuedAsNew() { return Event("WorkflowExecutionContinuedAsNew"); }
/// A cancel request.
inline event_matcher WorkflowCancelRequested() { return Event("WorkflowExecutionCancelRequested"); }
/// A signal of this name with whatever value.
inline event_matcher WorkflowSignaled(const std::string& name) {
  return Event("WorkflowExecutionSignaled", {{"signal_name", name}});
}
/// A signal of this name with this value.
inline event_matcher WorkflowSignaled(const std::string& name, nlohmann::json value) {
  return Event("WorkflowExecutionSignaled", {{"signal_name", name}, {"input", std::move(value)}});
}

/// A call of this activity with whatever argument.
inline event_matcher ActivityScheduled(const std::string& name) {
  return Event("ActivityTaskScheduled", {{"activity_type", name}});
}
/// A call of this activity with this argument.
inline event_matcher ActivityScheduled(const std::string& name, nlohmann::json input) {
  return Event("ActivityTaskScheduled", {{"activity_type", name}, {"input", std::move(input)}});
}
/// An activity's end with whatever result.
inline event_matcher ActivityCompleted() { return Event("ActivityTaskCompleted"); }
/// An activity's end with this result.
inline event_matcher ActivityCompleted(nlohmann::json result) {
  return Event("ActivityTaskCompleted", {{"result", std::move(result)}});
}
/// An activity's end with a failure of this type, after its last attempt.
inline event_matcher ActivityFailed(const std::string& type) {
  return Event("ActivityTaskFailed", {{"failure", {{"type", type}}}});
}
/// An activity's end because a limit was exceeded.
inline event_matcher ActivityTimedOut() { return Event("ActivityTaskTimedOut"); }
/// An activity is canceled by its workflow.
inline event_matcher ActivityCancelRequested() { return Event("ActivityTaskCancelRequested"); }

/// A timer, or the limit of a wait, is set.
inline event_matcher TimerStarted() { return Event("TimerStarted"); }
/// A timer, or the limit of a wait, is over.
inline event_matcher TimerFired() { return Event("TimerFired"); }
/// A timer, or the limit of a wait, is not needed any more.
inline event_matcher TimerCanceled() { return Event("TimerCanceled"); }

/// The start of a child with this workflow.
inline event_matcher ChildInitiated(const std::string& type) {
  return Event("StartChildWorkflowExecutionInitiated", {{"workflow_type", type}});
}
/// A child's end with a result.
inline event_matcher ChildCompleted() { return Event("ChildWorkflowExecutionCompleted"); }
/// A child's end with a failure.
inline event_matcher ChildFailed() { return Event("ChildWorkflowExecutionFailed"); }

/// A step of this name is asked for.
inline event_matcher StepScheduled(const std::string& name) { return Event("StepScheduled", {{"name", name}}); }
/// A step's result, or what it threw.
inline event_matcher StepRecorded() { return Event("MarkerRecorded"); }

/// Runs `test` in an environment of its own, then once more for each commit that it made, with a crash right after that
/// commit. Returns how often it crashed. A failure says at which commit. `options` names no data directory.
inline std::uint64_t crash_after_every_commit(const registry& definitions,
                                              const std::function<void(environment&)>& test,
                                              const environment_options& options = {}) {
  if (!options.data_directory.empty()) {
    throw std::invalid_argument("crash_after_every_commit keeps everything in memory");
  }
  std::uint64_t commits = 0;
  {
    environment whole(definitions, options);
    test(whole);
    commits = whole.commits();
  }
  std::uint64_t crashes = 0;
  const bool failed_before = ::testing::Test::HasFailure();
  for (std::uint64_t commit = 1; commit <= commits && ::testing::Test::HasFailure() == failed_before; ++commit) {
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, "crash after commit " + std::to_string(commit) + " of " +
                                                               std::to_string(commits));
    environment env(definitions, options);
    env.crash_after_commit(commit);
    test(env);
    crashes += env.crashes();
  }
  return crashes;
}

}  // namespace evermill::testing
