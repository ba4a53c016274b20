// Decision events on their way to partitions of other processes, on a broker in memory.
#include "cluster/decision_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/decision_router.hpp"
#include "cluster/streams.hpp"
#include "plugins/queue/memory/memory_broker.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr partition_id here{1};
constexpr partition_id there{2};

class DecisionStream : public testing::Test {
 protected:
  DecisionStream() {
    EXPECT_TRUE(broker_->ensure_stream(decision_stream_name, 3));
    EXPECT_TRUE(broker_->ensure_stream(rejected_stream_name, 1));
  }

  decision_stream_options options(std::string member = "me") const {
    decision_stream_options options{.cluster_id = "c"};
    options.member = std::move(member);
    options.partition_count = 3;
    options.trim_interval = 2;
    return options;
  }
  std::unique_ptr<decision_stream> make() {
    const auto addresses = [this](partition_id, const std::string& to, std::uint64_t token) {
      addresses_.push_back(to + "/" + std::to_string(token));
      return std::uint64_t{1000} + addresses_.size();
    };
    return std::make_unique<decision_stream>(options(), *broker_, addresses, [](const std::function<void()>& what) { what(); }, log());
  }
  static messages::DecisionEvent event(const std::string& workflow_id, std::size_t bytes = 0) {
    messages::DecisionEvent event;
    event.set_workflow_id(workflow_id);
    event.mutable_terminate()->set_reason(std::string(bytes, 'x'));
    return event;
  }
  static std::vector<std::string> poll(queue::consumer& from) {
    std::vector<queue::item> items;
    while (from.poll(items, 2) > 0) {
    }
    std::vector<std::string> ids;
    for (const queue::item& each : items) {
      ids.push_back(each.event->workflow_id() + (each.event->reply_token() == 0 ? "" : "?" + std::to_string(each.event->reply_token())));
    }
    return ids;
  }

  const std::shared_ptr<queue::memory_server> server_ = queue::make_memory_server();
  const std::unique_ptr<queue::broker> broker_ = queue::make_memory_broker(server_, {.max_record_bytes = 4096});
  std::vector<std::string> addresses_;
};

TEST_F(DecisionStream, AServerThatIsAwayWhenReadingBeginsDelaysOnly) {
  const auto stream = make();
  EXPECT_TRUE(stream->publish(partition_id(1), std::make_shared<messages::DecisionEvent>(event("a"))));
  server_->set_available(false);
  int readable = 0;
  const auto reader = stream->consume(partition_id(1), 0, [&readable] { ++readable; });
  EXPECT_THAT(poll(*reader), IsEmpty());
  EXPECT_EQ(reader->failure(), std::nullopt);
  stream->look();
  EXPECT_EQ(poll(*reader), std::vector<std::string>()) << "it is still away";
  server_->set_available(true);
  readable = 0;
  stream->look();
  EXPECT_GT(readable, 0);
  EXPECT_THAT(poll(*reader), ElementsAre("a"));
}

TEST_F(DecisionStream, CarriesEventsInOrderAlsoLargeOnes) {
  const auto stream = make();
  const auto consumer = stream->consume(there, 0, [] {});
  for (const auto& [id, bytes] : {std::pair("a", 0), std::pair("b", 20'000), std::pair("c", 0)}) {
    ASSERT_TRUE(stream->publish(there, event(id, static_cast<std::size_t>(bytes)), nullptr));
  }
  ASSERT_TRUE(stream->publish(here, event("elsewhere"), nullptr));
  EXPECT_THAT(poll(*consumer), ElementsAre("a", "b", "c"));
  EXPECT_FALSE(consumer->failure());
}

TEST_F(DecisionStream, GoesOnBehindWhatWasHandled) {
  const auto stream = make();
  for (const char* const id : {"a", "b", "c"}) ASSERT_TRUE(stream->publish(there, event(id), nullptr));
  auto consumer = stream->consume(there, 0, [] {});
  std::vector<queue::item> items;
  ASSERT_EQ(consumer->poll(items, 10), 3U);
  consumer = stream->consume(there, items[0].at, [] {});
  EXPECT_THAT(poll(*consumer), ElementsAre("b", "c"));
}

TEST_F(DecisionStream, AnAnswerGoesWhereTheEventCameFrom) {
  const auto stream = make();
  const auto consumer = stream->consume(there, 0, [] {});
  messages::DecisionEvent asked = event("a");
  asked.set_reply_token(7);
  asked.set_reply_to("them");
  ASSERT_TRUE(stream->publish(there, asked, nullptr));
  EXPECT_THAT(poll(*consumer), ElementsAre("a?1001"));
  EXPECT_THAT(addresses_, ElementsAre("them/7"));
}

TEST_F(DecisionStream, WhatCanNotBeReadIsSetAsideWithItsReason) {
  const auto stream = make();
  const auto consumer = stream->consume(there, 0, [] {});
  ASSERT_TRUE(broker_->append({decision_stream_name, there.value}, {{"k", "poison", {}}}, nullptr));
  messages::StreamRecord no_event;
  no_event.mutable_message()->set_to("me");
  ASSERT_TRUE(broker_->append({decision_stream_name, there.value}, to_records(decision_stream_name, no_event, 4096, {"w", 1}), nullptr));
  ASSERT_TRUE(stream->publish(there, event("a"), nullptr));
  EXPECT_THAT(poll(*consumer), ElementsAre("a"));
  auto reader = broker_->read({rejected_stream_name, 0}, {}, [] {});
  std::vector<queue::stored_record> rejected;
  ASSERT_EQ((*reader)->poll(rejected, 10), 2U);
  EXPECT_EQ(rejected[0].what.value, "poison");
  EXPECT_THAT(rejected[0].what.headers,
              ElementsAre(testing::Pair("reason", testing::Not(IsEmpty())), testing::Pair("from", "decisions/2/1")));
  EXPECT_THAT(rejected[1].what.headers, testing::Contains(testing::Pair("reason", HasSubstr("no decision event"))));
}

TEST_F(DecisionStream, HistoryThatGoesBackwardsIsToldAndNotSkipped) {
  const auto stream = make();
  const auto ahead = stream->consume(there, 10, [] {});
  EXPECT_THAT(poll(*ahead), IsEmpty());
  ASSERT_TRUE(ahead->failure());
  for (const char* const id : {"a", "b", "c"}) ASSERT_TRUE(stream->publish(there, event(id), nullptr));
  ASSERT_TRUE(broker_->trim({decision_stream_name, there.value}, 2));
  const auto behind = stream->consume(there, 1, [] {});
  EXPECT_THAT(poll(*behind), IsEmpty());
  EXPECT_TRUE(behind->failure()) << "what was not handled is gone";
}

TEST_F(DecisionStream, IsTrimmedBelowWhatIsDurablyHandled) {
  const auto stream = make();
  const auto consumer = stream->consume(there, 0, [] {});
  for (const char* const id : {"a", "b", "c", "d"}) ASSERT_TRUE(stream->publish(there, event(id), nullptr));
  EXPECT_EQ(poll(*consumer).size(), 4U);
  consumer->acknowledge(1);
  EXPECT_EQ(broker_->bounds({decision_stream_name, there.value})->first, 1U) << "not for every record";
  consumer->acknowledge(3);
  EXPECT_EQ(broker_->bounds({decision_stream_name, there.value})->first, 4U);
}

/// A process's own partitions are reached through memory, the others through the broker.
class DecisionRouter : public DecisionStream {
 protected:
  DecisionRouter() {
    const auto unanswered = [this](std::uint64_t token, const std::string&) { unanswered_.push_back(token); };
    decision_router_options options{.member = "me", .partition_count = 3};
    options.resend_after = std::chrono::seconds(5);
    options.give_up_after = std::chrono::seconds(12);
    router_ = std::make_unique<decision_router>(options, *local_, *stream_, clock_, *random_, unanswered);
    router_->set_local(here, true);
  }
  static std::shared_ptr<messages::DecisionEvent> request(const std::string& id, std::uint64_t token) {
    auto made = std::make_shared<messages::DecisionEvent>(event(id));
    made->set_reply_token(token);
    return made;
  }

  tests::manual_clock clock_;
  const std::unique_ptr<random_source> random_ = make_seeded_random(1);
  const std::unique_ptr<queue::memory_queue> local_ = queue::make_memory_queue("life", 3);
  const std::unique_ptr<decision_stream> stream_ = make();
  const std::unique_ptr<queue::consumer> mine_ = local_->consume(here, 0, [] {});
  const std::unique_ptr<queue::consumer> theirs_ = stream_->consume(there, 0, [] {});
  std::vector<std::uint64_t> unanswered_;
  std::unique_ptr<decision_router> router_;
};

TEST_F(DecisionRouter, TakesEventsWhereTheirPartitionIs) {
  EXPECT_TRUE(router_->publish(here, std::make_shared<messages::DecisionEvent>(event("a"))));
  EXPECT_TRUE(router_->publish(there, std::make_shared<messages::DecisionEvent>(event("b"))));
  EXPECT_THAT(poll(*mine_), ElementsAre("a"));
  EXPECT_THAT(poll(*theirs_), ElementsAre("b"));
}

TEST_F(DecisionRouter, ARequestIsSentAgainUntilItIsAnswered) {
  router_->publish(there, request("a", 7));
  EXPECT_EQ(poll(*theirs_).size(), 1U);
  clock_.advance(std::chrono::seconds(4));
  router_->tick();
  EXPECT_THAT(poll(*theirs_), IsEmpty());
  clock_.advance(std::chrono::seconds(2));
  router_->tick();
  EXPECT_EQ(poll(*theirs_).size(), 1U);
  EXPECT_TRUE(router_->answered(7));
  EXPECT_FALSE(router_->answered(7));
  clock_.advance(std::chrono::seconds(60));
  router_->tick();
  EXPECT_THAT(poll(*theirs_), IsEmpty());
  EXPECT_THAT(unanswered_, IsEmpty());
}

TEST_F(DecisionRouter, ARequestThatNobodyAnswersIsGivenUp) {
  router_->publish(there, request("a", 7));
  for (int i = 0; i < 4; ++i) {
    clock_.advance(std::chrono::seconds(5));
    router_->tick();
  }
  EXPECT_THAT(unanswered_, ElementsAre(7U));
}

TEST_F(DecisionRouter, ASignalThatMayBeSentAgainHasAnId) {
  auto signal = request("a", 7);
  signal->mutable_event()->mutable_workflow_execution_signaled()->set_signal_name("go");
  router_->publish(there, signal);
  clock_.advance(std::chrono::seconds(6));
  router_->tick();
  std::vector<queue::item> items;
  ASSERT_EQ(theirs_->poll(items, 10), 2U);
  EXPECT_FALSE(items[0].event->request_id().empty());
  EXPECT_EQ(items[0].event->request_id(), items[1].event->request_id());
}

TEST_F(DecisionRouter, ARequestFollowsItsPartition) {
  router_->publish(there, request("a", 7));
  const auto consumer = local_->consume(there, 0, [] {});
  router_->set_local(there, true);
  router_->hasten(there);
  router_->tick();
  EXPECT_THAT(poll(*consumer), ElementsAre("a?7")) << "and is answered here";
  router_->set_local(there, false);
  router_->hasten(there);
  router_->tick();
  EXPECT_EQ(poll(*theirs_).size(), 2U);
}

TEST_F(DecisionRouter, WhatIsDiscardedIsNeverThereAgain) {
  router_->publish(here, std::make_shared<messages::DecisionEvent>(event("a")));
  EXPECT_EQ(poll(*mine_).size(), 1U);
  router_->publish(here, std::make_shared<messages::DecisionEvent>(event("b")));
  router_->discard(here);
  EXPECT_THAT(poll(*mine_), IsEmpty());
  const auto next = local_->consume(here, 1, [] {});
  router_->publish(here, std::make_shared<messages::DecisionEvent>(event("c")));
  std::vector<queue::item> items;
  ASSERT_EQ(next->poll(items, 10), 1U);
  EXPECT_EQ(items[0].event->workflow_id(), "c");
  EXPECT_EQ(items[0].at, 3U);
}

}  // namespace
}  // namespace evermill::cluster
