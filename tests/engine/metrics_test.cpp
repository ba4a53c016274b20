// What an engine shows to a monitoring system, and when it calls itself ready.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine_metrics.hpp"
#include "evermill/context.hpp"
#include "evermill/engine.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::Optional;

inline constexpr activity<int(int)> next_of{.name = "next_of"};
task<int> one_more(context ctx, int n) { co_return co_await ctx.call(next_of, n); }

registry with_one_more() {
  registry known;
  known.add("one_more", one_more);
  known.add(next_of, [](int n) { return n + 1; });
  return known;
}

TEST(EngineMetrics, ShowWhatTheEngineDoes) {
  engine e(with_one_more(), {.partitions = 1});
  EXPECT_EQ(e.why_not_ready(), std::nullopt);
  EXPECT_THAT(e.metrics(), HasSubstr("evermill_turns_total{partition=\"0\"} 0\n"));
  EXPECT_EQ(e.start(one_more, 1).result(), 2);
  const std::string text = e.metrics();
  EXPECT_THAT(text, HasSubstr("evermill_turns_total{partition=\"0\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("evermill_activity_attempts_ended_total{task_queue=\"default\",outcome=\"completed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("evermill_decision_queue_backlog_events{partition=\"0\"} "));
  EXPECT_THAT(text, HasSubstr("evermill_store_writes_total "));
  EXPECT_THAT(text, HasSubstr("evermill_build_info{version=\""));
  EXPECT_THAT(text, HasSubstr("process_open_fds "));
  EXPECT_THAT(text, Not(HasSubstr("evermill_partitions_owned"))) << "it shares them with nobody";
}

TEST(EngineMetrics, SeveralEnginesOfAProcessCountForThemselves) {
  engine first(with_one_more(), {.partitions = 1}), second(with_one_more(), {.partitions = 1});
  EXPECT_EQ(first.start(one_more, 1).result(), 2);
  EXPECT_THAT(first.metrics(), HasSubstr("evermill_turns_total{partition=\"0\"} 2\n"));
  EXPECT_THAT(second.metrics(), HasSubstr("evermill_turns_total{partition=\"0\"} 0\n"));
}

class ClusterMetrics : public testing::Test {
 protected:
  static constexpr timestamp now = from_micros(1'000'000'000);
  ClusterMetrics() {
    counts.set({{.id = partition_id(0), .owned = true, .caught_up = true, .epoch = 7, .at = 40},
                {.id = partition_id(1), .caught_up = true, .epoch = 3, .at = 12},
                {.id = partition_id(2), .epoch = 1, .at = 5}},
               std::nullopt);
    counts.set_broker_failure(std::nullopt, now);
  }
  std::string scraped() const {
    metrics::scrape all;
    counts.collect(all);
    return all.text();
  }
  cluster_metrics counts;
};

TEST_F(ClusterMetrics, TellWhatIsOwnedAndHowFarBehindTheRestIs) {
  counts.set_ends({{partition_id(0), 99}, {partition_id(1), 12}, {partition_id(2), 25}});
  const std::string text = scraped();
  EXPECT_THAT(text, HasSubstr("evermill_partitions_owned 1\n"));
  EXPECT_THAT(text, HasSubstr("evermill_partitions_standby 1\n"));
  EXPECT_THAT(text, HasSubstr("evermill_partitions_catching_up 1\n"));
  EXPECT_THAT(text, HasSubstr("evermill_partition_epoch{partition=\"0\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("evermill_commit_log_lag{partition=\"1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("evermill_commit_log_lag{partition=\"2\"} 20\n"));
  EXPECT_THAT(text, Not(HasSubstr("evermill_commit_log_lag{partition=\"0\"}"))) << "it is where the log's end is";
  EXPECT_THAT(text, HasSubstr("evermill_broker_up 1\n"));
}

TEST_F(ClusterMetrics, WhoHasReadOnSinceTheEndWasAskedForIsNotAhead) {
  counts.set_ends({{partition_id(1), 10}});
  EXPECT_THAT(scraped(), HasSubstr("evermill_commit_log_lag{partition=\"1\"} 0\n"));
}

TEST_F(ClusterMetrics, AreReadyWhileTheBrokerAnswersAndTheOthersKnowUs) {
  EXPECT_EQ(counts.why_not_ready(now + 10s), std::nullopt);
  EXPECT_THAT(counts.why_not_ready(now + 25s), Optional(HasSubstr("has not answered for 25 s")));
  counts.set_broker_failure("connection refused", now + 26s);
  EXPECT_THAT(counts.why_not_ready(now + 26s), Optional(HasSubstr("does not answer: connection refused")));
  EXPECT_THAT(scraped(), HasSubstr("evermill_broker_up 0\n"));
  counts.set_broker_failure(std::nullopt, now + 27s);
  EXPECT_EQ(counts.why_not_ready(now + 27s), std::nullopt);
  counts.set({}, "nobody knows it");
  EXPECT_THAT(counts.why_not_ready(now + 27s), Optional(HasSubstr("nobody knows it")));
  counts.set({{.id = partition_id(3), .broken = true}}, std::nullopt);
  EXPECT_THAT(counts.why_not_ready(now + 27s), Optional(HasSubstr("partition 3 can't be followed")));
  EXPECT_THAT(scraped(), HasSubstr("evermill_partitions_broken 1\n"));
  counts.gone();
  EXPECT_NE(counts.why_not_ready(now + 27s), std::nullopt);
}

TEST(ClusterMetricsOfNoCluster, ShowNothingAndAskForNothing) {
  const cluster_metrics counts;
  metrics::scrape all;
  counts.collect(all);
  EXPECT_EQ(all.text(), "");
  EXPECT_EQ(counts.why_not_ready(from_micros(1)), std::nullopt);
}

}  // namespace
}  // namespace evermill
