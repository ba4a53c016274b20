// Where in a distributed trace something happens: W3C Trace Context, as it travels in the headers traceparent and tracestate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace evermill::tracing {

/// A place in a trace. An id of 0 is none.
struct trace_context {
  std::uint64_t trace_high = 0;
  std::uint64_t trace_low = 0;
  std::uint64_t span = 0;
  std::uint8_t flags = 0;

  bool sampled() const noexcept { return (flags & 1) != 0; }
  friend bool operator==(const trace_context&, const trace_context&) = default;
};

/// Nothing where the text is no traceparent (of version 00, or of a later one that begins as that): it is to be ignored then.
std::optional<trace_context> parse_traceparent(std::string_view text) noexcept;
/// "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
std::string to_traceparent(const trace_context& context);
/// May it be passed on? At most 512 printable ASCII characters; "" may.
bool is_tracestate(std::string_view text) noexcept;

/// 16 and 8 bytes in hexadecimal digits, as ids are shown.
std::string trace_id_text(const trace_context& context);
std::string span_id_text(std::uint64_t span);

/// Never 0, and the same for the same names: so that spans are the same after a restart.
std::uint64_t span_id_of(std::string_view run_id, std::string_view what, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0);

}  // namespace evermill::tracing
