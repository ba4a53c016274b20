#include "base/log.hpp"

#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

namespace evermill {

std::string to_string(const log_subject& subject) {
  std::string text;
  const auto add = [&](std::string_view key, std::string_view value) {
    if (!text.empty()) text.push_back(' ');
    text.append(key).push_back('=');
    text.append(value);
  };
  if (subject.partition) add("partition", std::to_string(subject.partition->value));
  if (!subject.instance.empty()) add("instance", subject.instance);
  if (subject.run.value != 0) add("run", std::to_string(subject.run.value));
  return text;
}

log::log() : sink_(std::make_shared<spdlog::logger>("null", std::make_shared<spdlog::sinks::null_sink_mt>())) {
  sink_->set_level(spdlog::level::off);
}

log make_stderr_log(std::string_view level) {
  auto logger = std::make_shared<spdlog::logger>("evermill", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_level(spdlog::level::from_str(std::string(level)));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%f %^%l%$ %v");
  return log(std::move(logger));
}

}  // namespace evermill
