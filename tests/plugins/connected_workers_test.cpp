#include "plugins/task/connected/connected_workers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "attempt_ends.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using tasks::connected_workers;
using tasks::dispatch_id;
using tasks::dispatch_id_of;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Remembers what a worker is told.
struct heard final : tasks::worker_connection {
  void run(const task_ptr& task) override { tasks.push_back(task->scheduled_seq()); }
  void stop(const dispatch_id& id, bool is_awaited) override { (is_awaited ? asked : dropped).push_back(id.scheduled_seq); }
  void close(const std::string& why) override { closed = why; }
  std::vector<std::uint64_t> tasks;
  std::vector<std::uint64_t> asked;
  std::vector<std::uint64_t> dropped;
  std::string closed;
};

struct ConnectedWorkers : testing::Test {
  static task_ptr task(std::uint64_t seq, const std::string& queue = {}, const char* type = "work", std::int64_t limit_us = 0) {
    auto made = std::make_shared<messages::ActivityTask>(*make_task(type, json_payload("1"), seq, limit_us));
    made->mutable_options()->set_task_queue(queue);
    return made;
  }
  static dispatch_id id(std::uint64_t seq) { return dispatch_id_of(*task(seq)); }

  struct connected {
    std::shared_ptr<heard> told = std::make_shared<heard>();
    connected_workers::session_id session = 0;
  };
  connected connect(const std::string& name, std::set<std::string> queues = {"default"}, std::set<dispatch_id> has = {},
                    std::set<std::string> types = {}) {
    connected made;
    made.session = workers.connect({name, std::move(queues), std::move(types), std::move(has)}, made.told);
    return made;
  }
  void end(const connected& worker, std::uint64_t seq, tasks::outcome how = tasks::completed{}) {
    workers.end(worker.session, id(seq), std::move(how), [this, seq](bool durable) { acknowledged.emplace_back(seq, durable); });
  }

  manual_clock time;
  attempt_ends ends;
  bool durable = true;
  std::vector<std::pair<std::uint64_t, bool>> acknowledged;
  connected_workers workers{{.reconnect_limit = 10s, .adoption_limit = 5s},
                            time,
                            [this](tasks::attempt_end&& end, const std::function<void(bool)>& done) {
                              ends.recorder()(std::move(end));
                              done(durable);
                            },
                            ends.heartbeat_recorder(),
                            log()};
};

TEST_F(ConnectedWorkers, HandOutAgainstCreditInOrder) {
  workers.run({task(1), task(2), task(3)});
  const connected a = connect("a");
  EXPECT_THAT(a.told->tasks, IsEmpty());
  workers.grant(a.session, 2);
  EXPECT_THAT(a.told->tasks, ElementsAre(1u, 2u));
  end(a, 1);
  EXPECT_THAT(a.told->tasks, ElementsAre(1u, 2u)) << "an end grants nothing";
  workers.grant(a.session, 5);
  workers.run({task(4)});
  EXPECT_THAT(a.told->tasks, ElementsAre(1u, 2u, 3u, 4u));
  EXPECT_THAT(acknowledged, ElementsAre(std::pair(1u, true)));
}

TEST_F(ConnectedWorkers, GiveEachWhatItServes) {
  const connected a = connect("a", {"gpu"});
  const connected b = connect("b", {"default", "gpu"}, {}, {"render"});
  workers.grant(a.session, 9);
  workers.grant(b.session, 9);
  workers.run({task(1), task(2, "gpu"), task(3, "gpu", "render"), task(4, {}, "render")});
  EXPECT_THAT(b.told->tasks, ::testing::Contains(4u));
  EXPECT_THAT(a.told->tasks, ::testing::Contains(2u));
  const auto load = workers.load();
  ASSERT_EQ(load.size(), 2u);
  EXPECT_EQ(load[0].name, "default");
  EXPECT_EQ(load[0].waiting, 1u) << "nobody runs \"work\" of it";
  EXPECT_EQ(load[0].workers, 1u);
  EXPECT_EQ(load[1].running, 2u);
}

TEST_F(ConnectedWorkers, ShareInTurn) {
  const connected a = connect("a");
  const connected b = connect("b");
  workers.grant(a.session, 10);
  workers.grant(b.session, 10);
  workers.run({task(1), task(2), task(3), task(4)});
  EXPECT_EQ(a.told->tasks.size(), 2u);
  EXPECT_EQ(b.told->tasks.size(), 2u);
}

TEST_F(ConnectedWorkers, AnEndCountsOnceAndOnlyOfWhoHasIt) {
  const connected a = connect("a");
  const connected b = connect("b");
  workers.grant(a.session, 1);
  workers.run({task(1)});
  end(b, 1);
  EXPECT_TRUE(ends.reports().empty());
  end(a, 1);
  end(a, 1);
  EXPECT_EQ(ends.reports(), (std::map<std::uint64_t, int>{{1, 1}}));
  EXPECT_THAT(acknowledged, ElementsAre(std::pair(1u, true), std::pair(1u, true), std::pair(1u, true)));
}

TEST_F(ConnectedWorkers, WhatIsNotDurableIsToldAgainOnTheNextConnection) {
  durable = false;
  connected a = connect("a");
  workers.grant(a.session, 1);
  workers.run({task(1)});
  end(a, 1);
  EXPECT_THAT(acknowledged, ElementsAre(std::pair(1u, false)));
  workers.disconnect(a.session, false);
  workers.adopt({task(1)});  // by the node that reads the store again
  durable = true;
  a = connect("a", {"default"}, {id(1)});
  end(a, 1);
  EXPECT_EQ(ends.reports(), (std::map<std::uint64_t, int>{{1, 2}}));
  EXPECT_TRUE(acknowledged.back().second);
}

TEST_F(ConnectedWorkers, AWorkerThatComesBackGoesOn) {
  const connected a = connect("a");
  workers.grant(a.session, 2);
  workers.run({task(1), task(2)});
  workers.disconnect(a.session, false);
  time.advance(9s);
  EXPECT_TRUE(ends.reports().empty());
  const connected again = connect("a", {"default"}, {id(1)});
  EXPECT_EQ(failure_of(ends.of(2)).type, "WorkerLost") << "it does not name it";
  time.advance(60s);
  end(again, 1);
  EXPECT_TRUE(std::holds_alternative<tasks::completed>(ends.of(1).how));
  EXPECT_EQ(time.alarms(), 0u);
}

TEST_F(ConnectedWorkers, AWorkerThatStaysAwayHasLostWhatItHad) {
  const connected a = connect("a");
  workers.grant(a.session, 1);
  workers.run({task(1)});
  workers.disconnect(a.session, false);
  time.advance(11s);
  EXPECT_EQ(failure_of(ends.of(1)).kind, failure_kind::lost);
  EXPECT_EQ(time.alarms(), 0u);
  const connected late = connect("a", {"default"}, {id(1)});
  EXPECT_THAT(late.told->dropped, ElementsAre(1u)) << "nobody wants it any more";
}

TEST_F(ConnectedWorkers, AWorkerThatLeavesForGoodLosesAtOnce) {
  const connected a = connect("a");
  workers.grant(a.session, 2);
  workers.run({task(1)});
  workers.withdraw(a.session);
  workers.run({task(2)});
  EXPECT_THAT(a.told->tasks, ElementsAre(1u)) << "it takes no more";
  workers.disconnect(a.session, true);
  EXPECT_EQ(failure_of(ends.of(1)).kind, failure_kind::lost);
  EXPECT_FALSE(ends.reports().contains(2));
}

TEST_F(ConnectedWorkers, ASecondConnectionTakesThePlaceOfTheFirst) {
  const connected a = connect("a");
  workers.grant(a.session, 1);
  workers.run({task(1)});
  const connected again = connect("a", {"default"}, {id(1)});
  EXPECT_NE(a.told->closed, "");
  workers.disconnect(a.session, true);
  EXPECT_TRUE(ends.reports().empty()) << "of a connection that counts no more";
  workers.grant(a.session, 5);
  workers.run({task(2)});
  EXPECT_THAT(again.told->tasks, IsEmpty()) << "it has granted nothing yet";
  end(again, 1);
  EXPECT_TRUE(std::holds_alternative<tasks::completed>(ends.of(1).how));
}

TEST_F(ConnectedWorkers, AttemptsOfAnEarlierProcessAreNamedOrLost) {
  workers.adopt({task(1), task(2)});
  const connected a = connect("a", {"default"}, {id(1)});
  time.advance(4s);
  EXPECT_TRUE(ends.reports().empty());
  time.advance(2s);
  EXPECT_EQ(failure_of(ends.of(2)).kind, failure_kind::lost);
  EXPECT_FALSE(ends.reports().contains(1));
  end(a, 1);
  EXPECT_TRUE(std::holds_alternative<tasks::completed>(ends.of(1).how));
}

TEST_F(ConnectedWorkers, TimeLimitsAreTheirs) {
  const connected a = connect("a");
  workers.grant(a.session, 2);
  workers.run({task(1, {}, "work", 5'000'000)});
  time.advance(5s);
  EXPECT_TRUE(std::holds_alternative<tasks::timed_out>(ends.of(1).how));
  EXPECT_THAT(a.told->dropped, ElementsAre(1u));
  end(a, 1);
  EXPECT_EQ(ends.reports(), (std::map<std::uint64_t, int>{{1, 1}}));
  EXPECT_EQ(time.alarms(), 0u);
}

TEST_F(ConnectedWorkers, HeartbeatsKeepAliveAndArePassedOn) {
  auto watched = std::make_shared<messages::ActivityTask>(*task(1));
  watched->mutable_options()->set_heartbeat_us(10'000'000);
  const connected a = connect("a");
  workers.grant(a.session, 1);
  workers.run({watched});
  messages::Payload details;
  details.set_data("7");
  for (int i = 0; i < 5; ++i) {
    time.advance(9s);
    workers.heartbeat(a.session, id(1), details);
  }
  EXPECT_TRUE(ends.reports().empty());
  EXPECT_EQ(ends.heartbeats(1, 1).front(), "7");
  time.advance(10s);
  const auto end = ends.of(1);
  ASSERT_TRUE(std::holds_alternative<tasks::timed_out>(end.how));
  EXPECT_EQ(std::get<tasks::timed_out>(end.how).which, tasks::timed_out::limit::heartbeat);
}

TEST_F(ConnectedWorkers, CancelEndsAtOnceAndRequestStopWaits) {
  const connected a = connect("a");
  workers.grant(a.session, 2);
  workers.run({task(1), task(2), task(3)});
  workers.cancel(id(1));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
  EXPECT_THAT(a.told->dropped, ElementsAre(1u));
  workers.request_stop(id(2));
  EXPECT_THAT(a.told->asked, ElementsAre(2u));
  EXPECT_FALSE(ends.reports().contains(2));
  end(a, 2, tasks::canceled{});
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how));
  workers.request_stop(id(3));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(3).how)) << "it had not started";
  EXPECT_EQ(ends.of(3).started_us, 0);
}

TEST_F(ConnectedWorkers, OnlyWhatWaitsExpiresAndEndsWithANode) {
  const connected a = connect("a");
  workers.grant(a.session, 1);
  workers.run({task(1), task(2), task(3)});
  workers.expire(id(1));
  workers.expire(id(2));
  EXPECT_TRUE(std::holds_alternative<tasks::timed_out>(ends.of(2).how));
  workers.stop(0ms);
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(3).how));
  EXPECT_FALSE(ends.reports().contains(1));
}

}  // namespace
}  // namespace evermill::tests
