// What a partition counts, as a scrape shows it.
#include <gmock/gmock.h>

#include "actors/node_metrics.hpp"
#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class PartitionMetrics : public testing::Test {
 protected:
  static partition_options counted_by(node_metrics& counts) {
    partition_options options;
    options.recovery_chunk = 1;
    options.metrics = &counts;
    return options;
  }
  std::string scraped() const {
    metrics::scrape all;
    counts.collect(all);
    return all.text();
  }
  /// The line of a series, without its end.
  std::string line(const std::string& series) const {
    const std::string text = scraped();
    const std::size_t at = text.find("\n" + series + " ");
    return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  }
  void expect(const std::string& name, const std::string& more_labels, int value) const {
    const std::string series = "evermill_" + name + "{partition=\"0\"" + more_labels + "}";
    EXPECT_EQ(line(series), series + " " + std::to_string(value));
  }

  node_metrics counts;
  partition_rig rig{test_workflows(), counted_by(counts)};
};

TEST_F(PartitionMetrics, CountTurnsAndWhatLedToThem) {
  rig.start("w", "reads_two", "0");
  rig.settle();
  const messages::DecisionEvent first = rig.over_lane(1, rig.signal_event("w", "number", "1"));
  rig.publish(first);
  rig.settle();
  expect("turns_total", "", 2);
  expect("decision_events_total", "", 2);
  expect("executions_started_total", "", 1);
  expect("live_instances", "", 1);
  rig.publish(first);
  rig.signal("nobody", "number", "1");
  rig.settle();
  expect("turns_total", "", 2);
  expect("repeated_events_total", "", 1);
  expect("decision_events_total", "", 3);
}

TEST_F(PartitionMetrics, CountHowExecutionsEnd) {
  rig.start("completes", "echo", "1");
  rig.start("terminated", "reads_two", "0");
  rig.start("canceled", "reads_two", "0");
  rig.settle();
  rig.terminate("terminated");
  rig.cancel("canceled");
  rig.settle();
  expect("executions_started_total", "", 3);
  expect("executions_ended_total", ",status=\"completed\"", 1);
  expect("executions_ended_total", ",status=\"terminated\"", 1);
  expect("executions_ended_total", ",status=\"canceled\"", 1);
  expect("executions_ended_total", ",status=\"failed\"", 0);
}

TEST_F(PartitionMetrics, ARunThatIsFollowedByAnotherIsNoEndOfItsExecution) {
  rig.start("w", "rounds", "[2,0]");
  for (const char* number : {"1", "2"}) {
    rig.settle();
    rig.signal("w", "number", number);
  }
  rig.settle();
  expect("runs_continued_as_new_total", "", 1);
  expect("executions_started_total", "", 1);
  expect("executions_ended_total", ",status=\"completed\"", 1);
}

TEST_F(PartitionMetrics, TimeCommits) {
  rig.start("w", "reads_two", "0");
  rig.pump();
  rig.advance(300ms);
  rig.make_durable();
  rig.settle();
  expect("commits_total", "", 1);
  EXPECT_GT(counts.of(rig.own).commit_bytes.value(), 0U);
  EXPECT_THAT(line("evermill_commit_duration_seconds_bucket{le=\"0.25\"}"), EndsWith("} 0"));
  EXPECT_THAT(line("evermill_commit_duration_seconds_bucket{le=\"0.5\"}"), EndsWith("} 1"));
}

TEST_F(PartitionMetrics, KnowWhatOthersHaveNotAcknowledged) {
  rig.start("p", "parent_elsewhere", "1");
  rig.start("q", "everything_at_once", "1");
  rig.settle();
  expect("lane_unacknowledged_messages", "", 2);
  messages::DecisionEvent event;
  event.mutable_lane_acknowledged()->set_destination_partition(partition_rig::other.value);
  event.mutable_lane_acknowledged()->set_through(1);
  rig.publish(event);
  rig.publish(event);
  rig.settle();
  expect("lane_unacknowledged_messages", "", 1);
  rig.subject().drain();
  rig.settle();
  rig.restart();
  rig.settle();
  expect("lane_unacknowledged_messages", "", 1);
}

TEST_F(PartitionMetrics, CountActivitiesByTaskQueueAndOutcome) {
  rig.start("good", "asks", "1");
  rig.start("bad", "asks_once", "1");
  rig.start("stopped", "asks", "1");
  rig.settle();
  ASSERT_THAT(rig.tasks, SizeIs(3));
  EXPECT_THAT(scraped(), HasSubstr("evermill_activities_scheduled_total{task_queue=\"default\"} 3\n"));
  rig.complete(*rig.tasks[0], "2");
  rig.fail(*rig.tasks[1]);
  rig.terminate("stopped");
  rig.settle();
  const std::string text = scraped();
  EXPECT_THAT(text, HasSubstr("evermill_activities_ended_total{task_queue=\"default\",outcome=\"completed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("evermill_activities_ended_total{task_queue=\"default\",outcome=\"failed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("evermill_activities_ended_total{task_queue=\"default\",outcome=\"canceled\"} 1\n"));
  rig.complete(*rig.tasks[0], "2");
  rig.settle();
  expect("late_results_total", "", 1);
}

TEST_F(PartitionMetrics, TellWhetherItHasRecovered) {
  for (const char* id : {"a", "b", "c"}) rig.start(id, "asks_then_reads", "1");
  rig.settle();
  EXPECT_THAT(counts.recovering(), IsEmpty());
  expect("partition_recovered", "", 1);
  rig.hold_recovery(true);
  rig.restart();
  rig.settle();
  EXPECT_THAT(counts.recovering(), ElementsAre(rig.own));
  expect("partition_recovered", "", 0);
  EXPECT_THAT(scraped(), Not(HasSubstr("evermill_recovery_duration_seconds{")));
  rig.advance(2s);
  rig.hold_recovery(false);
  rig.settle();
  EXPECT_THAT(counts.recovering(), IsEmpty());
  expect("recovery_duration_seconds", "", 2);
}

TEST(NodeMetrics, APartitionThatIsGoneCountsOnWhenItComesBack) {
  node_metrics counts;
  {
    partition_options options;
    options.metrics = &counts;
    partition_rig rig(test_workflows(), options);
    rig.start("w", "reads_two", "0");
    rig.settle();
    EXPECT_EQ(counts.of(rig.own).live_instances.value(), 1);
  }
  metrics::scrape all;
  counts.collect(all);
  EXPECT_THAT(all.text(), HasSubstr("evermill_turns_total{partition=\"0\"} 1\n"));
  EXPECT_THAT(all.text(), Not(HasSubstr("evermill_live_instances{")));
  EXPECT_THAT(all.text(), Not(HasSubstr("evermill_partition_recovered{")));
  EXPECT_THAT(counts.recovering(), IsEmpty());
}

}  // namespace
}  // namespace evermill::actors
