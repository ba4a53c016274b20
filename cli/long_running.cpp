#include "cli/long_running.hpp"

#include <algorithm>
#include <ostream>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "cli/errors.hpp"

namespace evermill::cli {
namespace {
constexpr std::chrono::milliseconds between_interruption_looks{50};
constexpr std::chrono::milliseconds between_attempts{500};
}  // namespace

bool make_when_there(environment& env, const interrupt_guard& interrupts, std::initializer_list<engine_errc> may_pass,
                     const std::function<void()>& make) {
  for (bool told = false; !interrupts.interrupted(); std::this_thread::sleep_for(between_attempts)) {
    try {
      make();
      return true;
    } catch (const engine_error& error) {
      if (std::find(may_pass.begin(), may_pass.end(), error.code()) == may_pass.end()) throw command_error(error.what());
      if (!std::exchange(told, true)) env.err << env.program << ": " << error.what() << "; tried again until it can be" << std::endl;
    }
  }
  return false;
}

void wait_until_interrupted(const interrupt_guard& interrupts, const std::function<void()>& between) {
  while (!interrupts.interrupted()) {
    if (between) between();
    std::this_thread::sleep_for(between_interruption_looks);
  }
}

std::unique_ptr<server::http::monitoring> start_monitoring(environment& env, const std::string& where, const log& lines,
                                                           const std::string& what) {
  if (where.empty()) return nullptr;
  try {
    auto made = std::make_unique<server::http::monitoring>(server::http::parse_endpoint(where), "the " + what + " is being started",
                                                           lines);
    env.out << "Metrics: http://" << server::http::to_string(made->listening()) << "/metrics" << std::endl;
    return made;
  } catch (const server::http::http_error& error) {
    throw command_error(std::string("--metrics: ") + error.what());
  }
}

void add_metrics_option(CLI::App& command, std::string& where) {
  command
      .add_option("--metrics", where,
                  "Answer GET /metrics (for Prometheus), /healthz and /readyz there; port 0: one that is free, and printed")
      ->type_name("HOST:PORT");
}

void add_log_options(CLI::App& command, log_options& options) {
  command
      .add_option("--log-level", options.level,
                  "trace, debug, info, warning, error, critical or off; \"evermill log-level\" changes it later")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "critical", "off"}));
  command.add_option("--log-format", options.format, "text, or json: an object for each line")
      ->check(CLI::IsMember({"text", "json"}))
      ->envname("EVERMILL_LOG_FORMAT");
}

log make_log(const log_options& options) {
  return make_stderr_log(options.level, options.format == "json" ? log_format::json : log_format::text);
}

}  // namespace evermill::cli
