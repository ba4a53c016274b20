#include "kept_queue.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace evermill::simulation {

class kept_queue::reader final : public queue::consumer {
 public:
  explicit reader(lane& from) : lane_(from) {}

  std::size_t poll(std::vector<queue::item>& out, std::size_t limit) override {
    const queue::position end = lane_.first + lane_.kept.size();
    std::size_t count = 0;
    for (; count < limit && lane_.next < end; ++count, ++lane_.next) {
      out.push_back({lane_.next, lane_.kept[lane_.next - lane_.first]});
    }
    lane_.wants_call = count == 0;
    return count;
  }

  void acknowledge(queue::position through) override { lane_.trim(std::min(through, lane_.next - 1)); }

 private:
  lane& lane_;
};

void kept_queue::lane::trim(queue::position through) {
  for (; first <= through && !kept.empty(); ++first) kept.pop_front();
}

void kept_queue::lane::call() {
  if (!on_readable || !std::exchange(wants_call, false)) return;
  on_readable();
}

void kept_queue::reopen() {
  closed_ = false;
  for (lane& each : lanes_) {
    for (auto& event : each.kept) {
      if (event->reply_token() == 0) continue;
      auto anonymous = std::make_shared<messages::DecisionEvent>(*event);
      anonymous->clear_reply_token();
      event = std::move(anonymous);
    }
  }
}

bool kept_queue::publish(partition_id partition, std::shared_ptr<const messages::DecisionEvent> event) {
  return publish(partition, std::span(&event, 1));
}

bool kept_queue::publish(partition_id partition,
                         std::span<const std::shared_ptr<const messages::DecisionEvent>> events) {
  if (closed_) return false;
  lane& to = lanes_.at(partition.value);
  to.kept.insert(to.kept.end(), events.begin(), events.end());
  to.call();
  return true;
}

std::unique_ptr<queue::consumer> kept_queue::consume(partition_id partition, queue::position after,
                                                     std::function<void()> on_readable) {
  lane& from = lanes_.at(partition.value);
  from.trim(after);
  from.next = from.first;
  from.on_readable = std::move(on_readable);
  from.wants_call = true;
  if (!from.kept.empty()) from.call();
  return std::make_unique<reader>(from);
}

void kept_queue::close() {
  closed_ = true;
  for (lane& each : lanes_) each.on_readable = nullptr;
}

}  // namespace evermill::simulation
