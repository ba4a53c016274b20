// Nodes and workers, and what lies between them: messages that may be lost, repeated, or late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

#include "cluster/remote_workers.hpp"
#include "cluster/worker_agent.hpp"
#include "cluster/worker_groups.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::cluster {
namespace {

using namespace std::chrono_literals;
using tasks::dispatch_id;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class RemoteWork : public testing::Test {
 protected:
  struct a_node {
    std::unique_ptr<remote_workers> workers;
    std::vector<std::string> lost;      ///< dispatch ids
    std::vector<std::string> returned;  ///< not sent
    std::vector<std::string> expired;
    std::size_t released = 0;
  };
  struct a_worker {
    std::unique_ptr<worker_agent> agent;
    std::vector<dispatch_id> runs;
    std::vector<dispatch_id> unacknowledged;
    std::map<dispatch_id, int> times;  ///< each attempt was started
    std::vector<std::string> told;
    bool dead = false;
  };

  a_node& add_node(const std::string& id) {
    a_node& made = nodes_[id];
    const auto report = [&made](tasks::attempt_end&& end) {
      const std::string name = to_string(tasks::dispatch_id_of(*end.task));
      if (std::holds_alternative<tasks::failed>(end.how)) made.lost.push_back(name);
      if (std::holds_alternative<tasks::canceled>(end.how)) made.returned.push_back(name);
      if (std::holds_alternative<tasks::timed_out>(end.how)) made.expired.push_back(name);
    };
    made.workers = std::make_unique<remote_workers>(
        remote_workers_options{}, clock_, [this](std::function<void()> what) { todo_.push_back(std::move(what)); },
        [this, id](messages::ProcessMessage&& message) { send(id, std::move(message)); }, report,
        [&made](const messages::ActivityTask&) { ++made.released; }, log());
    plan();
    return made;
  }
  a_worker& add_worker(const std::string& id, std::size_t concurrency, std::vector<std::string> queues = {"default"}) {
    a_worker& made = workers_[id];
    worker_agent::actions does;
    does.send = [this, id](messages::ProcessMessage&& message) { send(id, std::move(message)); };
    does.run = [&made](std::vector<worker_agent::task_ptr>&& tasks) {
      for (const auto& task : tasks) {
        made.runs.push_back(tasks::dispatch_id_of(*task));
        ++made.times[made.runs.back()];
      }
    };
    does.tell = [&made](const dispatch_id& id, messages::AttemptCancellation::How how) {
      made.told.push_back(to_string(id) + " " + messages::AttemptCancellation::How_Name(how));
    };
    made.agent = std::make_unique<worker_agent>(worker_agent_options{std::move(queues), concurrency}, clock_, std::move(does));
    plan();
    return made;
  }
  void plan() {
    plan_.clear_members();
    for (const auto& [id, each] : nodes_) {
      messages::ClusterPlan::Member& member = *plan_.add_members();
      member.set_id(id);
      member.mutable_description()->set_role(messages::MemberDescription::NODE);
    }
    for (auto& [id, each] : workers_) each.agent->on_plan(plan_);
  }
  void own(std::uint32_t partition, const std::string& node) {
    while (plan_.partitions_size() <= static_cast<int>(partition)) plan_.add_partitions();
    plan_.mutable_partitions(static_cast<int>(partition))->set_owner(node);
    plan();
  }

  static std::shared_ptr<messages::ActivityTask> task(std::uint64_t run, const std::string& queue = "", std::uint32_t partition = 0) {
    auto made = std::make_shared<messages::ActivityTask>();
    made->set_partition(partition);
    made->set_run_number(run);
    made->set_scheduled_seq(2);
    made->set_attempt(1);
    made->set_dispatch_boot(1);
    made->mutable_options()->set_task_queue(queue);
    return made;
  }
  static std::string name(std::uint64_t run, std::uint32_t partition = 0) {
    return std::to_string(partition) + "." + std::to_string(run) + ".2.1.1";
  }
  void dispatch(a_node& from, std::uint64_t first, std::uint64_t last, const std::string& queue = "") {
    std::vector<remote_workers::task_ptr> tasks;
    for (std::uint64_t run = first; run <= last; ++run) tasks.push_back(task(run, queue));
    from.workers->run(std::move(tasks));
    settle();
  }

  void send(const std::string& from, messages::ProcessMessage&& message) {
    message.set_from(from);
    if (lose && lose(message)) return;
    mail_.push_back(std::move(message));
  }
  bool deliver_one() {
    if (!todo_.empty()) {
      const auto next = std::move(todo_.front());
      todo_.pop_front();
      next();
      return true;
    }
    if (mail_.empty()) return false;
    messages::ProcessMessage message = std::move(mail_.front());
    mail_.pop_front();
    if (const auto node = nodes_.find(message.to()); node != nodes_.end() && message.has_worker_status()) {
      node->second.workers->on_status(message.from(), message.worker_status());
    }
    if (const auto worker = workers_.find(message.to()); worker != workers_.end() && !worker->second.dead) {
      if (message.worker_tasks().group().empty() && message.has_worker_tasks()) {
        worker->second.agent->on_tasks(message.from(), std::move(*message.mutable_worker_tasks()));
      }
      if (message.has_attempt_cancellation()) worker->second.agent->on_cancellation(message.attempt_cancellation());
    }
    if (const auto groups = groups_.find(message.to()); groups != groups_.end()) {
      if (message.has_worker_tasks()) groups->second->on_tasks(message.from(), std::move(*message.mutable_worker_tasks()));
      if (message.has_attempt_cancellation()) groups->second->on_cancellation(message.attempt_cancellation());
    }
    return true;
  }
  void settle() {
    while (deliver_one()) {
    }
  }
  void pass(std::chrono::milliseconds time) {
    for (; time.count() > 0; time -= 100ms) {
      clock_.advance(100ms);
      for (auto& [id, each] : nodes_) each.workers->tick();
      for (auto& [id, each] : workers_) {
        if (!each.dead) each.agent->tick();
      }
      settle();
    }
  }
  void end(a_worker& of, std::size_t count) {
    for (; count > 0 && !of.runs.empty(); --count) {
      const dispatch_id id = of.runs.front();
      of.runs.erase(of.runs.begin());
      of.agent->on_ended(id);
      of.agent->on_acknowledged(id);
      settle();
    }
  }

  tests::manual_clock clock_;
  messages::ClusterPlan plan_;
  std::deque<std::function<void()>> todo_;
  std::deque<messages::ProcessMessage> mail_;
  std::function<bool(const messages::ProcessMessage&)> lose;
  std::map<std::string, a_node> nodes_;
  std::map<std::string, a_worker> workers_;
  std::map<std::string, worker_groups*> groups_;
};

TEST_F(RemoteWork, AWorkerGetsNoMoreThanItHasRoomFor) {
  a_node& node = add_node("n");
  a_worker& worker = add_worker("w", 3);
  dispatch(node, 1, 10);
  EXPECT_THAT(worker.runs, SizeIs(3));
  EXPECT_EQ(node.workers->waiting(), 7U);
  end(worker, 2);
  EXPECT_THAT(worker.runs, SizeIs(3));
  for (int i = 0; i < 20; ++i) end(worker, 1);
  EXPECT_EQ(node.released, 10U);
  EXPECT_EQ(node.workers->running() + node.workers->waiting(), 0U);
}

TEST_F(RemoteWork, TasksGoToWhoServesTheirQueue) {
  a_node& node = add_node("n");
  a_worker& general = add_worker("w", 10);
  a_worker& special = add_worker("x", 10, {"gpu", "tpu"});
  dispatch(node, 1, 4);
  dispatch(node, 5, 6, "gpu");
  dispatch(node, 7, 7, "elsewhere");
  EXPECT_THAT(general.runs, SizeIs(4));
  EXPECT_THAT(special.runs, SizeIs(2));
  EXPECT_EQ(node.workers->waiting(), 1U) << "until somebody serves its queue";
  const a_worker& late = add_worker("y", 1, {"elsewhere"});
  settle();
  EXPECT_THAT(late.runs, SizeIs(1));
}

TEST_F(RemoteWork, TasksAreSpreadOverWorkers) {
  a_node& node = add_node("n");
  const a_worker& one = add_worker("w", 10);
  const a_worker& two = add_worker("x", 10);
  settle();
  dispatch(node, 1, 10);
  EXPECT_THAT(one.runs, SizeIs(5));
  EXPECT_THAT(two.runs, SizeIs(5));
}

TEST_F(RemoteWork, RoomGoesToTheNodeThatNeedsIt) {
  a_node& busy = add_node("a");
  a_node& idle = add_node("b");
  a_worker& worker = add_worker("w", 4);
  settle();
  dispatch(busy, 1, 20);
  pass(300ms);
  EXPECT_THAT(worker.runs, SizeIs(4)) << "all of it";
  dispatch(idle, 21, 40);
  for (int i = 0; i < 16; ++i) {
    end(worker, 1);
    pass(100ms);
  }
  EXPECT_GT(busy.released, 3U);
  EXPECT_GT(idle.released, 3U) << "each has its turn";
}

TEST_F(RemoteWork, ALostMessageIsMadeGood) {
  a_node& node = add_node("n");
  a_worker& worker = add_worker("w", 5);
  settle();
  lose = [](const messages::ProcessMessage& message) { return message.has_worker_tasks(); };
  dispatch(node, 1, 5);
  EXPECT_THAT(worker.runs, IsEmpty());
  lose = nullptr;
  pass(2s);
  EXPECT_THAT(worker.runs, SizeIs(5));
  lose = [](const messages::ProcessMessage& message) { return message.has_worker_status(); };
  end(worker, 5);
  EXPECT_EQ(node.released, 0U);
  lose = nullptr;
  pass(2s);
  EXPECT_EQ(node.released, 5U);
  EXPECT_THAT(node.lost, IsEmpty());
}

TEST_F(RemoteWork, WhatADeadWorkerRanIsLost) {
  a_node& node = add_node("n");
  a_worker& dead = add_worker("w", 2);
  dispatch(node, 1, 2);
  const a_worker& other = add_worker("x", 2);
  dead.dead = true;
  pass(9s);
  EXPECT_THAT(node.lost, IsEmpty());
  pass(2s);
  EXPECT_THAT(node.lost, UnorderedElementsAre(name(1), name(2)));
  EXPECT_THAT(other.runs, IsEmpty()) << "the partition decides what follows";
}

TEST_F(RemoteWork, AWorkerThatIsHeardOfAgainRunsWhatItIsSentThen) {
  a_node& node = add_node("n");
  a_worker& worker = add_worker("w", 6);
  dispatch(node, 1, 2);
  worker.dead = true;
  pass(11s);
  EXPECT_THAT(node.lost, SizeIs(2));
  worker.dead = false;
  dispatch(node, 3, 4);
  pass(2s);
  EXPECT_THAT(worker.runs, SizeIs(4)) << "of which nobody waits for the first two";
  end(worker, 4);
  pass(2s);
  EXPECT_EQ(node.released, 4U);
}

TEST_F(RemoteWork, WhatIsLeftOfBeforeAWorkerWasLostIsNotTakenForWhatCameAfter) {
  a_node& node = add_node("n");
  a_worker& worker = add_worker("w", 6);
  settle();
  std::vector<messages::ProcessMessage> late;
  lose = [&](const messages::ProcessMessage& message) {
    if (message.has_worker_tasks() && message.worker_tasks().tasks_size() > 0) late.push_back(message);
    return message.has_worker_tasks();
  };
  dispatch(node, 1, 2);
  worker.dead = true;
  pass(11s);
  lose = nullptr;
  worker.dead = false;
  dispatch(node, 3, 3);
  pass(1s);
  mail_.insert(mail_.end(), late.begin(), late.end());
  settle();
  dispatch(node, 4, 4);
  pass(1s);
  EXPECT_THAT(worker.runs, ElementsAre(dispatch_id{0, 3, 2, 1, 1}, dispatch_id{0, 4, 2, 1, 1}));
}

TEST_F(RemoteWork, ANodeThatIsInThePlanAgainIsKnownAsBefore) {
  a_node& node = add_node("n");
  a_worker& worker = add_worker("w", 6);
  dispatch(node, 1, 2);
  messages::ClusterPlan without = plan_;
  without.clear_members();
  worker.agent->on_plan(without);
  plan();
  dispatch(node, 3, 3);
  pass(2s);
  EXPECT_THAT(worker.runs, SizeIs(3));
  EXPECT_THAT(node.lost, IsEmpty());
}

TEST_F(RemoteWork, WhatHasNotBeenSentCanBeTakenBack) {
  a_node& node = add_node("n");
  a_worker& worker = add_worker("w", 1);
  dispatch(node, 1, 3);
  node.workers->cancel(tasks::dispatch_id_of(*task(2)));
  node.workers->expire(tasks::dispatch_id_of(*task(3)));
  node.workers->cancel(tasks::dispatch_id_of(*task(1)));
  settle();
  EXPECT_THAT(node.returned, ElementsAre(name(2)));
  EXPECT_THAT(node.expired, ElementsAre(name(3)));
  EXPECT_THAT(worker.told, ElementsAre(name(1) + " CANCEL")) << "that one runs";
}

TEST_F(RemoteWork, ANewOwnerFindsWhatWorkersRun) {
  a_node& before = add_node("a");
  own(0, "a");
  a_worker& worker = add_worker("w", 4);
  dispatch(before, 1, 2);
  ASSERT_THAT(worker.runs, SizeIs(2));
  nodes_.erase("a");
  a_node& after = add_node("b");
  after.workers->adopt({task(1), task(2), task(3)});
  own(0, "b");
  settle();
  pass(4s);
  EXPECT_THAT(after.lost, IsEmpty());
  pass(2s);
  EXPECT_THAT(after.lost, ElementsAre(name(3))) << "no worker has it";
  end(worker, 2);
  EXPECT_EQ(after.released, 3U);
}

TEST_F(RemoteWork, APartitionThatIsElsewhereIsForgotten) {
  a_node& node = add_node("n");
  a_worker& worker = add_worker("w", 1);
  dispatch(node, 1, 3);
  node.workers->forget(0);
  settle();
  EXPECT_EQ(node.workers->waiting() + node.workers->running(), 0U);
  EXPECT_THAT(worker.runs, SizeIs(1)) << "it goes on, and tells the new owner";
  EXPECT_THAT(node.lost, IsEmpty());
}

TEST_F(RemoteWork, AWorkerThatDrainsTakesNothingNew) {
  a_node& node = add_node("n");
  a_worker& worker = add_worker("w", 2);
  dispatch(node, 1, 4);
  worker.agent->drain();
  settle();
  end(worker, 2);
  pass(3s);
  EXPECT_TRUE(worker.agent->idle());
  EXPECT_EQ(node.workers->waiting(), 2U);
}

/// Whatever is lost, repeated or dies: nothing is started twice, and every task ends or is told to be lost.
TEST_F(RemoteWork, AWorkersRoomMayChange) {
  a_node& node = add_node("n");
  a_worker& worker = add_worker("w", 0);
  dispatch(node, 1, 10);
  EXPECT_THAT(worker.runs, IsEmpty());
  worker.agent->set_concurrency(4);
  settle();
  EXPECT_THAT(worker.runs, SizeIs(4));
  worker.agent->set_concurrency(1);
  settle();
  end(worker, 3);
  EXPECT_THAT(worker.runs, SizeIs(1)) << "nothing new before there is less than it has room for";
  end(worker, 1);
  EXPECT_THAT(worker.runs, SizeIs(1));
  EXPECT_EQ(node.workers->waiting(), 5U);
  worker.agent->set_concurrency(0);
  settle();
  end(worker, 1);
  EXPECT_THAT(worker.runs, IsEmpty());
}

TEST_F(RemoteWork, AWorkerOfTheBrokerServesItsQueueInAllNamespaces) {
  a_node& node = add_node("n");
  const a_worker& worker = add_worker("w", 10, {"gpu"});
  std::vector<remote_workers::task_ptr> tasks;
  for (const char* const name_space : {"", "default", "shop"}) {
    auto made = task(tasks.size() + 1, "gpu");
    made->set_name_space(name_space);
    tasks.push_back(std::move(made));
  }
  node.workers->run(std::move(tasks));
  settle();
  EXPECT_THAT(worker.runs, SizeIs(3));
}

/// Two sets of task queues of one process: what one has room for is not taken by the other one's tasks.
TEST_F(RemoteWork, GroupsOfAProcessHaveRoomOfTheirOwn) {
  a_node& node = add_node("n");
  a_worker& process = add_worker("w", 0, {"nobody asks for it"});
  worker_agent::actions does;
  does.send = [this](messages::ProcessMessage&& message) { send("w", std::move(message)); };
  does.run = [&](std::vector<worker_agent::task_ptr>&& tasks) {
    for (const auto& task : tasks) process.runs.push_back(tasks::dispatch_id_of(*task));
  };
  does.tell = [&](const dispatch_id& id, messages::AttemptCancellation::How) { process.told.push_back(to_string(id)); };
  worker_groups groups(clock_, std::move(does));
  groups.on_plan(plan_);
  groups_["w"] = &groups;
  groups.set_capacity({"cpu"}, 2);
  groups.set_capacity({"gpu", "tpu"}, 3);
  settle();
  dispatch(node, 1, 9, "cpu");
  EXPECT_THAT(process.runs, SizeIs(2));
  dispatch(node, 11, 12, "tpu");
  EXPECT_THAT(process.runs, SizeIs(4));
  node.workers->cancel(process.runs.back());
  settle();
  EXPECT_THAT(process.told, ElementsAre(to_string(process.runs.back())));
  groups.on_ended(process.runs.front());
  groups.on_acknowledged(process.runs.front());
  settle();
  EXPECT_THAT(process.runs, SizeIs(5));
  EXPECT_EQ(node.released, 1U);
  auto foreign = task(20, "cpu");
  foreign->set_name_space("shop");
  node.workers->run({std::move(foreign)});
  settle();
  EXPECT_THAT(process.runs, SizeIs(5)) << "its task queue is another one";
  groups.set_capacity({"cpu"}, 0);
  settle();
  groups.on_ended(process.runs[1]);
  groups.on_acknowledged(process.runs[1]);
  settle();
  EXPECT_THAT(process.runs, SizeIs(5));
}

TEST_F(RemoteWork, HoldsWhateverIsLost) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    nodes_.clear();
    workers_.clear();
    mail_.clear();
    todo_.clear();
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    lose = [&](const messages::ProcessMessage&) { return chance(20); };
    a_node& a = add_node("a");
    a_node& b = add_node("b");
    for (const char* const id : {"w", "x", "y"}) add_worker(id, 1 + random() % 4);
    std::uint64_t given = 0;
    for (int step = 0; step < 150; ++step) {
      if (given < 60 && chance(40)) {
        std::vector<remote_workers::task_ptr> tasks;
        const bool to_a = chance(50);
        for (std::size_t i = random() % 5; i < 5; ++i) tasks.push_back(task(++given, "", to_a ? 0 : 1));
        (to_a ? a : b).workers->run(std::move(tasks));
      }
      for (auto& [id, worker] : workers_) {
        if (!worker.dead && chance(40)) end(worker, 1);
        if (!worker.dead && id == "w" && chance(2)) worker.dead = true;
      }
      if (chance(1)) {  // taken for dead, and heard of again
        workers_["x"].dead = true;
        pass(11s);
        workers_["x"].dead = false;
      }
      if (!mail_.empty() && chance(20)) mail_.push_back(mail_.front());
      pass(100ms * (random() % 4));
    }
    lose = nullptr;
    for (int i = 0; i < 200; ++i) {
      pass(200ms);
      for (auto& [id, worker] : workers_) {
        if (!worker.dead) end(worker, 5);
      }
    }
    EXPECT_EQ(a.released + b.released, given) << "waiting " << a.workers->waiting() << ", " << b.workers->waiting() << ", running "
                                              << a.workers->running() << ", " << b.workers->running();
    for (const auto& [id, worker] : workers_) {
      EXPECT_TRUE(worker.dead || worker.agent->running() == 0U) << id << " " << worker.runs.size();
    }
    std::map<dispatch_id, int> times;
    for (const auto& [id, worker] : workers_) {
      for (const auto& [attempt, count] : worker.times) times[attempt] += count;
    }
    for (const auto& [attempt, count] : times) EXPECT_EQ(count, 1) << to_string(attempt);
    EXPECT_LE(times.size(), given);
    EXPECT_GE(times.size() + a.lost.size() + b.lost.size(), given);
  }
}

}  // namespace
}  // namespace evermill::cluster
