#include "server/security/audit_log.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "server/security/time_text.hpp"

namespace evermill::server::security {
namespace {

constexpr std::size_t max_text = 1024;

void put_text(nlohmann::ordered_json& into, const char* name, std::string_view text) {
  if (text.empty()) return;
  into[name] = text.size() <= max_text ? std::string(text) : std::string(text.substr(0, max_text)) + "...";
}

std::string one_ascii_line(const nlohmann::ordered_json& object) {
  return object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

/// "2026-05-01T12:00:00.123456Z"
std::string audit_time(timestamp time) {
  const std::string whole = utc_text(time);
  const std::string micros = std::to_string(1'000'000 + (to_micros(time) % 1'000'000 + 1'000'000) % 1'000'000);
  return whole.substr(0, whole.size() - 1) + "." + micros.substr(1) + "Z";
}

}  // namespace

std::string audit_line(const audit_record& of, timestamp time) {
  nlohmann::ordered_json line;
  line["time"] = audit_time(time);
  put_text(line, "principal", of.principal);
  put_text(line, "name", of.name);
  line["authentication"] = authentication_name(of.how);
  put_text(line, "address", of.address);
  put_text(line, "action", of.action);
  put_text(line, "namespace", of.name_space);
  put_text(line, "resource", of.resource);
  put_text(line, "outcome", of.outcome);
  put_text(line, "reason", of.reason);
  put_text(line, "request_id", of.request_id);
  put_text(line, "trace_id", of.trace_id);
  return one_ascii_line(line);
}

/// Outlives the log where its thread hangs in a write.
struct audit_log::state {
  state(std::unique_ptr<audit_sink> to, const clock& clock, log into, audit_options how)
      : sink(std::move(to)), time(clock), lines(std::move(into)), options(how) {}

  const std::unique_ptr<audit_sink> sink;  ///< of the thread
  const clock& time;                       ///< of callers
  const log lines;
  const audit_options options;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> waiting;
  std::size_t bytes = 0;  ///< of waiting
  std::uint64_t written = 0;
  std::uint64_t dropped = 0;
  std::uint64_t untold = 0;  ///< dropped since the last line that says so
  timestamp untold_since{};
  bool reopen = false;
  bool stopping = false;
  bool ended = false;

  void push(std::string line) {
    bytes += line.size();
    waiting.push_back(std::move(line));
  }
  /// Where there is nothing left of those before, also when nobody writes any more.
  void tell_dropped() {
    if (untold == 0) return;
    nlohmann::ordered_json line{
        {"time", audit_time(untold_since)}, {"event", "lines_dropped"}, {"count", std::exchange(untold, 0)}};
    push(one_ascii_line(line) + "\n");
  }
};

audit_log::audit_log(std::unique_ptr<audit_sink> sink, const clock& time, log lines, audit_options options)
    : shared_(std::make_shared<state>(std::move(sink), time, std::move(lines), options)),
      thread_([shared = shared_] { run(shared); }) {}

audit_log::~audit_log() {
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->changed.notify_all();
  const bool ended = shared_->changed.wait_for(lock, shared_->options.stop_limit, [&] { return shared_->ended; });
  lock.unlock();
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();  // it hangs in a write, and has all it needs
  }
}

void audit_log::write(const audit_record& what) {
  const timestamp now = shared_->time.now();
  std::string line = audit_line(what, now) + "\n";
  const std::lock_guard lock(shared_->mutex);
  if (shared_->bytes + line.size() > shared_->options.max_bytes) {
    ++shared_->dropped;
    if (shared_->untold++ == 0) shared_->untold_since = now;
    return;
  }
  shared_->tell_dropped();
  shared_->push(std::move(line));
  shared_->changed.notify_all();
}

void audit_log::reopen() {
  const std::lock_guard lock(shared_->mutex);
  shared_->reopen = true;
  shared_->changed.notify_all();
}

std::uint64_t audit_log::written() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->written;
}

std::uint64_t audit_log::dropped() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->dropped;
}

bool audit_log::flush(std::chrono::milliseconds limit) {
  std::unique_lock lock(shared_->mutex);
  return shared_->changed.wait_for(lock, limit, [&] { return shared_->waiting.empty() && shared_->untold == 0; });
}

void audit_log::run(const std::shared_ptr<state>& shared) {
  std::size_t begun = 0;  // bytes of the first line that are written
  bool failing = false;
  std::unique_lock lock(shared->mutex);
  for (;;) {
    shared->changed.wait(lock, [&] { return !shared->waiting.empty() || shared->reopen || shared->stopping; });
    if (std::exchange(shared->reopen, false)) {
      lock.unlock();
      shared->sink->reopen();
      lock.lock();
    }
    if (shared->waiting.empty()) {
      if (shared->stopping) break;
      continue;
    }
    const std::string line =
        shared->waiting.front().substr(begun);  // the queue's first stays there: it counts until it is written
    lock.unlock();
    const std::size_t taken = shared->sink->write(line, begun == 0);
    if (taken < line.size() && !std::exchange(failing, true)) {
      shared->lines.error(
          {}, "the audit log can't be written, and is tried again; lines that find no room meanwhile are dropped and counted: {}",
          shared->sink->error());
    }
    lock.lock();
    begun += taken;
    if (taken < line.size()) {
      if (shared->stopping) break;
      shared->changed.wait_for(lock, shared->options.retry, [&] { return shared->stopping || shared->reopen; });
      continue;
    }
    if (std::exchange(failing, false)) shared->lines.info({}, "the audit log is written again");
    begun = 0;
    ++shared->written;
    shared->bytes -= shared->waiting.front().size();
    shared->waiting.pop_front();
    if (shared->waiting.empty()) {
      shared->tell_dropped();
      shared->changed.notify_all();
    }
  }
  shared->ended = true;
  shared->changed.notify_all();
}

}  // namespace evermill::server::security
