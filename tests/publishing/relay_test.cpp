// From the store to the place: all that was offered, in order, however that place behaves.
#include "publishing/relay.hpp"

#include <gmock/gmock.h>

#include "journal_writer.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/remembering_sink.hpp"

namespace evermill::publishing {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using confirmation = std::pair<std::uint16_t, std::uint64_t>;

constexpr partition_id one{1};
constexpr partition_id two{2};

class Relay : public testing::Test {
 protected:
  Relay() { make({}); }
  void make(relay_options how) {
    how.source = "/evermill/test";
    relay_.emplace(std::move(how), *store_, std::make_unique<tests::remembering_sink>(place_),
                   [this](partition_id of, std::uint64_t through) { confirmed_.emplace_back(of.value, through); }, time_,
                   log());
  }
  relay::outcome send() { return relay_->send_next({}); }
  void send_all() {
    while (send() == relay::outcome::sent) {
    }
  }

  std::unique_ptr<storage::key_value_store> store_ = storage::make_memory_store();
  journal_writer first_{*store_, one};
  journal_writer second_{*store_, two};
  std::shared_ptr<tests::remembered> place_ = std::make_shared<tests::remembered>();
  std::vector<confirmation> confirmed_;
  tests::manual_clock time_;
  std::optional<relay> relay_;
};

TEST_F(Relay, SendsWhatIsOfferedAndNoMore) {
  first_.add(2);
  first_.add(1);
  first_.add(1);
  relay_->offer(one, 0, 2);
  EXPECT_EQ(send(), relay::outcome::sent);
  EXPECT_EQ(send(), relay::outcome::nothing);
  EXPECT_THAT(place_->ids(), ElementsAre("1.1.1", "1.1.2", "1.2.1"));
  EXPECT_THAT(confirmed_, ElementsAre(confirmation(1, 2)));
  EXPECT_EQ(relay_->statistics().published, 3U);
}

TEST_F(Relay, GoesOnWhereItsPartitionSays) {
  first_.add(1);
  first_.add(1);
  relay_->offer(one, 1, 2);
  send_all();
  EXPECT_THAT(place_->ids(), ElementsAre("1.2.1"));
}

TEST_F(Relay, SendsAgainWhatWasNotConfirmedFromItsBeginning) {
  first_.add(2);
  first_.add(2);
  relay_->offer(one, 0, 2);
  place_->away = true;
  EXPECT_EQ(send(), relay::outcome::failed);
  EXPECT_THAT(confirmed_, IsEmpty());
  place_->away = false;
  send_all();
  EXPECT_THAT(place_->ids(), ElementsAre("1.1.1", "1.1.2", "1.1.1", "1.1.2", "1.2.1", "1.2.2"));
  EXPECT_EQ(relay_->statistics().failures, 1U);
}

TEST_F(Relay, IsBoundedByEventsEvenWithinARow) {
  make({.batch_events = 3});
  storage::write_batch batch;
  messages::CommittedTurns turns;
  for (std::uint64_t run = 1; run <= 5; ++run) {
    messages::TurnRecord record;
    record.add_events()->mutable_workflow_execution_started();
    record.add_events()->mutable_workflow_execution_completed();
    storage::append_turn(batch, one, run_number(run), event_seq(1), record);
    auto& turn = *turns.add_turns();
    turn.set_run_number(run);
    turn.set_first_seq(1);
  }
  storage::put_published(batch, one, 1, turns);
  ASSERT_TRUE(store_->write(batch));
  relay_->offer(one, 0, 1);
  EXPECT_EQ(send(), relay::outcome::sent);
  EXPECT_THAT(place_->events, SizeIs(4));
  EXPECT_THAT(confirmed_, IsEmpty()) << "the row is not published whole";
  send_all();
  EXPECT_THAT(place_->events, SizeIs(10));
  EXPECT_EQ(place_->calls, 3U);
  EXPECT_THAT(confirmed_, ElementsAre(confirmation(1, 1)));
}

TEST_F(Relay, IsBoundedByBytes) {
  make({.batch_bytes = 1000});
  for (int n = 0; n < 5; ++n) first_.add(2, "orders", 900);
  relay_->offer(one, 0, 5);
  send();
  EXPECT_THAT(place_->events, SizeIs(2));
}

TEST_F(Relay, TakesPartitionsInTurns) {
  make({.batch_events = 2});
  for (int n = 0; n < 2; ++n) first_.add(2), second_.add(2);
  relay_->offer(one, 0, 2);
  relay_->offer(two, 0, 2);
  send_all();
  EXPECT_THAT(place_->ids(), ElementsAre("1.1.1", "1.1.2", "2.1.1", "2.1.2", "1.2.1", "1.2.2", "2.2.1", "2.2.2"));
}

TEST_F(Relay, LeavesOutWhatFiltersDoNotName) {
  make({.types = {"ActivityTaskScheduled"}, .workflow_types = {"orders"}});
  first_.add(2);
  first_.add(3, "reports");
  first_.add(1);
  relay_->offer(one, 0, 3);
  send_all();
  EXPECT_THAT(place_->ids(), ElementsAre("1.1.2"));
  EXPECT_THAT(confirmed_, ElementsAre(confirmation(1, 3))) << "nothing of it is left to publish";
}

TEST_F(Relay, ConfirmsWhatItNeedNotSend) {
  make({.workflow_types = {"reports"}});
  first_.add(2);
  relay_->offer(one, 0, 1);
  send_all();
  EXPECT_EQ(place_->calls, 0U);
  EXPECT_THAT(confirmed_, ElementsAre(confirmation(1, 1)));
}

TEST_F(Relay, TellsOfALossInItsPlaceWhateverTheFilters) {
  make({.types = {"ActivityTaskScheduled"}});
  for (int n = 0; n < 4; ++n) first_.add(2);
  first_.give_up(3, 6);
  relay_->offer(one, 0, 4);
  send_all();
  EXPECT_THAT(place_->ids(), ElementsAre("1.lost.1-3", "1.4.2"));
  EXPECT_EQ(relay_->statistics().lost, 6U);
}

TEST_F(Relay, FindsRowsGivenUpWhileItWasAway) {
  for (int n = 0; n < 4; ++n) first_.add(2);
  relay_->offer(one, 0, 4);
  place_->away = true;
  send();
  first_.give_up(3, 6);
  place_->away = false;
  place_->events.clear();
  send_all();
  EXPECT_THAT(place_->ids(), ElementsAre("1.lost.1-3", "1.4.1", "1.4.2"));
}

TEST_F(Relay, DoesNotSkipRowsThatAreMissing) {
  first_.add(1);
  first_.add(1);
  storage::write_batch batch;
  storage::erase_published(batch, one, 1);
  ASSERT_TRUE(store_->write(batch));
  relay_->offer(one, 0, 2);
  second_.add(1);
  relay_->offer(two, 0, 1);
  send_all();
  EXPECT_THAT(place_->ids(), ElementsAre("2.1.1")) << "the other partition does not wait for it";
  EXPECT_THAT(confirmed_, ElementsAre(confirmation(2, 1)));
}

TEST_F(Relay, WaitsBehindAJournalThatCannotBeRead) {
  first_.add(1);
  first_.add(1);
  storage::write_batch batch;
  batch.put(storage::family::journal, store_->scan(storage::family::journal, "", "")->key(), "not what was written");
  ASSERT_TRUE(store_->write(batch));
  relay_->offer(one, 0, 2);
  send_all();
  EXPECT_THAT(place_->events, IsEmpty());
  EXPECT_THAT(confirmed_, IsEmpty());
  EXPECT_EQ(send(), relay::outcome::nothing) << "until there is something new";
}

TEST_F(Relay, ForgetsAPartitionThatIsPublishedElsewhere) {
  first_.add(1);
  relay_->offer(one, 0, 1);
  relay_->withdraw(one);
  EXPECT_EQ(send(), relay::outcome::nothing);
  first_.add(1);
  relay_->offer(one, 1, 2);
  send_all();
  EXPECT_THAT(place_->ids(), ElementsAre("1.2.1"));
}

/// Withdrawn and back while its events are on their way: what the first life sent says nothing about the second.
TEST_F(Relay, DoesNotConfirmForAnotherLifeOfThePartition) {
  class returning final : public sink {
   public:
    explicit returning(std::function<void()> meanwhile) : meanwhile_(std::move(meanwhile)) {}
    std::string address() const override { return "the test"; }
    result<void, sink_error> send(std::vector<cloud_event>&&, std::stop_token) override {
      meanwhile_();
      return {};
    }

   private:
    const std::function<void()> meanwhile_;
  };
  first_.add(1);
  relay_.emplace(relay_options{}, *store_, std::make_unique<returning>([this] {
                   relay_->withdraw(one);
                   relay_->offer(one, 0, 1);
                 }),
                 [this](partition_id of, std::uint64_t through) { confirmed_.emplace_back(of.value, through); }, time_, log());
  relay_->offer(one, 0, 1);
  EXPECT_EQ(send(), relay::outcome::sent);
  EXPECT_THAT(confirmed_, IsEmpty());
}

}  // namespace
}  // namespace evermill::publishing
