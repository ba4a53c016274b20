#include "cli/waiting.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "cli/file_follower.hpp"
#include "evermill/dsl.hpp"

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
constexpr std::uint64_t short_journal = 20'000;  // events: what is read once more to show how it has ended

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
      : env_(env),
        control_(control),
        execution_(execution),
        progress_(env, execution.is_file ? progress::style::none : style, execution.workflow_type, execution.id, signal_command,
                  steady::now()),
        next_look_(steady::now() + first_look),
        blocked_is_old_until_(steady::now()) {
    if (execution.is_file && style != progress::style::none) {
      view_.emplace(env, control, execution.workflow_type + " " + execution.id, execution.id, style);
    }
    if (!execution.was_blocked) return;
    blocked_is_old_until_ += patience_with_blocked + patience_per_event * execution.events;
  }

  wait_outcome operator()(const interrupt_guard& interrupts) {
    subscribe();
    for (;;) {
      std::optional<execution_end> end;
      std::optional<control_error> error;
      take(end, error);
      if (execution_.print_events && (heard_ || end)) print_all_events();
      if (end) return ended(*std::move(end));
      if (error && error->code() == control_errc::stopped) return left(engine_gone{error->what()});
      if (error) throw *error;
      if (interrupts.interrupted()) return left(interrupted{});
      if (auto why = look()) return left(*std::move(why));
      progress_.tick(steady::now());
      if (view_ && view_->tick(steady::now())) between_looks_ = first_look;
    }
  }

 private:
  wait_outcome ended(execution_end end) {
    if (view_) view_->end(end.status, events_ <= short_journal);
    return end;
  }

  wait_outcome left(wait_outcome why) {
    if (view_) view_->leave();
    return why;
  }

  void subscribe() {
    if (progress_.kind() != progress::style::none || execution_.print_events) {
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

  /// Prints what the execution has sent since it was last looked at. An event that a workflow sends goes to the bus of all events,
  /// among others.
  void print_events_of(const std::string& member) {
    std::uint64_t& last = printed_[member];
    for (;;) {
      const auto events = history_of(member, last + 1);
      if (events.empty()) return;
      for (const history_event& event : events) {
        progress_.apply(member, event);
        print(event);
      }
      last = events.back().seq;
    }
  }

  void print(const history_event& event) {
    if (event.type != "SignalExternalWorkflowExecutionInitiated") return;
    const auto fields = nlohmann::json::parse(event.json, nullptr, false);
    if (!fields.is_object() || fields.value("workflow_id", "") != bus_of_all_events) return;
    const auto told = fields.find("input");
    if (told == fields.end() || !told->is_object() || !told->contains("event")) return;
    progress_.clear();
    if (view_) view_->clear();
    env_.err << (*told)["event"].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  }

  /// Of the execution and its children, whose list may grow meanwhile.
  void print_all_events() try {
    for (std::size_t i = 0; i < progress_.members().size(); ++i) print_events_of(std::string(progress_.members()[i]));
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
    heard_ = !events.empty();
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
    events_ = std::max(events_, about.events);
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

  environment& env_;
  server::control& control_;
  const awaited_execution& execution_;
  progress progress_;
  std::optional<file_view> view_;  // of a file
  std::uint64_t events_ = 0;       // in its journal, when that was last looked at
  steady::time_point next_look_;
  std::chrono::milliseconds between_looks_ = first_look;
  steady::time_point blocked_is_old_until_;
  const std::shared_ptr<inbox> in_ = std::make_shared<inbox>();
  std::shared_ptr<void> followed_;
  std::map<std::string, std::uint64_t> printed_;  // the last event that was looked at, by execution
  bool heard_ = false;                            // of events, when it last woke up
};

}  // namespace

wait_outcome wait_for(environment& env, server::control& control, const awaited_execution& execution,
                      progress::style style, const std::string& signal_command, const interrupt_guard& interrupts) {
  return waiting(env, control, execution, style, signal_command)(interrupts);
}

}  // namespace evermill::cli
