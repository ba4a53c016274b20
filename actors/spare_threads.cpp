#include "actors/spare_threads.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include "actors/protocol.hpp"

namespace evermill::actors {

class sleeper final : public caf::event_based_actor {
 public:
  sleeper(caf::actor_config& config, spare_threads* all) : caf::event_based_actor(config), all_(all) {}

 protected:
  caf::behavior make_behavior() override {
    return {[this](sleep_atom) {
      all_->sleep();
      quit();
    }};
  }

 private:
  spare_threads* all_;
};

void spare_threads::add() {
  {
    const std::lock_guard lock(guard_);
    if (stopping_) return;
    ++asleep_;
  }
  caf::anon_send(system_.spawn<sleeper>(this), sleep_atom::value);
}

bool spare_threads::use() {
  const std::lock_guard lock(guard_);
  if (asleep_ == to_wake_) return false;
  ++to_wake_;
  woken_.notify_one();
  return true;
}

void spare_threads::stop() {
  const std::lock_guard lock(guard_);
  stopping_ = true;
  woken_.notify_all();
}

void spare_threads::sleep() {
  std::unique_lock lock(guard_);
  woken_.wait(lock, [this] { return stopping_ || to_wake_ > 0; });
  --asleep_;
  if (to_wake_ > 0) --to_wake_;
}

}  // namespace evermill::actors
