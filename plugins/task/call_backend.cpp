#include "plugins/task/call_backend.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/task_loop.hpp"
#include "base/text.hpp"
#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/report_gate.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using call_task = std::shared_ptr<const messages::ActivityTask>;

class calls_state;

/// Why a call is to end early.
enum class call_stop : std::uint8_t { none, asked, canceled, timed_out, abandoned };

class call final : public running_call, public std::enable_shared_from_this<call> {
 public:
  call(std::shared_ptr<calls_state> in, call_task task, std::int64_t started_us, std::shared_ptr<const secret_source> secrets)
      : in_(std::move(in)), given_(std::move(task)), task_(given_), started_us_(started_us), secrets_(std::move(secrets)) {}

  const messages::ActivityTask& task() const override { return *task_; }
  attempt_secrets& secrets() override { return secrets_; }
  void heartbeat() override {
    // Each that is passed on is journaled: none for those that nobody waits for.
    if (watch_ && given_->options().heartbeat_us() > 0) watch_->heartbeat(std::nullopt);
  }
  void on_stop(std::function<void()> stop) override {
    std::unique_lock lock(mutex_);
    if (ended_) return;
    const bool now = why_ != call_stop::none;
    if (!now) stop_ = std::move(stop);
    lock.unlock();
    if (now) stop();
  }
  void end(outcome how) override;

  void begin(const call_starter& start);
  void watch();
  void interrupt(call_stop why, timed_out limit = {});
  void unwatch() {
    if (watch_) watch_->stop();
  }
  dispatch_id id() const { return dispatch_id_of(*given_); }

 private:
  const std::shared_ptr<calls_state> in_;
  const call_task given_;
  call_task task_;
  const std::int64_t started_us_;
  attempt_secrets secrets_;
  std::optional<attempt_watch> watch_;
  std::atomic<bool> ended_{false};
  std::mutex mutex_;
  std::function<void()> stop_;
  call_stop why_ = call_stop::none;
  timed_out limit_;
};
using call_ptr = std::shared_ptr<call>;

/// Shared with the calls: one that ends late must find it.
class calls_state : public std::enable_shared_from_this<calls_state> {
 public:
  calls_state(call_options options, call_starter start, on_attempt_end report)
      : options_(std::move(options)), start_(std::move(start)), reports_(std::move(report)) {}

  void run(std::vector<call_task>&& tasks) {
    std::unique_lock lock(mutex_);
    if (stopping_) {
      lock.unlock();
      for (call_task& each : tasks) never_started(std::move(each));
      return;
    }
    if (!loop_) loop_ = std::make_unique<task_loop>();
    std::move(tasks.begin(), tasks.end(), std::back_inserter(waiting_));
    begin_what_fits(lock);
  }

  void end_early(const dispatch_id& id, call_stop why) {
    std::unique_lock lock(mutex_);
    call_task waiting = take_waiting(id);
    const auto it = running_.find(id);
    const call_ptr running = it == running_.end() ? nullptr : it->second;
    lock.unlock();
    if (waiting) never_started(std::move(waiting));
    if (running) running->interrupt(why);
  }

  void expire(const dispatch_id& id) {
    std::unique_lock lock(mutex_);
    call_task waiting = take_waiting(id);
    lock.unlock();
    if (waiting) reports_.report({std::move(waiting), 0, timed_out{timed_out::limit::schedule_to_start}});
  }

  void stop(std::chrono::milliseconds grace) {
    std::deque<call_task> dropped;
    std::unique_lock lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
    lock.unlock();
    for (call_task& each : dropped) never_started(std::move(each));
    lock.lock();
    quiet_.wait_for(lock, options_.may_wait_for_ever ? std::chrono::milliseconds(0) : grace, [&] { return running_.empty(); });
    const auto left = std::exchange(running_, {});  // they have this object, and this object had them
    lock.unlock();
    for (const auto& [id, each] : left) each->interrupt(call_stop::abandoned);
    reports_.close();
    for (const auto& [id, each] : left) each->unwatch();
    if (loop_) loop_->end();
  }

  void ended(call& which, attempt_end&& end, bool abandoned) {
    if (!abandoned) reports_.report(std::move(end));
    std::unique_lock lock(mutex_);
    running_.erase(which.id());
    quiet_.notify_all();
    begin_what_fits(lock);
  }

  void pass_on(const call_task& task, std::optional<messages::Payload> details) {
    reports_.while_open([&](const on_attempt_end&) { options_.on_heartbeat(task, std::move(details)); });
  }

  const call_options& options() const noexcept { return options_; }

 private:
  void begin_what_fits(std::unique_lock<std::mutex>& lock) {
    std::vector<call_ptr> begun;
    while (!stopping_ && !waiting_.empty() && running_.size() < options_.max_calls) {
      call_task task = std::move(waiting_.front());
      waiting_.pop_front();
      if (options_.on_start) options_.on_start(*task);
      const std::int64_t now = to_micros(options_.time->now());
      begun.push_back(std::make_shared<call>(shared_from_this(), std::move(task), now, options_.secrets));
      running_.emplace(begun.back()->id(), begun.back());
      begun.back()->watch();
      loop_->post([self = shared_from_this(), each = begun.back()] { each->begin(self->start_); });
    }
    lock.unlock();
  }

  call_task take_waiting(const dispatch_id& id) {  // with the lock
    const auto it = std::find_if(waiting_.begin(), waiting_.end(), [&](const call_task& each) { return dispatch_id_of(*each) == id; });
    if (it == waiting_.end()) return nullptr;
    call_task taken = std::move(*it);
    waiting_.erase(it);
    return taken;
  }

  void never_started(call_task&& task) { reports_.report({std::move(task), 0, canceled{}}); }

  const call_options options_;
  const call_starter start_;
  report_gate reports_;
  std::mutex mutex_;
  std::condition_variable quiet_;
  std::deque<call_task> waiting_;
  std::map<dispatch_id, call_ptr> running_;
  bool stopping_ = false;
  std::unique_ptr<task_loop> loop_;
};

void call::watch() {
  if (!attempt_watch::is_limited(*given_)) return;
  const auto exceeded = [weak = weak_from_this()](timed_out limit) {
    if (const call_ptr late = weak.lock()) late->interrupt(call_stop::timed_out, limit);
  };
  const auto pass_on = [weak = std::weak_ptr(in_)](const call_task& task, std::optional<messages::Payload> details) {
    if (const auto in = weak.lock()) in->pass_on(task, std::move(details));
  };
  watch_.emplace(*in_->options().time, given_, started_us_, exceeded, in_->options().on_heartbeat ? on_attempt_heartbeat(pass_on) : nullptr);
  watch_->start();
}

void call::begin(const call_starter& start) {
  std::unique_lock lock(mutex_);
  const bool begins = why_ == call_stop::none;
  lock.unlock();
  if (!begins) return end(canceled{});
  try {
    task_ = secrets_.reveal(given_);
    start(shared_from_this());
  } catch (const payload_error& error) {
    failed how = call_failure("InvalidPayload", error.what(), false);
    how.failure.set_kind(messages::Failure::INVALID_PAYLOAD);
    end(std::move(how));
  } catch (const secret_error& error) {
    end(failure_of(error));
  } catch (const std::exception& error) {
    end(call_failure("CannotStart", error.what(), false));
  }
}

/// A limit counts more than a wish, an end that is nobody's business most.
void call::interrupt(call_stop why, timed_out limit) {
  std::unique_lock lock(mutex_);
  if (why > why_) {
    why_ = why;
    if (why == call_stop::timed_out) limit_ = limit;
  }
  const std::function<void()> stop = std::exchange(stop_, nullptr);
  lock.unlock();
  if (stop) stop();
}

void call::end(outcome how) {
  if (ended_.exchange(true)) return;
  const call_ptr self = shared_from_this();  // the map has the other one
  std::optional<messages::Payload> details = watch_ ? watch_->stop() : std::nullopt;
  std::unique_lock lock(mutex_);
  const call_stop why = why_;
  stop_ = nullptr;
  lock.unlock();
  if (why == call_stop::canceled) how = canceled{};
  if (why == call_stop::timed_out) how = limit_;
  secrets_.hide(how);
  in_->ended(*this, {given_, started_us_, std::move(how), std::move(details)}, why == call_stop::abandoned);
}

class call_backend final : public task_backend {
 public:
  call_backend(const call_options& options, call_starter start, on_attempt_end report, std::shared_ptr<void> surroundings)
      : surroundings_(std::move(surroundings)), state_(std::make_shared<calls_state>(options, std::move(start), std::move(report))) {}
  ~call_backend() override { state_->stop(std::chrono::milliseconds(0)); }

  std::string_view name() const override { return state_->options().name; }
  bool serves(std::string_view activity_type) const override { return activity_type == state_->options().name; }
  std::vector<std::string> activity_types() const override { return {state_->options().name}; }
  void run(std::vector<call_task> tasks) override { state_->run(std::move(tasks)); }
  void cancel(const dispatch_id& id) override { state_->end_early(id, call_stop::canceled); }
  void request_stop(const dispatch_id& id) override { state_->end_early(id, call_stop::asked); }
  void expire(const dispatch_id& id) override { state_->expire(id); }
  void stop(std::chrono::milliseconds grace) override { state_->stop(grace); }

 private:
  const std::shared_ptr<void> surroundings_;
  const std::shared_ptr<calls_state> state_;
};

}  // namespace

failed call_failure(std::string type, std::string message, bool retried, const nlohmann::json& details) {
  failed how;
  std::optional<payload> said;
  if (!details.is_null()) said = json_payload(details.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  workflow::to_message({failure_kind::application, std::move(type), to_utf8(std::move(message)), std::move(said), !retried, nullptr}, how.failure);
  return how;
}

std::unique_ptr<task_backend> make_call_backend(const call_options& options, call_starter start, on_attempt_end report,
                                                std::shared_ptr<void> surroundings) {
  return std::make_unique<call_backend>(options, std::move(start), std::move(report), std::move(surroundings));
}

}  // namespace evermill::tasks
