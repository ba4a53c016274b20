// A partition that reads more than one queue, of which one outlives its process and leaves places out.
#include <gmock/gmock.h>

#include <map>

#include "partition_rig.hpp"
#include "storage/rows.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Keeps what it is given, at the places that the test says.
class sparse_queue final : public queue::decision_queue {
 public:
  explicit sparse_queue(std::string source) : source_(std::move(source)) {}

  void put(queue::position at, messages::DecisionEvent event) {
    items_[at] = std::make_shared<messages::DecisionEvent>(std::move(event));
    if (on_readable_) on_readable_();
  }
  void signal(queue::position at, const std::string& to, const std::string& value) {
    messages::DecisionEvent event;
    event.set_workflow_id(to);
    auto& signaled = *event.mutable_event()->mutable_workflow_execution_signaled();
    signaled.set_signal_name("number");
    signaled.mutable_input()->set_data(value);
    put(at, std::move(event));
  }

  const std::string& source() const override { return source_; }
  bool publish(partition_id, std::shared_ptr<const messages::DecisionEvent>) override { return false; }
  bool publish(partition_id, std::span<const std::shared_ptr<const messages::DecisionEvent>>) override { return false; }
  queue::backlog_size backlog(partition_id) const override { return {items_.size(), 0}; }
  std::unique_ptr<queue::consumer> consume(partition_id, queue::position after, std::function<void()> on_readable) override {
    begun_after.push_back(after);
    on_readable_ = std::move(on_readable);
    if (!items_.empty()) on_readable_();
    return std::make_unique<reader>(*this, after);
  }
  void close() override { on_readable_ = nullptr; }

  std::vector<queue::position> begun_after;
  queue::position acknowledged = 0;
  std::size_t polled = 0;

 private:
  class reader final : public queue::consumer {
   public:
    reader(sparse_queue& from, queue::position after) : from_(from), last_(after) {}
    std::size_t poll(std::vector<queue::item>& out, std::size_t limit) override {
      std::size_t count = 0;
      for (auto it = from_.items_.upper_bound(last_); it != from_.items_.end() && count < limit; ++it, ++count) {
        out.push_back({it->first, it->second});
        last_ = it->first;
      }
      from_.polled += count;
      return count;
    }
    void acknowledge(queue::position through) override { from_.acknowledged = through; }

   private:
    sparse_queue& from_;
    queue::position last_;
  };

  const std::string source_;
  std::map<queue::position, std::shared_ptr<const messages::DecisionEvent>> items_;
  std::function<void()> on_readable_;
};

class SeveralQueues : public testing::Test {
 protected:
  SeveralQueues() {
    rig.second_queue = &broker;
    rig.restart();
    rig.start("w", "reads_two", "0", 1);
    rig.settle();
  }

  partition_rig rig{test_workflows()};
  sparse_queue broker{"broker/1"};
};

TEST_F(SeveralQueues, WhatEachHoldsIsHandled) {
  broker.signal(1, "w", "1");
  rig.settle();
  rig.signal("w", "number", "2");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
  rig.check_journals();
}

TEST_F(SeveralQueues, APlaceThatIsLeftOutIsNothingToWaitFor) {
  broker.signal(5, "w", "1");
  rig.settle();
  EXPECT_EQ(broker.acknowledged, 5U);
  broker.signal(9, "w", "2");
  rig.settle();
  EXPECT_EQ(broker.acknowledged, 9U);
  EXPECT_EQ(rig.result("w"), "12");
}

TEST_F(SeveralQueues, ANewProcessReadsOnWhereTheLastOneWas) {
  broker.signal(3, "w", "1");
  rig.settle();
  rig.restart();
  rig.settle();
  EXPECT_EQ(broker.begun_after.back(), 3U);
  EXPECT_EQ(broker.polled, 1U) << "nothing comes again";
  broker.signal(4, "w", "2");
  rig.settle();
  EXPECT_EQ(rig.result("w"), "12");
}

TEST_F(SeveralQueues, APositionIsKeptWhileNobodyReadsItsQueue) {
  broker.signal(3, "w", "1");
  rig.settle();
  rig.second_queue = nullptr;
  rig.restart();
  rig.signal("w", "other", "0");
  rig.settle();  // a commit without the queue
  rig.second_queue = &broker;
  rig.restart();
  rig.settle();
  EXPECT_EQ(broker.begun_after.back(), 3U);
  EXPECT_EQ(broker.polled, 1U);
}

TEST_F(SeveralQueues, PositionsOfAnotherIncarnationMeanNothing) {
  broker.signal(3, "w", "1");
  rig.settle();
  sparse_queue other("broker/2");
  rig.second_queue = &other;
  rig.restart();
  other.signal(1, "w", "2");
  rig.settle();
  EXPECT_THAT(other.begun_after, ElementsAre(0));
  EXPECT_EQ(rig.result("w"), "12");
}

}  // namespace
}  // namespace evermill::actors
