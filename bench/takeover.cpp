// A node of a cluster dies, or stops: how long do its partitions stand still?
//
//   victim (a process of its own)  owns half of the partitions, with live instances in them, and is killed or told to stop
//   this process                   has the other half, follows the victim's, and asks each of those for one thing after the other
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "actors/node.hpp"
#include "bench/load.hpp"
#include "bench/measurements.hpp"
#include "evermill/context.hpp"

namespace evermill::bench {
namespace {

using namespace std::chrono_literals;
using steady = load::steady;

inline constexpr signal<> wake_up{.name = "bench_wake_up"};

constexpr std::chrono::milliseconds takeover_session_timeout{2'000};
constexpr std::chrono::milliseconds between_requests{1};
constexpr std::chrono::milliseconds between_looks_at_metrics{20};
constexpr std::chrono::milliseconds quiet_time{1'000};  // of requests before the end of the victim, and after

task<void> wait_for_wake_up(context ctx) { co_await ctx.wait(wake_up, std::chrono::hours(24 * 365)); }

registry takeover_definitions() {
  registry known;
  known.add("bench_live", wait_for_wake_up);
  return known;
}

engine_options node_options(const bench_options& options, const std::filesystem::path& directory, takeover_kind kind) {
  engine_options how = engine_options_of(options, directory);
  how.session_timeout = takeover_session_timeout;
  how.standbys = kind == takeover_kind::cold ? 0 : 1;
  how.passivate_after = 24h;
  how.live_instances_per_partition = static_cast<std::size_t>(-1);
  return how;
}

/// Starts twice as many instances, as half of the partitions go to the other node; then does what the next byte says.
[[noreturn]] void be_the_victim(const bench_options& options, const engine_options& how, int to, int from) {
  auto e = std::make_unique<engine>(takeover_definitions(), how);
  wait_until_owned(*e, 1);
  start_all(*e, "bench_live", 2 * options.instances, options.in_flight);
  char byte = 'y';
  if (::write(to, &byte, 1) != 1 || ::read(from, &byte, 1) != 1) std::_Exit(1);
  e.reset();
  std::_Exit(0);
}

/// The other process.
class other_node {
 public:
  other_node(const bench_options& options, const engine_options& how) {
    std::array<int, 2> to{}, from{};
    if (::pipe(to.data()) != 0 || ::pipe(from.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    pid_ = ::fork();
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) {
      try {
        be_the_victim(options, how, from[1], to[0]);
      } catch (...) {
        std::_Exit(1);
      }
    }
    ::close(to[0]);
    ::close(from[1]);
    tell_ = to[1];
    hear_ = from[0];
  }
  ~other_node() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ::close(tell_);
    ::close(hear_);
  }
  other_node(const other_node&) = delete;
  other_node& operator=(const other_node&) = delete;

  void wait_until_ready() const {
    char byte = 0;
    if (::read(hear_, &byte, 1) != 1) throw engine_error(engine_errc::unavailable, "the other process has ended by itself");
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  void stop() const {
    const char byte = 's';
    if (::write(tell_, &byte, 1) != 1) throw engine_error(engine_errc::unavailable, "the other process has ended by itself");
  }
  std::int64_t process_id() const { return pid_; }

 private:
  pid_t pid_ = 0;
  int tell_ = -1;
  int hear_ = -1;
};

/// Asks one partition for one thing after the other, on a thread of its own, and notes when it was answered.
class asker {
 public:
  asker(engine& e, std::uint16_t partition, std::uint16_t partitions) : engine_(e), partition_(partition), partitions_(partitions) {
    thread_ = std::thread([this] { ask(); });
  }
  ~asker() { end(); }
  asker(const asker&) = delete;
  asker& operator=(const asker&) = delete;

  void end() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
  }
  bool answered_after(steady::time_point when) {
    const std::lock_guard lock(mutex_);
    return !answered_.empty() && answered_.back() > when;
  }
  /// The first answer behind the longest silence that ended after this moment, and how long that was.
  std::pair<steady::time_point, steady::duration> longest_silence(steady::time_point after) {
    const std::lock_guard lock(mutex_);
    std::pair<steady::time_point, steady::duration> longest{};
    for (std::size_t i = 1; i < answered_.size(); ++i) {
      const auto silence = answered_[i] - answered_[i - 1];
      if (answered_[i] > after && silence > longest.second) longest = {answered_[i], silence};
    }
    return longest;
  }

 private:
  void ask() {
    for (; !ending_; std::this_thread::sleep_for(between_requests)) {
      try {
        engine_.start("bench_live", payload{}, {.id = next_id()});
      } catch (const engine_error&) {
        continue;  // nobody is there just now
      }
      const std::lock_guard lock(mutex_);
      answered_.push_back(steady::now());
    }
  }
  std::string next_id() {
    for (;;) {
      std::string id("asked-");
      id.append(std::to_string(partition_)).append("-").append(std::to_string(++tried_));
      if (actors::partition_of(id, partitions_).value == partition_) return id;
    }
  }

  engine& engine_;
  const std::uint16_t partition_;
  const std::uint16_t partitions_;
  std::uint64_t tried_ = 0;  // of the thread
  std::mutex mutex_;
  std::vector<steady::time_point> answered_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

/// Until the node follows all that the other one owns, and has caught up; or nothing of it. Returns the other one's partitions.
std::vector<std::uint32_t> wait_until_balanced(const engine& e, std::int64_t other, bool follows) {
  for (;; std::this_thread::sleep_for(100ms)) {
    wait_until_owned(e, 2);
    const cluster_description cluster = e.cluster();
    std::vector<std::uint32_t> others;
    std::set<std::uint32_t> followed;
    for (const cluster_member& each : cluster.members) {
      if (each.process_id == other) {
        others = each.owned;
      } else {
        followed.insert(each.standby.begin(), each.standby.end());
        if (!follows) followed.insert(each.catching_up.begin(), each.catching_up.end());
      }
    }
    const bool ready = std::all_of(others.begin(), others.end(), [&](std::uint32_t id) { return followed.contains(id) == follows; });
    if (others.size() == cluster.owners.size() / 2 && ready) return others;
  }
}

/// Of a gauge of the engine's own metrics.
double gauge_of(const engine& e, std::string_view name) {
  const std::string text = e.metrics();
  const std::size_t at = text.find(std::string("\n").append(name).append(" "));
  return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + name.size() + 2, nullptr);
}

double milliseconds(steady::duration of) { return std::chrono::duration<double, std::milli>(of).count(); }

}  // namespace

figures measure_takeover(const bench_options& options, const std::filesystem::path& directory, takeover_kind kind) {
  if (options.queue.empty()) throw engine_error(engine_errc::invalid_argument, "this workload needs a cluster: --queue ADDRESS");
  other_node other(options, node_options(options, directory / "victim", kind));
  other.wait_until_ready();
  engine e(takeover_definitions(), node_options(options, directory / "node", kind));
  const std::vector<std::uint32_t> partitions = wait_until_balanced(e, other.process_id(), kind != takeover_kind::cold);
  const auto count = static_cast<std::uint16_t>(e.cluster().owners.size());

  std::vector<std::unique_ptr<asker>> askers;
  for (const std::uint32_t each : partitions) {
    askers.push_back(std::make_unique<asker>(e, static_cast<std::uint16_t>(each), count));
  }
  std::this_thread::sleep_for(quiet_time);
  const auto began = steady::now();
  kind == takeover_kind::move ? other.stop() : other.kill();

  // The gauge is some tenths of a second old: it says when to stop asking, and measures nothing.
  while (gauge_of(e, "evermill_partitions_owned") != count) std::this_thread::sleep_for(between_looks_at_metrics);
  const auto owned = steady::now();
  const auto goes_on = [&](const auto& each) { return each->answered_after(owned); };
  while (!std::all_of(askers.begin(), askers.end(), goes_on)) std::this_thread::sleep_for(between_looks_at_metrics);
  std::this_thread::sleep_for(quiet_time);
  for (const auto& each : askers) each->end();

  std::vector<double> silences, progress;
  for (const auto& each : askers) {
    const auto [when, silence] = each->longest_silence(began);
    silences.push_back(milliseconds(silence));
    progress.push_back(milliseconds(when - began));
  }
  std::sort(silences.begin(), silences.end());
  std::sort(progress.begin(), progress.end());
  figures found{{"workload", options.workload}, {"live_instances", options.instances}, {"partitions_moved", partitions.size()}};
  if (kind == takeover_kind::move) {
    found["pause_p50_ms"] = silences[silences.size() / 2];
    found["pause_max_ms"] = silences.back();
  } else {
    found["session_timeout_ms"] = takeover_session_timeout.count();
    found["first_progress_ms"] = progress.front();
    found["all_progress_ms"] = progress.back();
    found["standby"] = kind == takeover_kind::cold ? "none: all is read from the log" : "caught up";
  }
  found["durability"] = e.statistics().durability;
  return found;
}

}  // namespace evermill::bench
