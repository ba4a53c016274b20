// Who changed what, and who was refused: one line of JSON each.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "server/security/permission.hpp"

namespace evermill::server::security {

/// Names only: payloads and secrets have no place here.
struct audit_record {
  std::string_view principal{};  ///< its id; "": nobody could be told
  std::string_view name{};       ///< its name
  authentication how = authentication::none;
  std::string_view address{};  ///< of the other side
  std::string_view action{};
  std::string_view name_space{};
  std::string_view resource{};  ///< a workflow id, a task, a queue
  std::string_view outcome{};   ///< "ok", "forbidden", "unauthenticated", "rate_limited", "failed: not_found"
  std::string_view reason{};    ///< of a refusal, for those who run the server
  std::string_view request_id{};
  std::string_view trace_id{};
};

/// The line without its end: {"time":…,"principal":…}. ASCII only, so that no name can look like another line, or take over a
/// terminal; texts are cut to 1024 bytes; what is empty is left out.
std::string audit_line(const audit_record& of, timestamp time);

/// Where lines go. Called on one thread.
class audit_sink {
 public:
  virtual ~audit_sink() = default;
  /// Takes a beginning of the bytes, and returns how many: fewer where there is no room, or an error. `fresh`: no line is begun,
  /// so that another file may take over here.
  virtual std::size_t write(std::string_view bytes, bool fresh) = 0;
  /// Why the last write took less than it was given.
  virtual std::string error() const = 0;
  /// Another file may be there now.
  virtual void reopen() {}
};

/// Appends to a file of mode 0600, which is opened again when another one (or none) is at its path. Throws std::runtime_error
/// where it can't be opened at first.
std::unique_ptr<audit_sink> make_audit_file(const std::filesystem::path& path);
/// The process's log, at level info.
std::unique_ptr<audit_sink> make_audit_to_log(log lines);

struct audit_options {
  std::size_t max_bytes = std::size_t{4} << 20;  ///< of lines that wait to be written; further ones are dropped, and counted
  std::chrono::milliseconds retry{1000};         ///< after a write that failed
  std::chrono::milliseconds stop_limit{5000};    ///< how long the end may wait for a disk
};

/// Thread-safe. `write` never waits: a thread of the log's own writes. When lines were dropped, a line that says how many stands
/// where they would have. What is written is the system's to make durable (no sync for each line).
class audit_log {
 public:
  /// `time` outlives it.
  audit_log(std::unique_ptr<audit_sink> sink, const clock& time, log lines, audit_options options = {});
  /// Writes what waits, for stop_limit at most. A disk that hangs keeps a thread, not the server.
  ~audit_log();
  audit_log(const audit_log&) = delete;
  audit_log& operator=(const audit_log&) = delete;

  void write(const audit_record& what);
  /// As for SIGHUP.
  void reopen();

  std::uint64_t written() const;  ///< lines
  std::uint64_t dropped() const;  ///< lines
  /// Waits until all that was given before is written or dropped, or the limit is over. Returns which.
  bool flush(std::chrono::milliseconds limit);

 private:
  struct state;
  static void run(const std::shared_ptr<state>& shared);
  const std::shared_ptr<state> shared_;
  std::thread thread_;
};

}  // namespace evermill::server::security
