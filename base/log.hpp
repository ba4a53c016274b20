// Structured logs. Every line says which partition and instance it is about, as `partition=3 instance=o-1 run=17`.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"

namespace evermill {

/// What a line is about; empty parts are left out.
struct log_subject {
  std::optional<partition_id> partition;
  std::string_view instance;
  run_number run;
};

std::string to_string(const log_subject& subject);

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
    sink_->log(level, "{} {}", fmt::format(format, std::forward<Args>(args)...), to_string(subject));
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
  std::shared_ptr<spdlog::logger> sink_;
};

/// A logger that writes text lines to standard error at `level` ("trace" … "critical", "off") and above.
log make_stderr_log(std::string_view level);

}  // namespace evermill
