// --otlp-endpoint and what the environment says of traces: OpenTelemetry's names.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "evermill/engine_options.hpp"

namespace evermill::cli {

struct trace_arguments {
  std::string endpoint;  ///< --otlp-endpoint; "": as the environment says
  double sample_ratio = 1;
};
void add_trace_options(CLI::App& command, trace_arguments& arguments);

/// `variable(name)` gives an environment variable; "": it is not set. Throws command_error, which names no header's value.
trace_options trace_options_of(const trace_arguments& arguments, const std::function<std::string(const char*)>& variable);
/// With those of this process.
trace_options trace_options_of(const trace_arguments& arguments);

}  // namespace evermill::cli
