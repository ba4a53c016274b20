// What a partition has to publish: a row with each commit, until it is published; and with a relay, all events that are
// journaled.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "publishing/relay.hpp"
#include "storage/rows.hpp"
#include "storyteller.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/remembering_sink.hpp"

namespace evermill::actors {
namespace {

using storage::family;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

partition_options publishing_options(std::uint64_t limit = 1'000'000) {
  partition_options options;
  options.publishing = publishing_mode::on;
  options.publish_limit = limit;
  return options;
}

std::vector<storage::numbered_turns> rows_to_publish(const partition_rig& rig) {
  return *storage::scan_published(rig.store(), partition_rig::own, 0, 1000);
}

/// "PARTITION.RUN.EVENT" for all that is in the journals of the runs.
std::map<std::uint64_t, std::vector<std::string>> journaled_ids(const partition_rig& rig) {
  std::map<std::uint64_t, std::vector<std::string>> ids;
  for (std::uint64_t run = 1; run <= rig.state().last_run_number(); ++run) {
    for (std::size_t n = 1; n <= rig.events(run_number(run)).size(); ++n) {
      ids[run].push_back("0." + std::to_string(run) + '.' + std::to_string(n));
    }
  }
  return ids;
}

/// The relay of one life of a process, and the place that outlives it.
class published_rig {
 public:
  explicit published_rig(partition_rig& rig) : rig_(rig) { restart(); }

  void restart() {
    publishing::relay_options how;
    how.source = "/evermill/test";
    how.batch_events = 2;
    relay_.emplace(how, rig_.store(), std::make_unique<tests::remembering_sink>(place),
                   [this](partition_id, std::uint64_t through) { published_through_ = through; }, time_, log());
    rig_.publishable.clear();
    published_through_ = 0;
  }

  bool publish_some() {
    for (const publishable_rows& each : std::exchange(rig_.publishable, {})) {
      relay_->offer(partition_rig::own, each.after, each.through);
    }
    const bool sent = relay_->send_next({}) == publishing::relay::outcome::sent;
    if (confirms) rig_.subject().on_published(published_through_);
    return sent;
  }
  void publish_all() {
    while (publish_some()) {
    }
  }

  /// Each event once or more, the same each time, and for the first time in the order of its journal.
  void check() const {
    std::map<std::string, std::string> data;
    std::map<std::uint64_t, std::vector<std::string>> first;
    for (const publishing::cloud_event& each : place->events) {
      const std::string id = tests::attribute(each, "id");
      const auto [it, is_new] = data.emplace(id, each.data);
      EXPECT_EQ(it->second, each.data) << id;
      if (is_new) first[std::stoull(tests::attribute(each, "runnumber"))].push_back(id);
    }
    EXPECT_EQ(first, journaled_ids(rig_));
  }

  std::shared_ptr<tests::remembered> place = std::make_shared<tests::remembered>();
  bool confirms = true;  ///< false: the news that something is published are under way

 private:
  partition_rig& rig_;
  tests::manual_clock time_;
  std::optional<publishing::relay> relay_;
  std::uint64_t published_through_ = 0;
};

TEST(PublishedRows, AreNotWrittenWhereNothingIsPublished) {
  partition_rig rig(test_workflows());
  rig.start("w", "echo", "1");
  rig.settle();
  EXPECT_EQ(rig.rows(family::published), 0U);
  EXPECT_THAT(rig.publishable, IsEmpty());
  EXPECT_EQ(rig.state().publish_limit(), 0U);
}

TEST(PublishedRows, NameTheTurnsOfACommitAndAreOfferedOnceDurable) {
  partition_rig rig(test_workflows(), publishing_options());
  rig.settle();
  ASSERT_THAT(rig.publishable, SizeIs(1)) << "what recovery has found";
  rig.start("a", "echo", "1");
  rig.start("b", "sleeper", "1");
  rig.pump();
  EXPECT_THAT(rig.publishable, SizeIs(1));
  rig.make_durable();
  ASSERT_THAT(rig.publishable, SizeIs(2));
  EXPECT_EQ(rig.publishable[1].after, 0U);
  EXPECT_EQ(rig.publishable[1].through, 1U);
  const auto rows = rows_to_publish(rig);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].number, 1U);
  ASSERT_THAT(rows[0].turns.turns(), SizeIs(2));
  EXPECT_EQ(rows[0].turns.turns(0).workflow_id(), "a");
  EXPECT_EQ(rows[0].turns.turns(0).workflow_type(), "echo");
  EXPECT_EQ(rows[0].turns.turns(0).events(), 2U);
  EXPECT_EQ(rows[0].turns.turns(1).run_number(), 2U);
}

TEST(PublishedRows, AreWantedFromTheFirstCommitOn) {
  partition_rig rig(test_workflows(), publishing_options(7));
  rig.settle();
  EXPECT_EQ(rig.commits(), 1U);
  EXPECT_EQ(rig.state().publish_limit(), 7U) << "whoever opens the store next knows";
  rig.restart();
  rig.settle();
  EXPECT_EQ(rig.commits(), 1U) << "once";
}

TEST(PublishedRows, AreErasedByTheCommitAfterTheyWerePublished) {
  partition_rig rig(test_workflows(), publishing_options());
  rig.settle();
  rig.start("a", "echo", "1");
  rig.settle();
  rig.subject().on_published(1);
  rig.settle();
  EXPECT_EQ(rig.commits(), 2U) << "they alone are no reason for a commit yet";
  rig.start("b", "echo", "1");
  rig.settle();
  const auto rows = rows_to_publish(rig);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].number, 2U);
  EXPECT_EQ(rig.state().publish_watermark(), 1U);
  EXPECT_EQ(rig.state().last_publish_number(), 2U);
}

TEST(PublishedRows, AreErasedAfterASecondWhereNoOtherCommitComes) {
  partition_rig rig(test_workflows(), publishing_options());
  rig.settle();
  rig.start("a", "reads_two", "1");
  rig.settle();
  const timestamp then = rig.now();
  rig.subject().on_published(1);
  ASSERT_EQ(rig.next_tick(), then + std::chrono::seconds(1));
  rig.tick();
  rig.settle();
  EXPECT_EQ(rig.rows(family::published), 0U);
  EXPECT_EQ(rig.commits(), 3U);
  while (rig.tick() && rig.now() < then + std::chrono::minutes(1)) rig.settle();
  EXPECT_EQ(rig.commits(), 3U) << "once";
}

TEST(PublishedRows, AreErasedAtOnceWhereTheyAreMany) {
  partition_rig rig(test_workflows(), publishing_options());
  rig.settle();
  for (int n = 0; n < 1000; ++n) {
    rig.start("w" + std::to_string(n), "echo", "1");
    rig.settle();
  }
  rig.subject().on_published(999);
  rig.settle();
  EXPECT_EQ(rig.rows(family::published), 1000U);
  rig.subject().on_published(1000);
  rig.settle();
  EXPECT_EQ(rig.rows(family::published), 0U);
  EXPECT_EQ(rig.commits(), 1002U);
}

TEST(PublishedRows, AreErasedBeforeAStop) {
  partition_rig rig(test_workflows(), publishing_options());
  rig.start("a", "echo", "1");
  rig.settle();
  rig.subject().drain();
  rig.settle();
  rig.subject().on_published(1);
  EXPECT_FALSE(rig.subject().idle());
  rig.settle();
  EXPECT_TRUE(rig.subject().idle());
  EXPECT_EQ(rig.rows(family::published), 0U);
}

TEST(PublishedRows, AreOfferedAgainAfterACrash) {
  partition_rig rig(test_workflows(), publishing_options());
  for (const char* id : {"a", "b", "c"}) {
    rig.start(id, "echo", "1");
    rig.settle();
  }
  rig.subject().on_published(1);
  rig.start("d", "echo", "1");
  rig.settle();
  rig.publishable.clear();
  rig.restart();
  rig.settle();
  ASSERT_THAT(rig.publishable, SizeIs(1));
  EXPECT_EQ(rig.publishable[0].after, 1U);
  EXPECT_EQ(rig.publishable[0].through, 4U);
}

/// No row stays for ever because the only commit that would have erased it failed.
TEST(PublishedRows, AreErasedByTheNextProcessWhereTheCommitThatErasesThemFailed) {
  for (const bool is_durable : {false, true}) {
    SCOPED_TRACE(is_durable ? "the failed write was durable" : "the failed write was lost");
    partition_rig rig(test_workflows(), publishing_options());
    rig.start("a", "echo", "1");
    rig.settle();
    rig.subject().on_published(1);
    ASSERT_TRUE(rig.tick());
    rig.pump();
    ASSERT_TRUE(rig.commit_pending());
    if (is_durable) rig.write_without_telling();
    rig.fail_commit();
    EXPECT_EQ(rig.rows(family::published), is_durable ? 0U : 1U);
    rig.publishable.clear();
    rig.restart();
    rig.settle();
    ASSERT_THAT(rig.publishable, SizeIs(1));
    EXPECT_EQ(rig.publishable[0].after, is_durable ? 1U : 0U);
    EXPECT_EQ(rig.publishable[0].through, 1U);
    rig.subject().on_published(1);
    rig.tick();
    rig.settle();
    EXPECT_EQ(rig.rows(family::published), 0U);
    EXPECT_EQ(rig.state().publish_watermark(), 1U);
  }
}

TEST(PublishedRows, ThatAreMissingAreNoticed) {
  partition_rig rig(test_workflows(), publishing_options());
  rig.start("a", "echo", "1");
  rig.settle();
  rig.corrupt_row(family::published);
  EXPECT_FALSE(rig.reopen(partition_rig::crash::loses_queue));
}

TEST(PublishedRows, AreWrittenByWhoeverDoesNotPublishAsBefore) {
  partition_rig rig(test_workflows(), publishing_options());
  rig.start("a", "reads_two", "1");
  rig.settle();
  rig.options().publishing = publishing_mode::as_before;
  rig.options().publish_limit = 1;  // means nothing
  rig.restart();
  rig.signal("a", "number", "1");
  rig.settle();
  EXPECT_EQ(rig.rows(family::published), 2U);
  rig.options().publishing = publishing_mode::off;
  rig.restart();
  rig.signal("a", "number", "2");
  rig.settle();
  EXPECT_EQ(rig.rows(family::published), 2U) << "they are kept";
  rig.options().publishing = publishing_mode::as_before;
  rig.restart();
  rig.start("b", "echo", "1");
  rig.settle();
  EXPECT_EQ(rig.rows(family::published), 2U);
  rig.options().publishing = publishing_mode::on;
  rig.restart();
  rig.start("c", "echo", "1");
  rig.settle();
  EXPECT_EQ(rig.state().last_publish_number(), 3U);
}

TEST(Publishing, BringsAllEventsInTheOrderOfTheirCommits) {
  partition_rig rig(test_workflows(), publishing_options());
  published_rig out(rig);
  rig.start("a", "echo", "1");
  rig.start("b", "echo", "2");
  rig.settle();
  rig.start("c", "echo", "3");
  rig.settle();
  rig.restart();
  out.publish_all();
  EXPECT_THAT(out.place->ids(), ElementsAre("0.1.1", "0.1.2", "0.2.1", "0.2.2", "0.3.1", "0.3.2"));
}

TEST(Publishing, WaitsForAPlaceThatIsAway) {
  partition_rig rig(test_workflows(), publishing_options());
  published_rig out(rig);
  rig.restart();
  out.place->away = true;
  for (const char* id : {"a", "b", "c"}) {
    rig.start(id, "echo", "1");
    rig.settle();
    EXPECT_EQ(rig.result(id), "1") << "the partition does not wait";
    EXPECT_FALSE(out.publish_some());
  }
  EXPECT_EQ(rig.rows(family::published), 3U);
  out.place->away = false;
  out.publish_all();
  out.check();
  rig.tick();
  rig.settle();
  EXPECT_EQ(rig.rows(family::published), 0U);
}

TEST(Publishing, GivesUpTheOldestBeyondItsLimitAndSaysSo) {
  partition_rig rig(test_workflows(), publishing_options(6));
  published_rig out(rig);
  rig.restart();
  for (int n = 0; n < 10; ++n) {
    rig.start("w" + std::to_string(n), "echo", "1");  // two events
    rig.settle();
  }
  EXPECT_EQ(rig.subject().statistics().events_lost, 14U);
  const auto rows = rows_to_publish(rig);
  ASSERT_THAT(rows, SizeIs(4)) << "three, and the one that tells of the loss";
  EXPECT_EQ(rows[0].number, 7U);
  EXPECT_EQ(rows[0].turns.lost_events(), 14U);
  EXPECT_EQ(rows[0].turns.lost_since(), 1U);
  rig.restart();
  for (int n = 10; n < 12; ++n) {
    rig.start("w" + std::to_string(n), "echo", "1");
    rig.settle();
  }
  out.publish_all();
  ASSERT_THAT(out.place->events, SizeIs(7));
  const publishing::cloud_event& loss = out.place->events[0];
  EXPECT_EQ(tests::attribute(loss, "type"), "evermill.events_lost");
  EXPECT_EQ(tests::attribute(loss, "id"), "0.lost.1-9");
  EXPECT_EQ(loss.data, "{\"partition\":0,\"count\":18,\"since\":1,\"through\":9}");
  EXPECT_EQ(tests::attribute(out.place->events[1], "id"), "0.10.1");
  rig.tick();
  rig.settle();
  EXPECT_EQ(rig.rows(family::published), 0U);
  rig.start("last", "echo", "1");
  rig.settle();
  EXPECT_EQ(rig.subject().statistics().events_lost, 4U) << "of this life; the loss is over";
  for (int n = 0; n < 4; ++n) {
    rig.start("later" + std::to_string(n), "echo", "1");
    rig.settle();
  }
  const auto later = rows_to_publish(rig);
  ASSERT_THAT(later, SizeIs(4));
  EXPECT_EQ(later[0].turns.lost_events(), 4U) << "the one before is told";
  EXPECT_EQ(later[0].turns.lost_since(), 13U);
}

TEST(Publishing, KeepsTheNewestRowHoweverLarge) {
  partition_rig rig(test_workflows(), publishing_options(1));
  published_rig out(rig);
  rig.restart();
  for (int n = 0; n < 4; ++n) {
    rig.start("w" + std::to_string(n), "echo", "1");
    rig.settle();
  }
  out.publish_all();
  EXPECT_THAT(out.place->ids(), ElementsAre("0.lost.1-3", "0.4.1", "0.4.2"));
}

class PublishingThroughCrashes : public testing::TestWithParam<death> {};

/// The place fails and the news of what is published are lost now and then: nothing may be missing, or come in another order.
TEST_P(PublishingThroughCrashes, LosesNothing) {
  bool died = true;
  std::size_t repeats = 0;
  for (std::uint64_t at = 1; died; ++at) {
    SCOPED_TRACE("commit " + std::to_string(at));
    storyteller story(publishing_options());
    published_rig out(story.rig());
    story.rig().restart();  // so that the relay is offered what is there
    int step = 0;
    story.after_each_step = [&] {
      ++step;
      out.place->away = step % 7 == 0;
      out.confirms = step % 3 != 0;
      if (step % 2 == 0) out.publish_some();
    };
    story.on_death = [&] { out.restart(); };
    died = story.run(at, GetParam());
    out.place->away = false;
    out.confirms = true;
    out.publish_all();
    out.check();
    story.rig().settle();
    EXPECT_EQ(story.rig().rows(family::published), 0U);
    EXPECT_EQ(story.rig().state().publish_watermark(), story.rig().state().last_publish_number());
    const std::vector<std::string> ids = out.place->ids();
    repeats += ids.size() - std::set<std::string>(ids.begin(), ids.end()).size();
    if (HasFailure()) return;
  }
  EXPECT_GT(repeats, 0U) << "what a reader has to drop";
}

INSTANTIATE_TEST_SUITE_P(All, PublishingThroughCrashes,
                         testing::Values(death::before_the_write, death::before_the_news, death::after_the_effects));

}  // namespace
}  // namespace evermill::actors
