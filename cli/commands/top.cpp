#include <CLI/App.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/interrupt.hpp"
#include "cli/load_sample.hpp"
#include "cli/opened_control.hpp"
#include "cli/terminal_input.hpp"

namespace evermill::cli {
namespace {

using steady = std::chrono::steady_clock;

constexpr std::size_t most_oldest = 50;
constexpr std::size_t oldest_in_json = 10;
constexpr std::chrono::milliseconds between_looks_at_keys{100};

struct top_options {
  double interval = 2;
  bool once = false;
  bool json = false;
};

time_point time_of_day() { return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()); }

class top {
 public:
  top(environment& env, const top_options& options)
      : env_(env), options_(options), sampler_(options.json ? oldest_in_json : most_oldest), screen_(env.err, env.color) {}

  exit_code operator()() {
    const bool draws = !options_.json && !options_.once && env_.err_is_terminal;
    std::optional<terminal_input> keys;
    if (draws) keys.emplace();
    terminal_input* const input = keys ? &*keys : nullptr;
    if (options_.once || options_.json) look();  // what rates are counted from
    while (!options_.once || !shown_) {
      if ((options_.once || options_.json || shown_) && !pause(input)) break;
      show(draws);
    }
    return exit_code::completed;
  }

 private:
  /// False: it is to end.
  bool pause(terminal_input* input) {
    const auto until = steady::now() + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(options_.interval));
    while (!interrupts_.interrupted()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady::now());
      if (left.count() <= 0) return true;
      const auto step = std::min(left, between_looks_at_keys);
      if (input != nullptr && input->pressed('q', step)) return false;
      if (input == nullptr) std::this_thread::sleep_for(step);
    }
    return false;
  }

  /// A process that has gone may come back: it is looked for again.
  std::optional<load_sample> look() try {
    if (!opened_.control || opened_.local) opened_ = {};
    if (!opened_.control) opened_ = open_data_directory(env_, open_mode::inspect, [this] { return interrupts_.interrupted(); });
    auto sample = sampler_.take(*opened_.control, time_of_day());
    was_there_ = true;
    return sample;
  } catch (const server::control_error& error) {
    note(error, error.code() == server::control_errc::stopped || error.code() == server::control_errc::unreachable);
    return std::nullopt;
  } catch (const command_error& error) {
    note(error, true);
    return std::nullopt;
  }

  template <class Error>
  void note(const Error& error, bool may_come_back) {
    opened_ = {};
    if (!may_come_back || options_.once || !was_there_) throw error;
    why_not_ = error.what();
  }

  void show(bool draws) {
    const auto sample = look();
    if (sample) shown_ = true;
    if (options_.json) {
      env_.out << (sample ? to_json(*sample) : nlohmann::json{{"error", why_not_}}.dump()) << std::endl;
      return;
    }
    screen_size size = env_.size ? env_.size() : screen_size{};
    if (size.width == 0 || !draws) size = {env_.width, 0};
    std::vector<screen_line> lines;
    if (sample) {
      lines = lines_of(*sample, size);
    } else {
      lines.push_back({fit("nobody answers now: " + why_not_, size.width), screen_line::tone::bad});
    }
    if (draws) {
      screen_.draw(lines, size);
    } else {
      for (const screen_line& each : lines) env_.out << each.text << '\n';
      env_.out << std::endl;
    }
  }

  environment& env_;
  const top_options& options_;
  load_sampler sampler_;
  screen screen_;
  const interrupt_guard interrupts_;
  opened_control opened_;
  bool was_there_ = false;
  bool shown_ = false;
  std::string why_not_;
};

}  // namespace

void add_top(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("top", "Show what a process has to do: rates, task queues, and the oldest executions that run");
  const auto options = std::make_shared<top_options>();
  command.add_option("--interval", options->interval, "Seconds from one look to the next (default: 2)")
      ->check(CLI::Range(0.1, 3600.0))
      ->type_name("SECONDS");
  command.add_flag("--once", options->once, "Look once, with the rates of one interval, and end");
  command.add_flag("--json", options->json, "One JSON object a line for each look");
  add_place_options(command, env);
  command.footer("On a terminal, q or Ctrl-C ends it. Elsewhere it prints one look after the other.\n\nExamples:\n  " + env.program +
                 " top\n  " + env.program + " top --once --json | jq .rates.turns_per_second");
  command.callback([&, options] { chosen = [&env, options] { return top(env, *options)(); }; });
}

}  // namespace evermill::cli
