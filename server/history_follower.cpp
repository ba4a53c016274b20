#include "server/history_follower.hpp"

#include <mutex>
#include <utility>

#include "server/local_control.hpp"

namespace evermill::server {
namespace {

constexpr std::size_t chunk_events = 256;
constexpr std::size_t chunk_bytes = 256u << 10;

control_error stopped() { return {control_errc::stopped, "the process is stopping"}; }

}  // namespace

/// Outlives the follower while a thread reads for it.
struct history_follower::state : std::enable_shared_from_this<state> {
  state(engine& of, blocking_threads& on, std::string id, history_place from)
      : source(of), threads(on), workflow_id(std::move(id)), place(from) {}

  engine& source;
  blocking_threads& threads;
  const std::string workflow_id;

  std::mutex mutex;
  history_place place;
  callback waiting;       // whoever asked for more
  bool reading = false;   // on a thread, or about to be
  bool changed = false;   // since the last read began
  bool ended = false;     // stopped

  /// There may be more.
  void on_change() {
    const std::lock_guard lock(mutex);
    changed = true;
    if (waiting && !reading) read_soon();
  }

  void read_soon() {  // with the lock
    reading = threads.post([self = shared_from_this()] { self->read(); });
  }

  void read() {
    std::optional<control_error> error;
    history_chunk chunk;
    std::unique_lock lock(mutex);
    while (!ended) {
      changed = false;
      const history_place from = place;
      lock.unlock();
      const bool more = read_from(from, chunk, error);
      lock.lock();
      if (!more && !changed) {
        reading = false;
        return;
      }
      if (more) break;
    }
    reading = false;
    const callback answer = std::exchange(waiting, nullptr);
    lock.unlock();
    if (answer) answer(std::move(error), std::move(chunk));
  }

  /// Is there something to tell?
  bool read_from(history_place from, history_chunk& chunk, std::optional<control_error>& error) try {
    while (true) {
      history_page page = source.read_history(workflow_id, from.run_number, from.next_seq, chunk_events, chunk_bytes);
      from.run_number = page.run_number;
      if (page.events.empty() && page.next_run != 0) {
        from = {page.next_run, 1};
        continue;
      }
      chunk.run_number = page.run_number;
      chunk.run_id = std::move(page.run_id);
      chunk.ended = page.events.empty() && page.ended;
      if (!page.events.empty()) from.next_seq = page.events.back().seq + 1;
      chunk.events = std::move(page.events);
      const std::lock_guard lock(mutex);
      place = from;
      return chunk.ended || !chunk.events.empty();
    }
  } catch (const engine_error& failed) {
    error = to_control_error(failed);
    return true;
  }
};

history_follower::history_follower(engine& engine, blocking_threads& threads, std::string workflow_id, history_place from)
    : state_(std::make_shared<state>(engine, threads, std::move(workflow_id), from)) {
  told_ = engine.notify(state_->workflow_id, [weak = std::weak_ptr(state_)] {
    if (const auto here = weak.lock()) here->on_change();
  });
}

std::shared_ptr<history_follower> history_follower::make(engine& engine, blocking_threads& threads, std::string workflow_id,
                                                         history_place from) {
  return std::shared_ptr<history_follower>(new history_follower(engine, threads, std::move(workflow_id), from));
}

history_follower::~history_follower() { stop(); }

void history_follower::next(callback answer) {
  std::unique_lock lock(state_->mutex);
  if (!state_->ended) {
    state_->waiting = std::move(answer);
    if (!state_->reading) state_->read_soon();
    if (state_->reading) return;
    answer = std::exchange(state_->waiting, nullptr);  // the threads stop
  }
  lock.unlock();
  answer(stopped(), {});
}

void history_follower::stop() {
  callback answer;
  {
    const std::lock_guard lock(state_->mutex);
    state_->ended = true;
    answer = std::exchange(state_->waiting, nullptr);
  }
  told_.reset();
  if (answer) answer(stopped(), {});
}

}  // namespace evermill::server
