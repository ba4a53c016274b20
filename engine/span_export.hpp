// Where an engine's spans go.
#pragma once

#include <memory>

#include "base/log.hpp"
#include "evermill/engine_options.hpp"
#include "tracing/otlp_exporter.hpp"

namespace evermill {

/// Null: nobody is told of spans. Throws engine_error (invalid_argument).
std::unique_ptr<tracing::otlp_exporter> make_span_exporter(const engine_options& options, log lines);

}  // namespace evermill
