// What the commands share that run until they are told to stop.
#pragma once

#include <CLI/App.hpp>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "evermill/engine.hpp"
#include "server/http/monitoring.hpp"

namespace evermill::cli {

/// Makes what needs a broker or a cluster, and tries again, telling so once, while an error of these kinds comes: it may be there
/// later. False: told to stop meanwhile. Throws command_error for all other errors.
bool make_when_there(environment& env, const interrupt_guard& interrupts, std::initializer_list<engine_errc> may_pass,
                     const std::function<void()>& make);

/// `between` is called every 50 ms meanwhile; it may be empty.
void wait_until_interrupted(const interrupt_guard& interrupts, const std::function<void()>& between = {});

/// Where the process is asked for metrics and whether it is well, before there is what is monitored (`what`, for people), and after.
/// Null: nobody wants to ask. Throws command_error.
std::unique_ptr<server::http::monitoring> start_monitoring(environment& env, const std::string& where, const log& lines,
                                                           const std::string& what);
/// `what`, an engine or a worker, is asked from now on, until the returned object goes. `by`: null: nobody wants to ask.
template <class Monitored>
std::shared_ptr<void> monitor(server::http::monitoring* by, const Monitored& what) {
  if (by == nullptr) return nullptr;
  by->watch({[&what] { return what.metrics(); }, [&what] { return what.why_not_ready(); }});
  return {by, [](server::http::monitoring* watching) { watching->stopping(); }};
}

/// --metrics
void add_metrics_option(CLI::App& command, std::string& where);

/// What is logged, and how.
struct log_options {
  std::string level = "info";
  std::string format = "text";
};
/// --log-level, --log-format
void add_log_options(CLI::App& command, log_options& options);
log make_log(const log_options& options);

}  // namespace evermill::cli
