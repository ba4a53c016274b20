// A log that a test reads.
#pragma once

#include <spdlog/sinks/ostream_sink.h>

#include <memory>
#include <mutex>
#include <sstream>
#include <string>

#include "base/log.hpp"

namespace evermill::tests {

class caught_log {
 public:
  caught_log() : sink_(std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)) {
    sink_->set_pattern("%l %v");
    logger_ = std::make_shared<spdlog::logger>("test", sink_);
    logger_->set_level(spdlog::level::debug);
  }
  log to() const { return log(logger_); }
  /// Not while others write.
  std::string text() const { return text_.str(); }
  void clear() { text_.str({}); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::sinks::ostream_sink_mt> sink_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace evermill::tests
