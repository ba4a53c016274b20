#include "base/trace_context.hpp"

#include <xxhash.h>

#include <algorithm>

namespace evermill::tracing {
namespace {

constexpr std::size_t traceparent_size = 55;  // of version 00
constexpr std::size_t longest_tracestate = 512;

/// Lower-case digits only, as the standard has it.
bool read_hex(std::string_view text, std::uint64_t& to) noexcept {
  to = 0;
  for (const char c : text) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else {
      return false;
    }
    to = to << 4 | digit;
  }
  return true;
}

void append_hex(std::string& to, std::uint64_t value, int digits) {
  for (int at = digits - 1; at >= 0; --at) to.push_back("0123456789abcdef"[value >> (4 * at) & 15]);
}

}  // namespace

std::optional<trace_context> parse_traceparent(std::string_view text) noexcept {
  if (text.size() < traceparent_size || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  trace_context context;
  std::uint64_t version = 0, flags = 0;
  if (!read_hex(text.substr(0, 2), version) || !read_hex(text.substr(3, 16), context.trace_high) ||
      !read_hex(text.substr(19, 16), context.trace_low) || !read_hex(text.substr(36, 16), context.span) ||
      !read_hex(text.substr(53, 2), flags)) {
    return std::nullopt;
  }
  const bool is_longer = text.size() > traceparent_size;
  if (version == 0xff || (is_longer && (version == 0 || text[traceparent_size] != '-'))) return std::nullopt;
  if ((context.trace_high == 0 && context.trace_low == 0) || context.span == 0) return std::nullopt;
  context.flags = static_cast<std::uint8_t>(flags & 1);  // of the others nobody here knows what they mean
  return context;
}

std::string to_traceparent(const trace_context& context) {
  std::string text = "00-";
  text.reserve(traceparent_size);
  append_hex(text, context.trace_high, 16);
  append_hex(text, context.trace_low, 16);
  text.push_back('-');
  append_hex(text, context.span, 16);
  text.push_back('-');
  append_hex(text, context.flags, 2);
  return text;
}

bool is_tracestate(std::string_view text) noexcept {
  return text.size() <= longest_tracestate && std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::string trace_id_text(const trace_context& context) {
  std::string text;
  append_hex(text, context.trace_high, 16);
  append_hex(text, context.trace_low, 16);
  return text;
}

std::string span_id_text(std::uint64_t span) {
  std::string text;
  append_hex(text, span, 16);
  return text;
}

std::uint64_t span_id_of(std::string_view run_id, std::string_view what, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  std::string name(run_id);
  name.append("\n").append(what);
  for (const std::uint64_t each : {a, b, c}) append_hex(name, each, 16);
  const std::uint64_t id = XXH3_64bits(name.data(), name.size());
  return id == 0 ? 1 : id;
}

}  // namespace evermill::tracing
