#include "plugins/task/kafka/kafka_link.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace evermill::tasks {
namespace {

using queue::broker_errc;
using queue::broker_error;
using queue::broker_result;

constexpr std::size_t most_links = 16;
constexpr std::chrono::minutes kept_unused{5};

broker_error closed_error(const std::string& address) { return {broker_errc::closed, address + ": it was closed"}; }

/// All that tells one from another.
std::string key_of(const queue::kafka::settings& server) {
  std::string key = server.servers;
  for (const auto& [name, value] : server.given) key.append(1, '\0').append(name).append(1, '\0').append(value);
  return key;
}

}  // namespace

broker_result<std::shared_ptr<kafka_link>> kafka_link::open(const queue::kafka::settings& with, queue::kafka::dispatcher& by,
                                                            const log& to) {
  std::shared_ptr<kafka_link> made(new kafka_link(with, to));
  auto asks = queue::kafka::admin::open(with, by, to);
  if (!asks) return unexpected(std::move(asks.error()));
  made->admin_ = std::move(*asks);
  constexpr auto isolation = queue::kafka::readers::isolation::read_committed;
  made->readers_ = std::make_unique<queue::kafka::readers>(with, *made->admin_, by, to, isolation);
  made->reading_ = std::make_unique<shared_reading>(*made->readers_, made->turns_, made->asks_);
  return made;
}

broker_result<queue::kafka::producer*> kafka_link::sender() {
  const std::lock_guard lock(mutex_);
  if (closed_) return unexpected(closed_error(settings_.address()));
  if (!producer_) {
    auto opened = queue::kafka::producer::open(settings_, log_);
    if (!opened) return unexpected(std::move(opened.error()));
    producer_ = std::move(*opened);
  }
  return producer_.get();
}

broker_result<void> kafka_link::send(const std::string& topic, queue::record what,
                                     queue::kafka::producer::placed_callback done) {
  const auto by = sender();
  if (!by) return unexpected(by.error());
  return (*by)->append_anywhere(topic, std::move(what), std::move(done));
}

void kafka_link::ask_bounds(const std::string& topic, on_bounds done) {
  asks_.post([this, topic, done = std::move(done)] {
    const broker_result<std::uint32_t> partitions = admin_->find(topic);
    if (!partitions) return done(unexpected(partitions.error()));
    std::map<std::uint32_t, queue::stream_bounds> all;
    for (std::uint32_t i = 0; i < *partitions; ++i) {
      const auto bounds = admin_->bounds(topic, i);
      if (!bounds) return done(unexpected(bounds.error()));
      all.emplace(i, *bounds);
    }
    done(std::move(all));
  });
}

void kafka_link::receive(const kafka_wait& what) {
  asks_.post([this, what] {
    const broker_result<std::uint32_t> partitions = admin_->find(what->topic);
    std::optional<broker_error> why;
    if (!partitions) why = partitions.error();
    kafka_receive_wait::partitions added;
    for (std::uint32_t i = 0; !why && i < *partitions; ++i) {
      if (what->after.contains(i)) continue;
      const auto bounds = admin_->bounds(what->topic, i);
      if (bounds) added[i] = bounds->first - 1;
      if (!bounds) why = bounds.error();
    }
    turns_.post([this, what, why, added] {
      if (!what->done) return;  // it was dropped
      what->after.insert(added.begin(), added.end());
      if (!why) return reading_->add(what);
      const auto done = std::exchange(what->done, nullptr);
      done(*what, &*why);
    });
  });
}

void kafka_link::drop(const kafka_wait& what) {
  turns_.post([this, what] { reading_->drop(what); });
}

void kafka_link::close() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  if (admin_) admin_->close();  // what blocks ends
  asks_.end();
  turns_.run([this] {
    if (reading_) reading_->end(closed_error(settings_.address()));
  });
  turns_.end();
  if (readers_) readers_->close();
  if (producer_) producer_->close();
}

kafka_links::~kafka_links() {
  std::unique_lock lock(mutex_);
  ended_ = true;
  const auto alarm = std::exchange(alarm_, std::nullopt);
  const auto links = std::exchange(links_, {});
  lock.unlock();
  if (alarm) time_.cancel_alarm(*alarm);
  closing_.end();
  for (const auto& [key, each] : links) each.link->close();
  dispatcher_.stop();
}

broker_result<std::shared_ptr<kafka_link>> kafka_links::to(const queue::kafka::settings& server) {
  const std::string key = key_of(server);
  const std::lock_guard lock(mutex_);
  if (const auto it = links_.find(key); it != links_.end()) {
    it->second.unused_since.reset();
    return it->second.link;
  }
  if (ended_) return unexpected(closed_error(server.address()));
  if (!make_room()) {
    return unexpected(broker_error{broker_errc::overloaded,
                                   server.address() + ": there are calls of " + std::to_string(most_links) +
                                       " other servers, and one process uses no more at once; try again later"});
  }
  auto opened = kafka_link::open(server, dispatcher_, log_);
  if (!opened) return opened;
  links_.emplace(key, entry{*opened, std::nullopt});
  if (!alarm_) set_alarm();
  return opened;
}

/// With the lock: nobody gets a link meanwhile, so that one that only this has is unused.
bool kafka_links::make_room() {
  if (links_.size() < most_links) return true;
  auto oldest = links_.end();
  for (auto it = links_.begin(); it != links_.end(); ++it) {
    if (it->second.link.use_count() > 1) continue;
    if (oldest == links_.end() || it->second.unused_since < oldest->second.unused_since) oldest = it;
  }
  if (oldest == links_.end()) return false;
  close_later(std::move(oldest->second.link));
  links_.erase(oldest);
  return true;
}

/// Closing waits for librdkafka.
void kafka_links::close_later(std::shared_ptr<kafka_link> what) {
  closing_.post([closed = std::move(what)] { closed->close(); });
}

void kafka_links::set_alarm() {
  alarm_ = time_.set_alarm(time_.now() + kept_unused / 2, [this] { look_at_unused(); });
}

void kafka_links::look_at_unused() {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  alarm_.reset();
  const timestamp now = time_.now();
  for (auto it = links_.begin(); it != links_.end();) {
    entry& each = it->second;
    if (each.link.use_count() > 1) {
      each.unused_since.reset();
    } else if (!each.unused_since) {
      each.unused_since = now;
    } else if (now - *each.unused_since >= kept_unused) {
      close_later(std::move(each.link));
      it = links_.erase(it);
      continue;
    }
    ++it;
  }
  if (!links_.empty()) set_alarm();
}

std::size_t kafka_links::count() {
  const std::lock_guard lock(mutex_);
  return links_.size();
}

}  // namespace evermill::tasks
