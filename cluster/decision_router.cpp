#include "cluster/decision_router.hpp"

#include <algorithm>
#include <utility>

namespace evermill::cluster {

decision_router::decision_router(decision_router_options options, queue::memory_queue& local, decision_stream& remote, clock& time,
                                 random_source& random, on_unanswered unanswered)
    : options_(std::move(options)),
      local_(local),
      remote_(remote),
      time_(time),
      random_(random),
      unanswered_(std::move(unanswered)),
      is_local_(options_.partition_count) {}

bool decision_router::publish(partition_id partition, std::shared_ptr<const messages::DecisionEvent> event) {
  return publish(partition, std::span(&event, 1));
}

bool decision_router::publish(partition_id partition, std::span<const std::shared_ptr<const messages::DecisionEvent>> events) {
  {
    const std::shared_lock lock(routes_);
    if (is_local_.at(partition.value)) return local_.publish(partition, events);
  }
  return std::all_of(events.begin(), events.end(), [&](const auto& each) { return send(partition, each); });
}

bool decision_router::send(partition_id partition, const std::shared_ptr<const messages::DecisionEvent>& event) {
  if (event->reply_token() != 0) return send_request(partition, *event);
  return remote_.publish(partition, event);
}

/// As it may be sent more than once, it needs an id by which that is seen; starts and updates have one.
bool decision_router::send_request(partition_id partition, const messages::DecisionEvent& event) {
  auto made = std::make_shared<messages::DecisionEvent>(event);
  made->set_reply_to(options_.member);
  if (made->request_id().empty() && made->event().has_workflow_execution_signaled()) made->set_request_id(make_uuid(random_));
  const std::uint64_t token = made->reply_token();
  const timestamp now = time_.now();
  {
    const std::lock_guard lock(mutex_);
    requests_[token] = {partition, made, now + options_.resend_after, now + options_.give_up_after};
  }
  const auto sent = remote_.publish(partition, *made, nullptr);
  if (sent || sent.error().code == queue::broker_errc::overloaded) return true;  // tried again
  {
    const std::lock_guard lock(mutex_);
    if (requests_.erase(token) == 0) return true;
  }
  if (sent.error().code == queue::broker_errc::closed) return false;
  unanswered_(token, sent.error().message);
  return true;
}

void decision_router::close() {
  local_.close();
  remote_.close();
}

void decision_router::set_local(partition_id partition, bool local) {
  const std::unique_lock lock(routes_);
  is_local_.at(partition.value) = local;
}

bool decision_router::answered(std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  return requests_.erase(token) != 0;
}

void decision_router::tick() {
  const timestamp now = time_.now();
  std::vector<request> again;
  std::vector<std::uint64_t> given_up;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = requests_.begin(); it != requests_.end();) {
      request& each = it->second;
      if (each.give_up_at <= now) {
        given_up.push_back(it->first);
        it = requests_.erase(it);
        continue;
      }
      if (each.again_at <= now) {
        each.again_at = now + options_.resend_after;
        again.push_back(each);
      }
      ++it;
    }
  }
  for (const request& each : again) publish_again(each);
  for (const std::uint64_t token : given_up) {
    unanswered_(token, "no process has answered; the request may have been done, or may still be: asked with the same id it is done once");
  }
}

/// To where the partition is now.
void decision_router::publish_again(const request& what) {
  {
    const std::shared_lock lock(routes_);
    if (is_local_.at(what.to.value)) {
      auto mine = std::make_shared<messages::DecisionEvent>(*what.event);
      mine->clear_reply_to();
      local_.publish(what.to, std::move(mine));
      return;
    }
  }
  static_cast<void>(remote_.publish(what.to, *what.event, nullptr));
}

void decision_router::hasten(partition_id partition) {
  const std::lock_guard lock(mutex_);
  for (auto& [token, each] : requests_) {
    if (each.to == partition) each.again_at = {};
  }
}

}  // namespace evermill::cluster
