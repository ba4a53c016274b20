#include "plugins/queue/memory/memory_queue.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/check.hpp"

namespace evermill::queue {
namespace {

using event_ptr = std::shared_ptr<const messages::DecisionEvent>;

/// One partition's list. Items stay until they are acknowledged, so that a new consumer gets them again.
struct event_list {
  std::mutex mutex;
  std::condition_variable quiet;
  struct kept_event {
    event_ptr event;
    std::size_t bytes;
  };
  std::deque<kept_event> kept;
  std::size_t bytes = 0;  // of `kept`
  position first = 1;  // of `kept`
  position next = 1;   // to be polled
  std::uint64_t consumer = 0;
  std::function<void()> on_readable;
  bool wants_call = false;
  unsigned calls_running = 0;
  bool closed = false;

  position end() const { return first + kept.size(); }

  void trim(position through, std::vector<event_ptr>& done) {
    for (; first <= through && !kept.empty(); ++first) {
      bytes -= kept.front().bytes;
      done.push_back(std::move(kept.front().event));
      kept.pop_front();
    }
  }

  /// No callback of the present consumer runs after return.
  void silence(std::unique_lock<std::mutex>& lock) {
    on_readable = nullptr;
    wants_call = false;
    quiet.wait(lock, [&] { return calls_running == 0; });
  }
};

class memory_consumer final : public consumer {
 public:
  memory_consumer(std::shared_ptr<event_list> from, std::uint64_t id, std::string source)
      : list_(std::move(from)), id_(id), source_(std::move(source)) {}

  /// After return its callback does not run.
  ~memory_consumer() override {
    std::unique_lock lock(list_->mutex);
    if (list_->consumer == id_) list_->silence(lock);
  }

  std::size_t poll(std::vector<item>& out, std::size_t limit) override {
    std::lock_guard lock(list_->mutex);
    if (list_->consumer != id_) return 0;
    std::size_t count = 0;
    for (; count < limit && list_->next < list_->end(); ++count, ++list_->next) {
      out.push_back({list_->next, list_->kept[list_->next - list_->first].event});
    }
    if (list_->next == list_->end() && count == 0) list_->wants_call = true;
    return count;
  }

  void acknowledge(position through) override {
    std::vector<event_ptr> done;  // destroyed without the lock
    std::lock_guard lock(list_->mutex);
    if (list_->consumer == id_) list_->trim(std::min(through, list_->next - 1), done);
  }

 private:
  const std::shared_ptr<event_list> list_;
  const std::uint64_t id_;
  const std::string source_;
};

class memory_queue_impl final : public memory_queue {
 public:
  memory_queue_impl(const std::string& life, std::size_t partitions) : source_(std::string(transient_source) + life) {
    lists_.reserve(partitions);
    for (std::size_t i = 0; i < partitions; ++i) lists_.push_back(std::make_shared<event_list>());
  }
  ~memory_queue_impl() override { close(); }

  const std::string& source() const override { return source_; }

  bool publish(partition_id partition, event_ptr event) override { return publish(partition, std::span(&event, 1)); }

  bool publish(partition_id partition, std::span<const event_ptr> events) override {
    event_list& to = *lists_.at(partition.value);
    for (const event_ptr& each : events) static_cast<void>(each->ByteSizeLong());  // which remembers it, without the lock
    std::unique_lock lock(to.mutex);
    if (to.closed) return false;
    for (const event_ptr& each : events) {
      const auto bytes = static_cast<std::size_t>(each->GetCachedSize());
      to.kept.push_back({each, bytes});
      to.bytes += bytes;
    }
    call(to, lock);
    return true;
  }

  backlog_size backlog(partition_id partition) const override {
    event_list& of = *lists_.at(partition.value);
    std::lock_guard lock(of.mutex);
    return {of.kept.size(), of.bytes};
  }

  std::unique_ptr<consumer> consume(partition_id partition, position after,
                                    std::function<void()> on_readable) override {
    const std::shared_ptr<event_list>& from = lists_.at(partition.value);
    std::vector<event_ptr> done;  // destroyed without the lock
    std::unique_lock lock(from->mutex);
    const std::uint64_t id = ++from->consumer;  // the earlier one reads nothing from here on
    from->silence(lock);
    from->trim(after, done);
    from->next = from->first;
    auto reader = std::make_unique<memory_consumer>(from, id, source_);
    if (from->closed || from->consumer != id) return reader;
    from->on_readable = std::move(on_readable);
    from->wants_call = true;
    if (from->next < from->end()) call(*from, lock);
    lock.unlock();
    return reader;
  }

  void discard(partition_id partition) override {
    event_list& of = *lists_.at(partition.value);
    std::deque<event_list::kept_event> done;  // destroyed without the lock
    std::unique_lock lock(of.mutex);
    ++of.consumer;
    of.silence(lock);
    const position next = of.end();
    done.swap(of.kept);
    of.bytes = 0;
    of.first = of.next = next;
  }

  void close() override {
    for (const std::shared_ptr<event_list>& each : lists_) {
      std::unique_lock lock(each->mutex);
      each->closed = true;
      each->silence(lock);
    }
  }

 private:
  /// Tells the consumer once that there is something, outside the lock.
  static void call(event_list& of, std::unique_lock<std::mutex>& lock) {
    if (!of.wants_call || !of.on_readable) return;
    of.wants_call = false;
    ++of.calls_running;
    const auto callback = of.on_readable;
    lock.unlock();
    callback();
    lock.lock();
    if (--of.calls_running == 0) of.quiet.notify_all();
  }

  const std::string source_;
  std::vector<std::shared_ptr<event_list>> lists_;  // shared with their consumers, which may outlive the queue
};

}  // namespace

std::unique_ptr<memory_queue> make_memory_queue(const std::string& life, std::size_t partitions) {
  EVERMILL_CHECK(partitions > 0, "a queue has partitions");
  return std::make_unique<memory_queue_impl>(life, partitions);
}

std::unique_ptr<memory_queue> make_memory_queue(boot_number boot, std::size_t partitions) {
  return make_memory_queue(std::to_string(boot.value), partitions);
}

}  // namespace evermill::queue
