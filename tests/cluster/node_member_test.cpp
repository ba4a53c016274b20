// Processes of a cluster share partitions: on one thread, with a clock that stands still until the test moves it.
#include "cluster/node_member.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>

#include "cluster/streams.hpp"
#include "plugins/queue/memory/memory_broker.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::cluster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t partition_count = 4;

class process final : public partition_host {
 public:
  process(std::string name, std::shared_ptr<queue::memory_server> server, tests::manual_clock& time, random_source& random,
          std::unique_ptr<storage::key_value_store> store = storage::make_memory_store())
      : name_(std::move(name)), broker_(queue::make_memory_broker(std::move(server))), time_(time), store_(std::move(store)) {
    const auto cluster = open_cluster(*broker_, partition_count, random);
    EXPECT_TRUE(cluster);
    node_member_options options;
    options.member = name_;
    options.says.set_role(messages::MemberDescription::NODE);
    options.says.set_standbys(1);
    options.cluster = *cluster;
    options.snapshot_log_bytes = 10'000;
    options.counts = counts;
    const auto post = [this](std::function<void()> what) { todo_.push_back(std::move(what)); };
    member_ = std::make_unique<node_member>(std::move(options), *store_, *broker_, time_, random, *this, post, post, log());
  }
  void join() { EXPECT_TRUE(member_->start()); }
  /// As if it were gone: what others have of it stays.
  void freeze() { frozen_ = true; }
  void wake() { frozen_ = false; }

  bool run() {
    if (frozen_ || todo_.empty()) return false;
    const auto next = std::move(todo_.front());
    todo_.pop_front();
    next();
    return true;
  }

  node_member& member() { return *member_; }
  const std::shared_ptr<ownership_metrics> counts = std::make_shared<ownership_metrics>();
  std::unique_ptr<storage::key_value_store> take_store() { return std::move(store_); }
  queue::broker& broker() { return *broker_; }
  std::vector<std::uint16_t> running() const {
    std::vector<std::uint16_t> ids;
    for (const auto& [id, epoch] : running_) ids.push_back(id.value);
    return ids;
  }
  std::uint64_t epoch(std::uint16_t id) const { return running_.at(partition_id(id)); }
  void commit(std::uint16_t id, const std::string& key) {
    storage::write_batch batch;
    batch.put(storage::family::journal, row(id, key), "value");
    member_->commits().submit(partition_id(id), std::move(batch), [this](const auto& error) { committed += error ? 0 : 1; });
  }
  bool holds(const std::string& key) const {
    std::string value;
    for (std::uint16_t id = 0; id < partition_count; ++id) {
      if (*store_->get(storage::family::journal, row(id, key), value)) return true;
    }
    return false;
  }

  bool drains_at_once = true;
  int committed = 0;
  std::vector<std::string> stopped;  ///< why
  std::vector<std::string> broken;
  std::set<partition_id> draining;

 private:
  static std::string row(std::uint16_t id, const std::string& key) {
    std::string name;
    storage::append_partition(name, partition_id(id));
    return name + key;
  }
  storage::storage_result<void> start(partition_id id, std::uint64_t epoch) override {
    EXPECT_TRUE(running_.try_emplace(id, epoch).second) << "it runs once";
    return {};
  }
  void drain(partition_id id) override { draining.insert(id); }
  bool is_drained(partition_id) override { return drains_at_once; }
  void stop(partition_id id, const std::string& why) override {
    if (running_.erase(id) > 0) stopped.push_back(why);
    draining.erase(id);
  }
  void on_plan(const messages::ClusterPlan&) override {}
  void on_stopped(partition_id, const storage::storage_error& why) override { broken.push_back(why.message); }

  const std::string name_;
  const std::unique_ptr<queue::broker> broker_;
  tests::manual_clock& time_;
  std::unique_ptr<storage::key_value_store> store_;
  std::deque<std::function<void()>> todo_;
  std::map<partition_id, std::uint64_t> running_;
  bool frozen_ = false;
  std::unique_ptr<node_member> member_;
};

class NodeMember : public testing::Test {
 protected:
  process& start(const std::string& name) {
    processes_.push_back(std::make_unique<process>(name, server_, clock_, *random_));
    processes_.back()->join();
    pass(3s);
    return *processes_.back();
  }
  void run() {
    for (bool any = true; any;) {
      any = false;
      for (const auto& each : processes_) any = each->run() || any;
    }
  }
  void pass(std::chrono::milliseconds time) {
    for (run(); time.count() > 0; time -= 100ms) {
      clock_.advance(100ms);
      run();
      check_owners();
    }
  }
  /// Of those that are awake, and know that they are.
  void check_owners() {
    std::map<std::uint16_t, int> owners;
    for (const auto& each : processes_) {
      if (std::find(zombies_.begin(), zombies_.end(), each.get()) != zombies_.end()) continue;
      for (const std::uint16_t id : each->running()) EXPECT_EQ(++owners[id], 1) << "partition " << id << " runs twice";
    }
  }
  std::size_t running() const {
    std::size_t count = 0;
    for (const auto& each : processes_) count += each->running().size();
    return count;
  }

  const std::shared_ptr<queue::memory_server> server_ = queue::make_memory_server();
  tests::manual_clock clock_;
  const std::unique_ptr<random_source> random_ = make_seeded_random(1);
  std::vector<process*> zombies_;
  std::vector<std::unique_ptr<process>> processes_;
};

TEST_F(NodeMember, AloneHasEverything) {
  process& a = start("a");
  EXPECT_THAT(a.running(), ElementsAre(0, 1, 2, 3));
  a.commit(2, "x");
  run();
  EXPECT_EQ(a.committed, 1);
  EXPECT_TRUE(a.holds("x"));
}

TEST_F(NodeMember, OthersGetTheirShareAndFollowTheRest) {
  process& a = start("a");
  a.commit(0, "x");
  process& b = start("b");
  EXPECT_THAT(a.running(), SizeIs(2));
  EXPECT_THAT(b.running(), SizeIs(2));
  EXPECT_TRUE(b.holds("x")) << "each follows what the other has";
  process& c = start("c");
  EXPECT_EQ(running(), partition_count);
  EXPECT_THAT(c.running(), SizeIs(1));
}

TEST_F(NodeMember, WhoIsGoneIsFollowedByWhoHasItsCommits) {
  process& a = start("a");
  process& b = start("b");
  const std::uint16_t id = a.running().front();
  a.commit(id, "x");
  run();
  const std::uint64_t epoch = a.epoch(id);
  a.freeze();
  zombies_.push_back(&a);
  server_->expel(membership_group_name, "a");
  pass(1s);
  EXPECT_THAT(b.running(), ElementsAre(0, 1, 2, 3));
  EXPECT_GT(b.epoch(id), epoch);
  EXPECT_TRUE(b.holds("x"));

  // It wakes up and goes on as if nothing had been: what it commits does not hold.
  a.wake();
  a.commit(id, "zombie");
  const int before = a.committed;
  pass(2s);
  EXPECT_EQ(a.committed, before);
  EXPECT_THAT(a.running(), IsEmpty());
  EXPECT_FALSE(b.holds("zombie"));
  EXPECT_FALSE(a.holds("zombie"));
}

TEST_F(NodeMember, AZombieThatCommitsNothingLearnsItAsWell) {
  process& a = start("a");
  start("b");
  a.freeze();
  zombies_.push_back(&a);
  server_->expel(membership_group_name, "a");
  pass(1s);
  a.wake();
  pass(2s);
  EXPECT_THAT(a.running(), IsEmpty());
  ASSERT_THAT(a.stopped, SizeIs(4)) << "two of them had gone to the other one before";
  EXPECT_THAT(a.stopped[2], HasSubstr("another process has claimed"));
}

TEST_F(NodeMember, SaysWhatItHasAndHowThatCame) {
  process& a = start("a");
  EXPECT_EQ(a.counts->first.value(), partition_count);
  EXPECT_EQ(a.member().why_apart(), std::nullopt);
  process& b = start("b");
  EXPECT_EQ(b.counts->handovers.value(), 2U);
  const auto owned = [](process& of) {
    const auto shares = of.member().shares();
    return std::count_if(shares.begin(), shares.end(), [](const partition_share& each) { return each.owned; });
  };
  EXPECT_EQ(owned(a), 2);
  EXPECT_EQ(owned(b), 2);
  EXPECT_THAT(b.member().shares(), SizeIs(partition_count)) << "the others are followed";
  EXPECT_EQ(a.counts->losses.value(), 0U) << "it has given them up";
  a.freeze();
  zombies_.push_back(&a);
  server_->expel(membership_group_name, "a");
  pass(1s);
  EXPECT_EQ(b.counts->takeovers.value(), 2U);
  for (const partition_share& each : b.member().shares()) {
    EXPECT_TRUE(each.owned);
    EXPECT_EQ(each.epoch, b.epoch(each.id.value));
    EXPECT_GT(each.at, 0U);
  }
  a.wake();
  pass(2s);
  EXPECT_EQ(a.counts->losses.value(), 2U);
}

TEST_F(NodeMember, IsApartUntilThePlanKnowsOfIt) {
  start("a");
  processes_.push_back(std::make_unique<process>("b", server_, clock_, *random_));
  processes_.back()->join();
  EXPECT_THAT(processes_.back()->member().why_apart(), testing::Optional(HasSubstr("plan does not know")));
  pass(1s);
  EXPECT_EQ(processes_.back()->member().why_apart(), std::nullopt);
}

TEST_F(NodeMember, APlannedMoveWaitsUntilTheOwnerHasDrained) {
  process& a = start("a");
  a.drains_at_once = false;
  process& b = start("b");
  EXPECT_THAT(a.draining, SizeIs(2));
  EXPECT_THAT(b.running(), IsEmpty());
  a.drains_at_once = true;
  pass(1s);
  EXPECT_THAT(b.running(), SizeIs(2));
}

TEST_F(NodeMember, WhatNeverDrainsIsStopped) {
  process& a = start("a");
  a.drains_at_once = false;
  process& b = start("b");
  pass(5s);
  EXPECT_THAT(b.running(), SizeIs(2));
  EXPECT_THAT(a.running(), SizeIs(2));
}

TEST_F(NodeMember, WhoLeavesIsFreedOfWhatItHas) {
  process& a = start("a");
  process& b = start("b");
  EXPECT_TRUE(a.member().has_peers());
  a.member().leave();
  pass(3s);
  EXPECT_TRUE(a.member().is_free());
  EXPECT_THAT(b.running(), ElementsAre(0, 1, 2, 3));
  EXPECT_FALSE(b.member().has_peers());
  b.member().leave();
  pass(3s);
  EXPECT_FALSE(b.member().is_free()) << "nobody else could have it";
  b.member().close_down();
  pass(1s);
  EXPECT_TRUE(b.member().is_free());
}

TEST_F(NodeMember, WhoHasFollowedALogToItsEndBeforeHasCaughtUp) {
  process& a = start("a");
  start("b");
  zombies_.push_back(&a);
  a.member().end();
  processes_.push_back(std::make_unique<process>("c", server_, clock_, *random_, a.take_store()));
  processes_.back()->join();
  pass(3s);
  EXPECT_THAT(processes_.back()->running(), SizeIs(2)) << "nothing new is in the logs, and nobody tells it so";
}

TEST_F(NodeMember, WhatWasReleasedIsClaimedAtOnce) {
  process& a = start("a");
  a.member().close_down();
  pass(1s);
  EXPECT_EQ(running(), 0U);
  zombies_.push_back(&a);
  a.member().end();
  process& b = start("b");
  EXPECT_THAT(b.running(), SizeIs(partition_count));
}

TEST_F(NodeMember, TheOneThatDecidesMayGo) {
  process& a = start("a");
  process& b = start("b");
  process& c = start("c");
  const std::string decides = b.member().plan().coordinator();
  process& gone = decides == "a" ? a : decides == "b" ? b : c;
  gone.freeze();
  zombies_.push_back(&gone);
  server_->expel(membership_group_name, decides);
  pass(2s);
  std::size_t awake = 0;
  for (process* const each : {&a, &b, &c}) awake += each == &gone ? 0 : each->running().size();
  EXPECT_EQ(awake, partition_count);
  EXPECT_NE((&gone == &a ? b : a).member().plan().coordinator(), decides);
}

TEST_F(NodeMember, ALogIsTrimmedBelowASnapshotFromWhichOthersBegin) {
  process& a = start("a");
  for (int i = 0; i < 40; ++i) {
    a.commit(1, "key " + std::to_string(i % 10) + std::string(1000, 'x'));
    run();
  }
  pass(1s);
  EXPECT_GT(a.broker().bounds({log_stream_name, 1})->first, 20U);
  EXPECT_EQ(a.broker().bounds({log_stream_name, 2})->first, 1U) << "nothing was added to it";
  process& b = start("b");
  pass(2s);
  EXPECT_THAT(b.running(), SizeIs(2));
  EXPECT_TRUE(b.holds("key 3" + std::string(1000, 'x')));
  EXPECT_THAT(b.broken, IsEmpty());
}

TEST_F(NodeMember, AGapBetweenSnapshotAndLogStopsAPartition) {
  process& a = start("a");
  for (int i = 0; i < 40; ++i) {
    a.commit(1, "key " + std::to_string(i % 10) + std::string(1000, 'x'));
    run();
  }
  pass(1s);
  a.commit(1, "behind the snapshot");
  pass(1s);
  EXPECT_TRUE(a.broker().trim({log_stream_name, 1}, a.broker().bounds({log_stream_name, 1})->last));
  process& b = start("b");
  pass(1s);
  EXPECT_THAT(b.broken, IsEmpty()) << "another snapshot may have been made meanwhile";
  pass(6s);
  EXPECT_THAT(b.broken, SizeIs(1));
}

TEST_F(NodeMember, ABrokerThatIsAwayStopsNothingForGood) {
  process& a = start("a");
  server_->set_available(false);
  a.commit(0, "x");
  pass(5s);
  EXPECT_EQ(a.committed, 0);
  server_->set_available(true);
  pass(1s);
  EXPECT_EQ(a.committed, 1);
  EXPECT_THAT(a.running(), SizeIs(partition_count));
}

TEST_F(NodeMember, ALogThatCanNotBeFollowedStopsItsPartitionAlone) {
  process& a = start("a");
  process& b = start("b");
  const std::uint16_t id = a.running().front();
  EXPECT_TRUE(b.broker().append({log_stream_name, id}, {{"", "this is no record of a log", {}}}, nullptr));
  pass(2s);
  EXPECT_THAT(a.broken, ElementsAre(HasSubstr("partition " + std::to_string(id))));
  EXPECT_THAT(b.broken, SizeIs(1)) << "it follows the same log";
  EXPECT_EQ(running(), partition_count - 1);
}

TEST_F(NodeMember, TheNumberOfPartitionsIsFixed) {
  const process& a = start("a");
  static_cast<void>(a);
  const auto broker = queue::make_memory_broker(server_);
  const auto other = open_cluster(*broker, partition_count + 1, *random_);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("4 partitions, not 5"));
  EXPECT_EQ(open_cluster(*broker, 0, *random_)->partition_count(), partition_count);
  EXPECT_EQ(find_cluster(*broker)->partition_count(), partition_count);
}

}  // namespace
}  // namespace evermill::cluster
