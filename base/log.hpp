// Structured logs. Every line says which partition, instance, run and attempt it is about, in fields of their own: as text
// `partition=3 instance=o-1 run=17 attempt=2`, as JSON members of the line's object.
#pragma once

#include <spdlog/logger.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/ids.hpp"

namespace evermill {

/// What a line is about; empty parts are left out.
struct log_subject {
  std::optional<partition_id> partition;
  std::string_view instance;
  run_number run;
  std::uint32_t attempt = 0;  ///< of an activity; 0: none in particular
};

std::string to_string(const log_subject& subject);

enum class log_format : std::uint8_t { text, json };

/// A cheap, thread-safe handle on an engine's own spdlog logger. There is no global logger.
class log {
 public:
  /// Discards everything.
  log();
  explicit log(std::shared_ptr<spdlog::logger> sink) : sink_(std::move(sink)) {}

  template <class... Args>
  void write(spdlog::level::level_enum level, const log_subject& subject, spdlog::format_string_t<Args...> format,
             Args&&... args) const {
    if (!sink_->should_log(level)) return;
    pass_on(level, subject, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void debug(const log_subject& s, spdlog::format_string_t<Args...> format, Args&&... args) const {
    write(spdlog::level::debug, s, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(const log_subject& s, spdlog::format_string_t<Args...> format, Args&&... args) const {
    write(spdlog::level::info, s, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warn(const log_subject& s, spdlog::format_string_t<Args...> format, Args&&... args) const {
    write(spdlog::level::warn, s, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void error(const log_subject& s, spdlog::format_string_t<Args...> format, Args&&... args) const {
    write(spdlog::level::err, s, format, std::forward<Args>(args)...);
  }

  const std::shared_ptr<spdlog::logger>& sink() const noexcept { return sink_; }

 private:
  /// Any logger gets the message with its subject behind it; one that writes JSON (make_json_formatter) finds the two apart.
  void pass_on(spdlog::level::level_enum level, const log_subject& subject, std::string&& message) const;

  std::shared_ptr<spdlog::logger> sink_;
};

/// Each line a JSON object: time (RFC 3339, UTC), level, message, and the subject's fields. For loggers that write on the thread
/// that logs; of others the subject stays in the message.
std::unique_ptr<spdlog::formatter> make_json_formatter();

/// The level of this name: trace, debug, info, warning, error, critical or off. Nothing for other text.
std::optional<spdlog::level::level_enum> parse_log_level(std::string_view name) noexcept;

/// A logger that writes lines to standard error at `level` (one that parse_log_level knows) and above.
log make_stderr_log(std::string_view level, log_format format = log_format::text);

}  // namespace evermill
