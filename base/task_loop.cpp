#include "base/task_loop.hpp"

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

namespace evermill {

struct task_loop::state {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> waiting;
  bool ended = false;
  bool by_hand = false;
  std::thread thread;

  bool add(std::function<void()>&& what) {
    const std::lock_guard lock(mutex);
    if (ended) return false;
    waiting.push_back(std::move(what));
    if (waiting.size() == 1) changed.notify_all();
    return true;
  }

  void work() {
    std::deque<std::function<void()>> taken;
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return ended || !waiting.empty(); });
      if (ended) return;
      taken.swap(waiting);
      lock.unlock();
      for (std::function<void()>& each : taken) {
        each();
        each = nullptr;
        if (is_over()) break;
      }
      taken.clear();
      lock.lock();
    }
  }

  bool is_over() {
    const std::lock_guard lock(mutex);
    return ended;
  }
};

task_loop::task_loop() : state_(std::make_shared<state>()) {
  state_->thread = std::thread([to = state_.get()] { to->work(); });
}

task_loop::task_loop(by_hand) : state_(std::make_shared<state>()) { state_->by_hand = true; }

task_loop::~task_loop() { end(); }

bool task_loop::run_one() const {
  std::function<void()> next;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting.empty()) return false;
    next = std::move(state_->waiting.front());
    state_->waiting.pop_front();
  }
  next();
  return true;
}

void task_loop::post(std::function<void()> what) const { state_->add(std::move(what)); }

task_loop::post_function task_loop::poster() const {
  return [to = std::weak_ptr(state_)](std::function<void()> what) {
    if (const auto loop = to.lock()) loop->add(std::move(what));
  };
}

bool task_loop::run(const std::function<void()>& what) const {
  if (state_->by_hand && state_->is_over()) return false;
  if (state_->by_hand || std::this_thread::get_id() == state_->thread.get_id()) {
    what();
    return true;
  }
  auto ran = std::make_shared<std::promise<void>>();
  auto done = ran->get_future();
  if (!state_->add([&what, ran = std::move(ran)] {
        what();
        ran->set_value();
      })) {
    return false;
  }
  try {
    done.get();
    return true;
  } catch (const std::future_error&) {  // it was dropped
    return false;
  }
}

bool task_loop::wait_until(const std::function<bool()>& condition, std::chrono::milliseconds limit) const {
  while (state_->by_hand && !condition()) {
    if (!run_one()) return false;
  }
  if (state_->by_hand) return true;
  constexpr std::chrono::milliseconds between_questions{20};
  for (const auto until = std::chrono::steady_clock::now() + limit;; std::this_thread::sleep_for(between_questions)) {
    bool is_so = false;
    if (!run([&] { is_so = condition(); }) || is_so) return is_so;
    if (std::chrono::steady_clock::now() >= until) return false;
  }
}

void task_loop::end() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(state_->mutex);
    state_->ended = true;
    dropped.swap(state_->waiting);
    state_->changed.notify_all();
  }
  dropped.clear();
  if (state_->thread.joinable()) state_->thread.join();
}

}  // namespace evermill
