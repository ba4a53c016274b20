#include "server/http/api/json_writer.hpp"

#include <array>
#include <cstdio>

#include "base/encodings.hpp"
#include "base/text.hpp"
#include "server/http/api/json_text.hpp"

namespace evermill::server::http::api {
namespace {

constexpr std::array failure_names{"application", "start_to_close",    "canceled",          "terminated",
                                   "lost",        "not_registered",    "invalid_payload",   "already_exists",
                                   "timed_out",   "schedule_to_start", "schedule_to_close", "heartbeat"};
constexpr int max_written_causes = 16;

std::string media_type(const payload& of) {
  switch (of.type) {
    case payload::content_type::json:
      return "application/json";
    case payload::content_type::protobuf:
      return "application/protobuf";
    case payload::content_type::bytes:
      return "application/octet-stream";
    case payload::content_type::other:
      break;
  }
  return of.type_name;
}

void write_failure(json_writer& to, std::string_view name, const evermill::failure& why, int causes) {
  to.begin_object(name).text("kind", name_of(why.kind));
  if (!why.type.empty()) to.text("type", why.type);
  to.text("message", why.message).value("details", why.details);
  if (why.non_retryable) to.boolean("non_retryable", true);
  if (why.next_retry_delay) to.duration("next_retry_delay", *why.next_retry_delay);
  if (why.cause && causes > 0) write_failure(to, "cause", *why.cause, causes - 1);
  to.end_object();
}

}  // namespace

std::string_view name_of(failure_kind kind) noexcept {
  return failure_names[static_cast<std::size_t>(kind) % failure_names.size()];
}

std::string quoted(std::string_view raw) {
  const std::string text = to_utf8(std::string(raw));
  std::string out = "\"";
  out.reserve(text.size() + 2);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      out += escaped;
    } else {
      out.push_back(c);
    }
  }
  return out + '"';
}

void json_writer::begin(std::string_view name) {
  if (!std::exchange(first_, false)) text_.push_back(',');
  if (!name.empty()) text_.append(quoted(name)).push_back(':');
}

json_writer& json_writer::open(std::string_view name, char bracket) {
  begin(name);
  text_.push_back(bracket);
  first_ = true;
  return *this;
}

json_writer& json_writer::close(char bracket) {
  text_.push_back(bracket);
  first_ = false;
  return *this;
}

json_writer& json_writer::raw(std::string_view name, std::string_view json) {
  begin(name);
  text_.append(json);
  return *this;
}

json_writer& json_writer::text(std::string_view name, std::string_view value) { return raw(name, quoted(value)); }

json_writer& json_writer::time(std::string_view name, timestamp value) {
  const auto day = std::chrono::floor<std::chrono::days>(value);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(value - day);
  char text[64];
  std::snprintf(text, sizeof text, "\"%04d-%02u-%02uT%02d:%02d:%02d.%06dZ\"", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return raw(name, text);
}

json_writer& json_writer::duration(std::string_view name, std::chrono::microseconds value) {
  constexpr std::int64_t second = 1'000'000;
  char text[48];
  const std::int64_t count = value.count(), rest = count % second;
  std::snprintf(text, sizeof text, "%s%lld.%06llds", count < 0 ? "-" : "",
                static_cast<long long>(std::abs(count / second)), static_cast<long long>(std::abs(rest)));
  std::string trimmed(text);
  trimmed.pop_back();
  while (trimmed.ends_with('0')) trimmed.pop_back();
  if (trimmed.ends_with('.')) trimmed.pop_back();
  return this->text(name, trimmed + "s");
}

json_writer& json_writer::value(std::string_view name, const std::optional<payload>& what) {
  if (!what || (what->type == payload::content_type::json && what->data.empty())) return *this;
  if (what->type == payload::content_type::json && !why_no_json(what->data)) return raw(name, what->data);
  begin_object(std::string(name) + "_payload").text("content_type", media_type(*what));
  if (what->type == payload::content_type::protobuf) text("type_name", what->type_name);
  return text("data", base64_encoded(what->data)).end_object();
}

json_writer& json_writer::failure(std::string_view name, const evermill::failure& why) {
  write_failure(*this, name, why, max_written_causes);
  return *this;
}

}  // namespace evermill::server::http::api
