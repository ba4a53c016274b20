#include "engine/supervisor.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/inspection.hpp"
#include "storage/rows.hpp"

namespace evermill {
namespace {

constexpr std::chrono::milliseconds first_delay{100};
constexpr std::chrono::milliseconds longest_delay{30'000};

engine_error unavailable(const std::string& why) {
  return {engine_errc::unavailable, "the engine has lost its storage and opens it anew; what was not acknowledged may "
                                    "or may not have happened, and may be asked for again: " + why};
}

engine_error moved(const std::string& why) {
  return {engine_errc::unavailable, "another process takes over what was asked for here; it may or may not have happened, and may be "
                                    "asked for again: " + why};
}

}  // namespace

/// Passes on what one incarnation tells; a failure with the number of that incarnation.
class supervisor::listener final : public actors::node_listener {
 public:
  listener(supervisor& to, std::uint64_t generation) : to_(to), generation_(generation) {}
  void on_answer(std::uint64_t token, actors::answer&& what) override { to_.callers_.on_answer(token, std::move(what)); }
  void on_ended(actors::ended_execution&& what) override { to_.callers_.on_ended(std::move(what)); }
  void on_update_ended(actors::ended_update&& what) override { to_.callers_.on_update_ended(std::move(what)); }
  void on_turn(actors::durable_turn&& what) override { to_.callers_.on_turn(std::move(what)); }
  bool has_followers() override { return to_.callers_.has_followers(); }
  void on_failed(partition_id, const std::string& message) override { to_.on_failed(generation_, message); }

 private:
  supervisor& to_;
  const std::uint64_t generation_;
};

supervisor::supervisor(const engine_surroundings& around, waiters& callers) : around_(around), callers_(callers) {
  std::promise<void> opened;
  watcher_ = std::thread([this, &opened] { watch(opened); });
  try {
    opened.get_future().get();
  } catch (...) {
    watcher_.join();
    throw;
  }
}

supervisor::~supervisor() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  watcher_.join();
}

std::shared_ptr<incarnation> supervisor::current() const {
  std::lock_guard lock(mutex_);
  if (!current_) throw unavailable(failure_.value_or("it is being opened"));
  return current_;
}

std::shared_ptr<incarnation> supervisor::open(std::uint64_t generation) {
  auto next = std::make_unique<listener>(*this, generation);
  cluster_hooks hooks;
  hooks.awaited = [this] { return callers_.awaited(); };
  hooks.on_gone = [this](partition_id partition, const std::uint32_t partitions, const std::string& why) {
    const auto partition_of = [partitions](const std::string& workflow_id) {
      return actors::partition_of(workflow_id, static_cast<std::uint16_t>(partitions));
    };
    callers_.fail_answers(partition, partition_of, moved(why));
  };
  auto fresh = std::make_unique<incarnation>(around_, *next, hooks);
  listener_ = std::move(next);
  gone_ = std::make_shared<std::promise<void>>();
  return {fresh.release(), [gone = gone_](incarnation* last) {
            delete last;
            gone->set_value();
          }};
}

void supervisor::on_failed(std::uint64_t generation, const std::string& message) {
  {
    std::lock_guard lock(mutex_);
    if (generation != generation_ || failure_) return;
    failure_ = message;
  }
  changed_.notify_all();
}

void supervisor::watch(std::promise<void>& opened) {
  try {
    std::shared_ptr<incarnation> first = open(generation_);
    std::lock_guard lock(mutex_);
    current_ = std::move(first);
  } catch (...) {
    return opened.set_exception(std::current_exception());
  }
  opened.set_value();
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || failure_; });
    if (stopping_) break;
    replace(lock);
  }
  std::shared_ptr<incarnation> last = std::move(current_);
  lock.unlock();
  last.reset();
}

/// The old incarnation is down before callers are told: none of them can slip in between and wait for ever.
void supervisor::replace(std::unique_lock<std::mutex>& lock) {
  std::shared_ptr<incarnation> failed = std::exchange(current_, nullptr);
  std::string why = *failure_;
  lock.unlock();
  around_.lines.error({}, "the storage failed: {}; everything is read again", why);
  failed->abandon();
  callers_.fail_answers(unavailable(why));
  failed.reset();
  gone_->get_future().wait();  // a caller may still be reading
  std::chrono::milliseconds delay = first_delay;
  for (lock.lock(); !stopping_; delay = std::min(2 * delay, longest_delay)) {
    const std::uint64_t generation = ++generation_;
    failure_.reset();
    lock.unlock();
    std::shared_ptr<incarnation> opened;
    try {
      opened = open(generation);
      tell_ends_of(*opened);
      around_.lines.info({}, "the storage is open again");
    } catch (const engine_error& error) {
      around_.lines.error({}, "the storage can't be opened: {}", error.what());
      why = error.what();
      opened.reset();
      callers_.fail_ends(unavailable(why));
    }
    lock.lock();
    current_ = std::move(opened);
    if (current_) return;
    failure_ = why;
    changed_.wait_for(lock, delay, [&] { return stopping_; });
  }
}

/// An end that became durable when its announcement was lost with the incarnation that made it.
void supervisor::tell_ends_of(const incarnation& opened) {
  for (const std::string& workflow_id : callers_.awaited()) {
    const partition_id partition = opened.partition_of(workflow_id);
    if (!opened.has(partition)) continue;
    const auto header = must(storage::find_header(opened.store(), partition, workflow_id));
    if (!header) continue;  // its start was not durable
    if (auto end = inspection::find_end(opened.store(), partition, *header)) {
      callers_.on_ended({workflow_id, std::move(*end)});
    }
  }
}

}  // namespace evermill
