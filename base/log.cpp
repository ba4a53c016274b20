#include "base/log.hpp"

#include <spdlog/formatter.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <chrono>
#include <ctime>
#include <iterator>

#include "base/text.hpp"

#include "base/namespaces.hpp"

namespace evermill {
namespace {

/// What the line is about that this thread is writing, for a formatter that is called with the line.
struct line_parts {
  const log_subject* subject = nullptr;
  std::size_t message_size = 0;  ///< the rest of the line's text is the subject
};
thread_local line_parts being_written;

class writing {
 public:
  writing(const log_subject& subject, std::size_t message_size) : before_(being_written) {
    being_written = {&subject, message_size};
  }
  ~writing() { being_written = before_; }
  writing(const writing&) = delete;
  writing& operator=(const writing&) = delete;

 private:
  const line_parts before_;
};

void append_quoted(spdlog::memory_buf_t& to, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  to.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      to.push_back('\\');
      to.push_back(c);
    } else if (c == '\n') {
      to.push_back('\\');
      to.push_back('n');
    } else if (byte < 0x20 || byte == 0x7f) {
      for (const char each : std::string_view("\\u00")) to.push_back(each);
      to.push_back(digits[byte >> 4]);
      to.push_back(digits[byte & 15]);
    } else {
      to.push_back(c);
    }
  }
  to.push_back('"');
}

class json_formatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& to) override {
    const auto since = line.time.time_since_epoch();
    const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(since).count();
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(since).count() % 1'000'000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    fmt::format_to(std::back_inserter(to), R"({{"time":"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z","level":")", parts.tm_year + 1900,
                   parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, micros);
    append(to, std::string_view(spdlog::level::to_string_view(line.level).data(), spdlog::level::to_string_view(line.level).size()));
    append(to, R"(","message":)");
    std::string_view text(line.payload.data(), line.payload.size());
    const line_parts about = being_written;
    if (about.subject != nullptr) text = text.substr(0, about.message_size);
    append_quoted(to, to_utf8(std::string(text)));
    if (about.subject != nullptr) append_subject(to, *about.subject);
    append(to, "}\n");
  }

  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<json_formatter>(); }

 private:
  static void append(spdlog::memory_buf_t& to, std::string_view text) { to.append(text.data(), text.data() + text.size()); }

  static void append_subject(spdlog::memory_buf_t& to, const log_subject& subject) {
    if (subject.partition) fmt::format_to(std::back_inserter(to), R"(,"partition":{})", subject.partition->value);
    if (!subject.instance.empty()) {
      append(to, R"(,"instance":)");
      append_quoted(to, to_utf8(std::string(subject.instance)));
    }
    if (subject.run.value != 0) fmt::format_to(std::back_inserter(to), R"(,"run":{})", subject.run.value);
    if (subject.attempt != 0) fmt::format_to(std::back_inserter(to), R"(,"attempt":{})", subject.attempt);
  }
};

}  // namespace

std::string to_string(const log_subject& subject) {
  std::string text;
  const auto add = [&](std::string_view key, std::string_view value) {
    if (!text.empty()) text.push_back(' ');
    text.append(key).push_back('=');
    text.append(value);
  };
  if (subject.partition) add("partition", std::to_string(subject.partition->value));
  if (!subject.instance.empty()) {
    const auto [name_space, id] = namespaces::split(subject.instance);
    if (name_space != namespaces::default_name) add("namespace", name_space);
    add("instance", id);
  }
  if (subject.run.value != 0) add("run", std::to_string(subject.run.value));
  if (subject.attempt != 0) add("attempt", std::to_string(subject.attempt));
  return text;
}

log::log() : sink_(std::make_shared<spdlog::logger>("null", std::make_shared<spdlog::sinks::null_sink_mt>())) {
  sink_->set_level(spdlog::level::off);
}

void log::pass_on(spdlog::level::level_enum level, const log_subject& subject, std::string&& message) const {
  const std::size_t message_size = message.size();
  const std::string about = to_string(subject);
  if (!about.empty()) message.append(" ").append(about);
  const writing scope(subject, message_size);
  sink_->log(level, spdlog::string_view_t(message.data(), message.size()));
}

std::unique_ptr<spdlog::formatter> make_json_formatter() { return std::make_unique<json_formatter>(); }

std::optional<spdlog::level::level_enum> parse_log_level(std::string_view name) noexcept {
  using spdlog::level::level_enum;
  constexpr std::array<std::pair<std::string_view, level_enum>, 7> levels{{{"trace", level_enum::trace},
                                                                          {"debug", level_enum::debug},
                                                                          {"info", level_enum::info},
                                                                          {"warning", level_enum::warn},
                                                                          {"error", level_enum::err},
                                                                          {"critical", level_enum::critical},
                                                                          {"off", level_enum::off}}};
  for (const auto& [each, level] : levels) {
    if (each == name) return level;
  }
  return std::nullopt;
}

log make_stderr_log(std::string_view level, log_format format) {
  std::shared_ptr<spdlog::sinks::sink> to;
  if (format == log_format::json) {
    to = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    to = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  }
  auto logger = std::make_shared<spdlog::logger>("evermill", std::move(to));
  logger->set_level(parse_log_level(level).value_or(spdlog::level::from_str(std::string(level))));
  if (format == log_format::json) {
    logger->set_formatter(make_json_formatter());
  } else {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%f %^%l%$ %v");
  }
  return log(std::move(logger));
}

}  // namespace evermill
