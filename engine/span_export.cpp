#include "engine/span_export.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

#include "evermill/engine.hpp"

namespace evermill {
namespace {

constexpr std::chrono::milliseconds longest_flush{5'000};

/// As people look for it: which machine, which process.
std::string describe_instance() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return std::string(host.data()) + ":" + std::to_string(::getpid());
}

}  // namespace

std::unique_ptr<tracing::otlp_exporter> make_span_exporter(const engine_options& options, log lines) {
  const trace_options& wanted = options.traces;
  if (wanted.url.empty()) return nullptr;
  if (options.mode != engine_mode::run) {
    throw engine_error(engine_errc::invalid_argument, "spans are sent by an engine that runs");
  }
  tracing::otlp_options how;
  how.url = wanted.url;
  how.headers = wanted.headers;
  how.resource = {wanted.service_name, EVERMILL_VERSION, describe_instance()};
  how.sample_ratio = wanted.sample_ratio;
  how.queue_limit = wanted.queue_limit;
  how.flush_limit = std::clamp(options.stop_grace, std::chrono::milliseconds(0), longest_flush);
  try {
    return std::make_unique<tracing::otlp_exporter>(std::move(how), std::move(lines));
  } catch (const std::invalid_argument& error) {
    throw engine_error(engine_errc::invalid_argument, error.what());
  }
}

}  // namespace evermill
