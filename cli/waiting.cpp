#include "cli/waiting.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace evermill::cli {
namespace {

using steady = std::chrono::steady_clock;
using server::control_errc;
using server::control_error;

constexpr std::chrono::milliseconds wake_up{50};  // to look at interruptions and to draw
constexpr std::chrono::milliseconds first_look{250};
constexpr std::chrono::milliseconds longest_between_looks{5000};
constexpr int looks_share = 20;  // looking reads the whole journal: it may take this part of the time at most
constexpr std::chrono::milliseconds patience_with_blocked{1000};
constexpr std::chrono::microseconds patience_per_event{20};
constexpr std::size_t max_events_waiting = 100'000;
constexpr std::size_t history_page = 1000;
constexpr std::size_t max_past_events = 50'000;  // the rest of a long past is not counted

/// What other threads tell the one that waits.
struct inbox {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<execution_progress> events;
  std::optional<execution_end> end;
  std::optional<control_error> error;
};

class waiting {
 public:
  waiting(environment& env, server::control& control, const awaited_execution& execution, progress::style style,
          const std::string& signal_command)
      : control_(control),
        execution_(execution),
        progress_(env, style, execution.workflow_type, execution.id, signal_command, steady::now()),
        next_look_(steady::now() + first_look),
        blocked_is_old_until_(steady::now()) {
    if (!execution.was_blocked) return;
    blocked_is_old_until_ += patience_with_blocked + patience_per_event * execution.events;
  }

  wait_outcome operator()(const interrupt_guard& interrupts) {
    subscribe();
    for (;;) {
      std::optional<execution_end> end;
      std::optional<control_error> error;
      take(end, error);
      if (end) return *std::move(end);
      if (error && error->code() == control_errc::stopped) return engine_gone{error->what()};
      if (error) throw *error;
      if (interrupts.interrupted()) return interrupted{};
      if (auto why = look()) return *std::move(why);
      progress_.tick(steady::now());
    }
  }

 private:
  void subscribe() {
    if (progress_.kind() != progress::style::none) {
      followed_ = control_.follow("", [in = in_](const execution_progress& what) {  // its children's, too
        std::lock_guard lock(in->mutex);
        if (in->events.size() < max_events_waiting) in->events.push_back(what);
      });
    }
    control_.wait(execution_.id, [in = in_](std::optional<control_error> error, execution_end end) {
      std::lock_guard lock(in->mutex);
      if (error) {
        in->error = std::move(error);
      } else {
        in->end = std::move(end);
      }
      in->changed.notify_all();
    });
    if (progress_.kind() == progress::style::terminal) read_past();
  }

  /// What happened before this process followed it. The wait tells when the engine is gone.
  void read_past() try {
    std::size_t left = max_past_events;
    for (std::size_t i = 0; i < progress_.members().size() && left > 0; ++i) {
      const std::string member = progress_.members()[i];
      for (std::uint64_t from = 1; left > 0;) {
        const auto events = history_of(member, from);
        if (events.empty()) break;
        for (const history_event& event : events) progress_.apply(member, event);
        from = events.back().seq + 1;
        left -= std::min(left, events.size());
      }
    }
  } catch (const control_error& error) {
    if (error.code() != control_errc::stopped) throw;
  }

  /// A child that was initiated may not have started.
  std::vector<history_event> history_of(const std::string& member, std::uint64_t from) try {
    return control_.history(member, from, history_page);
  } catch (const control_error& error) {
    if (error.code() != control_errc::not_found) throw;
    return {};
  }

  void take(std::optional<execution_end>& end, std::optional<control_error>& error) {
    std::deque<execution_progress> events;
    {
      std::unique_lock lock(in_->mutex);
      in_->changed.wait_for(lock, wake_up, [this] { return in_->end || in_->error; });
      events.swap(in_->events);
      end = in_->end;
      error = in_->error;
    }
    for (const execution_progress& what : events) progress_.apply(what.workflow_id, what.event);
    if (!events.empty()) between_looks_ = first_look;
  }

  /// Is it stuck? Asked less and less often while nothing happens.
  std::optional<blocked> look() {
    const auto now = steady::now();
    if (now < next_look_) return std::nullopt;
    execution_description about;
    try {
      about = control_.describe(execution_.id);
    } catch (const control_error& error) {
      if (error.code() != control_errc::stopped) throw;  // otherwise the wait tells
    }
    const auto looked = steady::now();
    next_look_ = looked + std::max<steady::duration>(between_looks_, (looked - now) * looks_share);
    between_looks_ = std::min(between_looks_ * 2, longest_between_looks);
    progress_.set_retrying(static_cast<std::size_t>(std::count_if(
        about.activities.begin(), about.activities.end(), [](const auto& open) { return open.attempt > 1; })));
    if (about.blocked.empty() || about.status != execution_status::running || now < blocked_is_old_until_) {
      return std::nullopt;
    }
    return blocked{about.blocked, about.blocked_message, about.blocked_at_event};
  }

  server::control& control_;
  const awaited_execution& execution_;
  progress progress_;
  steady::time_point next_look_;
  std::chrono::milliseconds between_looks_ = first_look;
  steady::time_point blocked_is_old_until_;
  const std::shared_ptr<inbox> in_ = std::make_shared<inbox>();
  std::shared_ptr<void> followed_;
};

}  // namespace

wait_outcome wait_for(environment& env, server::control& control, const awaited_execution& execution,
                      progress::style style, const std::string& signal_command, const interrupt_guard& interrupts) {
  return waiting(env, control, execution, style, signal_command)(interrupts);
}

}  // namespace evermill::cli
