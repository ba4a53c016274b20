// kill -9: how long until the next process goes on.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <future>
#include <system_error>

#include "bench/load.hpp"
#include "bench/measurements.hpp"
#include "bench/process_memory.hpp"
#include "evermill/context.hpp"

namespace evermill::bench {
namespace {

using namespace std::chrono_literals;
using steady = load::steady;

inline constexpr activity<int(int)> counts{.name = "bench_counts"};
inline constexpr signal<> wake{.name = "bench_wake"};

task<int> work_on(context ctx) {
  int value = 0;
  while (true) value = co_await ctx.call(counts, value);
}

task<void> sleep_until_woken(context ctx) { co_await ctx.wait(wake, std::chrono::hours(24 * 365)); }

registry definitions() {
  registry known;
  known.add("bench_work", work_on);
  known.add("bench_sleep", sleep_until_woken);
  known.add(counts, [](int n) { return n + 1; });
  return known;
}

/// Starts the instances, tells through `ready`, and goes on until it is killed.
[[noreturn]] void victim(const engine_options& how, const bench_options& options, bool asleep, int ready) {
  engine e(definitions(), how);
  start_all(e, asleep ? "bench_sleep" : "bench_work", options.instances, options.in_flight);
  if (asleep) wait_until_asleep(e);
  const char yes = 'y';
  if (::write(ready, &yes, 1) != 1) std::_Exit(1);
  while (true) ::pause();
}

void kill_when_ready(const engine_options& how, const bench_options& options, bool asleep) {
  int ready[2];
  if (::pipe(ready) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    ::close(ready[0]);
    try {
      victim(how, options, asleep, ready[1]);
    } catch (...) {
      std::_Exit(1);
    }
  }
  ::close(ready[1]);
  char byte = 0;
  const bool told = ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!told) throw engine_error(engine_errc::unavailable, "the process that was to be killed ended by itself");
}

double milliseconds_since(steady::time_point from) {
  return std::chrono::duration<double, std::milli>(steady::now() - from).count();
}

}  // namespace

figures measure_recovery(const bench_options& options, const std::filesystem::path& directory, bool asleep) {
  engine_options how = engine_options_of(options, directory);
  if (asleep) how.passivate_after = 200ms;
  kill_when_ready(how, options, asleep);

  const auto began = steady::now();
  engine e(definitions(), how);
  const double opened = milliseconds_since(began);
  // The first durable turn of this process.
  std::promise<void> moved;
  std::atomic<bool> told{false};
  const auto follower = e.follow("", [&](const execution_progress&) {
    if (!told.exchange(true)) moved.set_value();
  });
  if (asleep) {
    const std::string sleeper = started_id(options.instances / 2);
    e.signal(sleeper, wake.name, payload{});
    e.wait(sleeper);
  } else {
    moved.get_future().wait();
  }
  const double first_progress = milliseconds_since(began);
  return {{"workload", asleep ? "recovery-asleep" : "recovery"},
          {"instances", options.instances},
          {"opened_ms", opened},
          {"first_progress_ms", first_progress},
          {"memory_bytes", resident_bytes()},
          {"durability", e.statistics().durability}};
}

}  // namespace evermill::bench
