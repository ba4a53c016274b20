// What is told to those who look at traces: a span is something that took a time, in a trace, as a part of another span.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/trace_context.hpp"

namespace evermill::tracing {

struct span {
  enum class status : std::uint8_t { unset = 0, ok = 1, error = 2 };  ///< as OTLP numbers them
  enum class kind : std::uint8_t { internal = 1, server = 2, client = 3 };
  using value = std::variant<std::string, std::int64_t>;

  trace_context where;       ///< its trace, and its own id
  std::uint64_t parent = 0;  ///< 0: it is the root of its trace
  std::string state;         ///< tracestate; "": none
  std::string name;
  kind what = kind::internal;
  std::int64_t start_us = 0;  ///< since the epoch
  std::int64_t end_us = 0;
  status how = status::unset;
  std::string message;  ///< of an error
  std::vector<std::pair<std::string_view, value>> attributes;  ///< names are literals
};

/// Where spans go. Thread-safe; neither function waits for anything.
class span_sink {
 public:
  virtual ~span_sink() = default;
  /// Is this trace, about which no caller has decided, to be shown? The same for the same trace, for ever.
  virtual bool samples(const trace_context& root) const noexcept = 0;
  /// What there is no room for is dropped, and counted.
  virtual void offer(std::vector<span>&& spans) = 0;
};

}  // namespace evermill::tracing
