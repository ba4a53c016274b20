#include "cli/trace_arguments.hpp"

#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "base/encodings.hpp"
#include "cli/errors.hpp"

namespace evermill::cli {
namespace {

std::string_view without_spaces(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// "name=value,name=value", values percent-encoded.
std::vector<std::pair<std::string, std::string>> headers_of(std::string_view list, const char* variable) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (std::size_t number = 1; !list.empty(); ++number) {
    const std::size_t comma = list.find(',');
    const std::string_view entry = without_spaces(list.substr(0, comma));
    list = comma == list.npos ? std::string_view() : list.substr(comma + 1);
    if (entry.empty()) continue;
    const std::size_t equals = entry.find('=');
    const std::string name(without_spaces(entry.substr(0, equals)));
    const std::optional<std::string> value =
        equals == entry.npos ? std::nullopt : percent_decoded(without_spaces(entry.substr(equals + 1)));
    const bool can_be = value && !name.empty() && name.find_first_of("\r\n:") == name.npos &&
                        value->find_first_of("\r\n") == value->npos;
    if (!can_be) {
      throw command_error(std::string(variable) + ": entry " + std::to_string(number) +
                          " is not NAME=VALUE, where a '%' in VALUE is written %25");
    }
    headers.emplace_back(name, *value);
  }
  return headers;
}

}  // namespace

void add_trace_options(CLI::App& command, trace_arguments& arguments) {
  command
      .add_option("--otlp-endpoint", arguments.endpoint,
                  "Send traces to this collector, OTLP over HTTP (docs/observability.md): http://localhost:4318 "
                  "(default: $OTEL_EXPORTER_OTLP_ENDPOINT, else nowhere)")
      ->type_name("URL");
  command
      .add_option("--otlp-sample", arguments.sample_ratio,
                  "Of executions whose callers have no trace, the part that begins one: 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("RATIO");
}

trace_options trace_options_of(const trace_arguments& arguments, const std::function<std::string(const char*)>& variable) {
  trace_options options;
  options.sample_ratio = arguments.sample_ratio;
  options.url = arguments.endpoint.empty() ? variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") : "";
  if (options.url.empty()) {
    std::string base = arguments.endpoint.empty() ? variable("OTEL_EXPORTER_OTLP_ENDPOINT") : arguments.endpoint;
    while (base.ends_with('/')) base.pop_back();
    if (base.empty()) return options;
    options.url = base + "/v1/traces";
  }
  if (!options.url.starts_with("http://") && !options.url.starts_with("https://")) {
    throw command_error("traces are sent to the URL of a collector, as http://localhost:4318; see --otlp-endpoint");
  }
  for (const char* name : {"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"}) {
    for (auto& header : headers_of(variable(name), name)) options.headers.push_back(std::move(header));
  }
  if (std::string name = variable("OTEL_SERVICE_NAME"); !name.empty()) options.service_name = std::move(name);
  return options;
}

trace_options trace_options_of(const trace_arguments& arguments) {
  return trace_options_of(arguments, [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  });
}

}  // namespace evermill::cli
