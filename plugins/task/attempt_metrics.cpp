#include "plugins/task/attempt_metrics.hpp"

#include <algorithm>
#include <string>
#include <variant>

namespace evermill::tasks {
namespace {

namespace shown {
using metrics::description;
using metrics::kind;

constexpr description waiting{"evermill_activity_attempts_waiting", kind::gauge,
                              "Attempts that wait here for the limits of their task queue or for a free thread or process."};
constexpr description running{"evermill_activity_attempts_running", kind::gauge, "Attempts that run here."};
constexpr description started{"evermill_activity_attempts_started_total", kind::counter, "Attempts that began to run here."};
constexpr description until_start{"evermill_activity_schedule_to_start_seconds", kind::histogram,
                                  "Time from when an attempt could have started to when it began to run here."};
constexpr description running_for{"evermill_activity_attempt_duration_seconds", kind::histogram,
                                  "How long attempts ran here, well or not."};
constexpr description ended{"evermill_activity_attempts_ended_total", kind::counter,
                            "Attempts that have ended here, started or not, by outcome."};
}  // namespace shown

constexpr std::array<const char*, std::variant_size_v<outcome>> outcomes{"completed", "failed", "canceled", "timed_out",
                                                                               "completes_later"};

}  // namespace

namespace {

/// The wall clock may have been set back meanwhile.
double seconds_between(std::int64_t since_us, timestamp now) {
  return static_cast<double>(std::max<std::int64_t>(to_micros(now) - since_us, 0)) / 1e6;
}

}  // namespace

void attempt_metrics::dispatched(const messages::ActivityTask& task) { queues_[queue_of(task)].waiting.add(1); }

void attempt_metrics::started(const messages::ActivityTask& task, timestamp now) {
  of_queue& of = queues_[queue_of(task)];
  // A worker is not told when the time of a later attempt had come.
  const std::int64_t due_us = task.due_us() != 0 || task.attempt() > 1 ? task.due_us() : task.scheduled_us();
  if (due_us != 0) of.until_start.observe(seconds_between(due_us, now));
  of.started.add();
  of.running.add(1);
  of.waiting.add(-1);
}

void attempt_metrics::ended(const attempt_end& end, timestamp now) {
  of_queue& of = queues_[queue_of(*end.task)];
  if (end.started_us != 0) of.running_for.observe(seconds_between(end.started_us, now));
  of.ended.at(end.how.index()).add();
  (end.started_us != 0 ? of.running : of.waiting).add(-1);
}

void attempt_metrics::gone() {
  queues_.for_each([](std::string_view, of_queue& of) {
    of.waiting.set(0);
    of.running.set(0);
  });
}

void attempt_metrics::collect(metrics::scrape& into) const {
  for (const metrics::description& each : {shown::waiting, shown::running, shown::started, shown::until_start, shown::running_for, shown::ended}) into.describe(each);
  queues_.for_each([&](std::string_view name, const of_queue& of) {
    const metrics::labels which{{"task_queue", std::string(name)}};
    into.add(shown::waiting, which, of.waiting);
    into.add(shown::running, which, of.running);
    into.add(shown::started, which, of.started);
    into.add(shown::until_start, which, of.until_start);
    into.add(shown::running_for, which, of.running_for);
    for (std::size_t n = 0; n < outcomes.size(); ++n) {
      into.add(shown::ended, {{"task_queue", std::string(name)}, {"outcome", outcomes[n]}}, of.ended[n]);
    }
  });
}

void attempt_metrics::for_each_queue(
    const std::function<void(std::string_view, std::uint64_t, std::uint64_t)>& visit) const {
  const auto count = [](const metrics::gauge& of) { return static_cast<std::uint64_t>(std::max<std::int64_t>(0, of.value())); };
  queues_.for_each([&](std::string_view name, const of_queue& of) {
    if (name != decltype(queues_)::others) visit(name, count(of.waiting), count(of.running));
  });
}

}  // namespace evermill::tasks
