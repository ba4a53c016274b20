#include <CLI/App.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <thread>
#include <utility>
#include <variant>

#include "base/random.hpp"
#include "cli/commands/commands.hpp"
#include "cli/dsl_file.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"
#include "cli/waiting.hpp"

namespace evermill::cli {
namespace {

using steady = std::chrono::steady_clock;
using server::control_errc;
using server::control_error;

constexpr std::chrono::milliseconds between_looks{50};  // at other commands, for which this process goes on
constexpr std::chrono::milliseconds between_tries{100};
constexpr std::chrono::seconds lasting{1};  // what another process has served for so long was no mere failure
constexpr int failures_at_most = 20;        // of other processes, one after the other

struct run_options {
  std::string workflow_type;
  std::string shown;  ///< what the user calls it: the workflow, or its file
  bool is_file = false;
  std::string id;  ///< never empty once the command line is parsed
  bool id_was_chosen = false;
  std::optional<payload> input;
  bool json = false;
  bool quiet = false;
  std::string progress = "auto";
  bool events = false;  ///< each is written to standard error

  /// Nothing but errors on standard error.
  bool is_silent() const noexcept { return json || quiet; }
};

progress::style style_of(const environment& env, const run_options& options) {
  if (options.is_silent() || options.progress == "none") return progress::style::none;
  if (options.progress == "screen" || (options.progress == "auto" && env.err_is_terminal)) return progress::style::terminal;
  // Who reads events reads nothing else.
  if (options.progress == "auto" && options.events) return progress::style::none;
  return progress::style::plain;
}

std::string resume_command(const environment& env, const run_options& options) {
  return env.program + " run " + shell_word(options.shown) + " --id " + shell_word(options.id) +
         place_words(env);
}

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all.empty() ? "none" : all;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// --- reaching an engine that runs the workflow

[[noreturn]] void refuse_unknown(const environment& env, const std::string& type) {
  const std::vector<std::string> names = env.definitions.workflow_names();
  std::string message = "no workflow is named \"" + type + "\"";
  if (const std::string like = nearest(type, names); !like.empty()) message += "; did you mean \"" + like + "\"?";
  throw command_error(message + "\nRegistered here: " + joined(names));
}

/// Only a process that registers the workflow can run it.
void check_owner(const environment& env, const std::string& type, server::control& owner) {
  const server::control_status about = owner.status();
  if (type == dsl_workflow.name || contains(about.workflow_types, type)) return;
  if (env.definitions.find_workflow(type) == nullptr) refuse_unknown(env, type);
  const std::string pid = std::to_string(about.process_id);
  throw command_error("process " + pid + " has data directory \"" + env.data_directory.string() +
                      "\" open and does not register workflow \"" + type + "\"; it registers: " +
                      joined(about.workflow_types) + ".\nWait until it has ended, park it (kill -INT " + pid +
                      "), or choose another directory with --data.");
}

opened_control reach(environment& env, const std::string& type, const interrupt_guard& interrupts) {
  opened_control opened;
  if (!env.queue.empty() || !env.server.empty()) return open_data_directory(env, open_mode::run);  // who registers it there is told as "unserved"
  if (type == dsl_workflow.name || env.definitions.find_workflow(type) != nullptr) {
    opened = open_data_directory(env, open_mode::run, [&] { return interrupts.interrupted(); });
  } else {
    opened.control = connect_to_owner(env);
  }
  if (!opened.control) refuse_unknown(env, type);
  if (!opened.local) check_owner(env, type, *opened.control);
  return opened;
}

// --- finding or starting the execution

std::optional<execution_description> find(server::control& control, const std::string& id) {
  try {
    return control.describe(id);
  } catch (const control_error& error) {
    if (error.code() == control_errc::not_found) return std::nullopt;
    throw;
  }
}

void check_definition(const run_options& options, const execution_description& existing) {
  if (existing.workflow_type == options.workflow_type) return;
  throw command_error("execution \"" + options.id + "\" runs workflow \"" + existing.workflow_type + "\", not \"" +
                      options.workflow_type + "\"; choose another --id, or run \"" + existing.workflow_type + "\"");
}

/// Starts the execution or finds the one that has the id; without --input whatever input that was started with.
void start_or_find(const environment& env, server::control& control, const run_options& options,
                   const std::optional<execution_description>& existing) {
  if (existing) check_definition(options, *existing);
  if (existing && (!options.input || options.is_file)) return;  // a file that has changed since changes nothing of what runs
  try {
    start_options how;
    how.id = options.id;
    how.traceparent = env.traceparent;
    how.tracestate = env.tracestate;
    server::start(control, options.workflow_type, options.input.value_or(payload{}), std::move(how));
  } catch (const control_error& error) {
    if (error.code() != control_errc::already_exists) throw;
    throw command_error("execution \"" + options.id +
                        "\" exists with another input; leave --input out to resume it, or choose another --id");
  }
}

/// Not with --json or --quiet: standard error then holds the error object alone, which names the id.
void announce(environment& env, const run_options& options, bool existed) {
  if (options.is_silent()) return;
  env.err << options.shown << ' ' << options.id << (existed ? ": resumed" : ": started") << std::endl;
}

// --- reporting how it went

exit_code report(environment& env, const run_options& options, const execution_end& end) {
  if (end.status == execution_status::completed) {
    env.out << to_json(end.result) << std::endl;
  } else if (options.is_file && end.status == execution_status::failed && end.cause && end.cause->details) {
    env.err << end.cause->details->data << std::endl;  // the standard's error object
  } else {
    env.err << to_json(options.id, end) << std::endl;
  }
  return exit_code_of(end.status);
}

exit_code report(environment& env, const run_options& options, const blocked& why) {
  env.err << env.program << ": execution \"" << options.id << "\" is " << why.reason;
  if (why.at_event != 0) env.err << " at event " << why.at_event;
  env.err << ": " << why.message << "\nNothing is lost. Run a program whose code fits its history, with: "
          << resume_command(env, options) << std::endl;
  return exit_code::stuck;
}

/// By value, as far as its first event shows it.
bool was_started_with(server::control& control, const std::string& id, const payload& input) {
  const auto first = control.history(id, 1, 1);
  if (first.empty()) return false;
  const auto event = nlohmann::json::parse(first.front().json, nullptr, false);
  return event.is_object() && event.contains("input") &&
         event["input"] == nlohmann::json::parse(input.data, nullptr, false);
}

/// An execution that has ended only has to be reported, which must not set the directory's other work going.
std::optional<exit_code> ended_before(environment& env, const run_options& options) {
  std::error_code ignored;
  if (!env.queue.empty() || !env.server.empty()) return std::nullopt;
  if (options.id_was_chosen || !std::filesystem::exists(env.data_directory / "CURRENT", ignored)) return std::nullopt;
  std::optional<exit_code> code;
  ask(env, open_mode::inspect, [&](server::control& control) {
    const auto existing = find(control, options.id);
    if (!existing) return;
    check_definition(options, *existing);
    if (existing->status == execution_status::running) return;
    if (options.input && !options.is_file && !was_started_with(control, options.id, *options.input)) return;  // refused by the engine
    code = report(env, options, server::wait(control, options.id));
  });
  return code;
}

// --- the command

class run_command {
 public:
  run_command(environment& env, const run_options& options, const interrupt_guard& interrupts)
      : env_(env), options_(options), interrupts_(interrupts) {}

  exit_code operator()() {
    for (int failures = 0;;) {
      const auto began = steady::now();
      std::string why;
      if (const auto code = attempt(why)) return *code;
      if (steady::now() - began > lasting) failures = 0;
      if (++failures > failures_at_most) {
        throw command_error(why + "\nResume it with: " + resume_command(env_, options_));
      }
      if (announced_ && !options_.is_silent()) {
        env_.err << env_.program << ": the process that ran \"" << options_.id << "\" has ended; going on" << std::endl;
      }
      std::this_thread::sleep_for(between_tries);
    }
  }

 private:
  opened_control reach_again() {
    try {
      return reach(env_, options_.workflow_type, interrupts_);
    } catch (const command_error& error) {
      if (!announced_) throw;
      throw command_error("\"" + options_.id + "\" was left by the process that ran it and can't go on here: " +
                              error.what() + "\nNothing is lost. Resume it, with a program that registers it: " +
                              resume_command(env_, options_),
                          exit_code::parked);
    }
  }

  /// Nothing where the execution was in another process's hands and that is gone: it has to be reached anew.
  std::optional<exit_code> attempt(std::string& why) {
    opened_control opened;
    try {
      opened = reach_again();
      return conclude(opened, wait(*opened.control), why);
    } catch (const control_error& error) {
      if (error.code() != control_errc::stopped || opened.local) throw;
      why = error.what();
      return std::nullopt;
    }
  }

  wait_outcome wait(server::control& control) {
    const auto existing = find(control, options_.id);
    start_or_find(env_, control, options_, existing);
    awaited_execution execution{options_.shown, options_.id};
    execution.is_file = options_.is_file;
    execution.print_events = options_.events;
    if (existing && existing->status == execution_status::running) {
      execution.was_blocked = !existing->blocked.empty();
      execution.events = existing->events;
      control.taint(options_.id);  // replays it now, so that code that does not fit is found at once
    }
    if (!announced_) announce(env_, options_, existing.has_value());
    announced_ = true;
    return wait_for(env_, control, execution, style_of(env_, options_),
                    env_.program + " signal " + shell_word(options_.id) + " NAME JSON" + place_words(env_), interrupts_);
  }

  std::optional<exit_code> conclude(opened_control& opened, const wait_outcome& outcome, std::string& why) {
    if (const auto* end = std::get_if<execution_end>(&outcome)) return served(opened, report(env_, options_, *end));
    if (const auto* reason = std::get_if<blocked>(&outcome)) return served(opened, report(env_, options_, *reason));
    if (const auto* gone = std::get_if<engine_gone>(&outcome)) {
      why = gone->message;
      if (!opened.local) return std::nullopt;
      env_.err << env_.program << ": " << why << "\nThe execution goes on when it is run again: "
               << resume_command(env_, options_) << std::endl;
      return exit_code::parked;
    }
    return park(opened);
  }

  /// Other commands may wait for executions in this process. What those run would be cut off, so it goes on for them.
  exit_code served(const opened_control& opened, exit_code code) const {
    bool told = options_.is_silent();
    while (opened.socket && opened.socket->waiting_calls() > 0 && !interrupts_.interrupted()) {
      if (!std::exchange(told, true)) {
        env_.err << env_.program << ": other commands wait for executions in this process; it goes on until those have "
                 << "ended (Ctrl-C leaves the work to them)" << std::endl;
      }
      std::this_thread::sleep_for(between_looks);
    }
    return code;
  }

  exit_code park(opened_control& opened) const {
    if (!opened.local || !env_.queue.empty()) {
      const bool shared = !env_.queue.empty();
      env_.err << "No longer waiting; \"" << options_.id << "\" goes on in the process that has it" << (shared ? ".\n" : " open.\n")
               << "Wait for it again with: " << resume_command(env_, options_) << std::endl;
      return exit_code::parked;
    }
    env_.err << "Parking \"" << options_.id << "\" (Ctrl-C again ends this process at once; nothing is lost) …"
             << std::endl;
    { const opened_control closing = std::move(opened); }
    env_.err << "Parked. Resume it with: " << resume_command(env_, options_) << std::endl;
    return exit_code::parked;
  }

  environment& env_;
  const run_options& options_;
  const interrupt_guard& interrupts_;
  bool announced_ = false;
};

/// False: the file has problems, which were told.
bool take_file(environment& env, run_options& options, const dsl_file_options& of_file) {
  if (options.events && !options.is_file) throw command_error("--events is for workflow files");
  if (of_file.once && !options.is_file) throw command_error("--once is for workflow files");
  if (!options.is_file) return true;
  auto input = read_dsl_file(env, options.shown, of_file);
  if (!input) return false;
  if (options.input) input->input = nlohmann::json::parse(options.input->data);
  options.input = codec<dsl_input>::encode(*input);
  options.workflow_type = dsl_workflow.name;
  return true;
}

exit_code run(environment& env, run_options options, const std::optional<std::string>& input, dsl_file_options of_file) {
  options.shown = options.workflow_type;
  options.is_file = is_workflow_file(options.workflow_type);
  if (input) options.input = read_json(*input, "--input", env.in);
  if (options.events) of_file.events = "all";
  if (!take_file(env, options, of_file)) return exit_code::failed;
  options.id_was_chosen = options.id.empty();
  if (options.id_was_chosen) options.id = make_uuid(*make_system_random());
  if (const auto code = ended_before(env, options)) return *code;
  const interrupt_guard interrupts;
  return run_command(env, options, interrupts)();
}

}  // namespace

void add_run(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command =
      *app.add_subcommand("run", "Run one execution of a workflow, or of a file, to its end, or resume the one that has the id");
  const auto options = std::make_shared<run_options>();
  const auto input = std::make_shared<std::optional<std::string>>();
  const auto of_file = std::make_shared<dsl_file_options>();
  command.add_option("NAME", options->workflow_type, "The workflow's name, or a file: what ends with .yaml, .yml or .json, or has a slash")->required();
  command.add_option("--input", *input, "Its input: JSON, @FILE or - for standard input")->type_name("JSON|@FILE|-");
  command.add_option("--id", options->id, "Names the execution; a random one when left out. An existing one is resumed")
      ->type_name("ID");
  command.add_flag("--json", options->json, "No progress on standard error");
  command.add_flag("--quiet,-q", options->quiet, "The same: nothing but errors on standard error");
  command
      .add_option("--progress", options->progress,
                  "On standard error: screen draws over itself, lines is a line for each change, none; auto (default): screen on "
                  "a terminal, lines elsewhere")
      ->check(CLI::IsMember({"auto", "screen", "lines", "none"}))
      ->type_name("HOW");
  command.add_option("--with", of_file->with, "Of a file: another one that it runs; those in its folder are found")->type_name("FILE");
  command.add_flag("--once", of_file->once, "Of a file: its schedule is left alone; it is run now, and once");
  const auto events = std::make_shared<std::string>();
  command.add_option("--events", *events, "Of a file: its events as lines on standard error")->check(CLI::IsMember({"json"}));
  add_secrets_option(command, env);
  add_docker_option(command, env);
  add_place_options(command, env);
  const std::string& p = env.program;
  command.footer("The result is printed as JSON on standard output, a failure's error object on standard error.\n"
                 "Ctrl-C parks the execution: the same command resumes it.\n\n"
                 "Exit codes:\n  0 completed   1 failed, timed out or terminated   2 bad usage or input\n"
                 "  3 canceled    4 stuck                             5 parked\n\n"
                 "Examples:\n  " +
                 p + " run greet --input '{\"name\":\"Ada\"}'\n  " + p +
                 " run fulfil_order --id order-1 --input @order.json\n  echo '[1,2,3]' | " + p +
                 " run add_up --input - --json\n\n"
                 "Workflows registered here: " +
                 joined(env.definitions.workflow_names()));
  command.callback([&, options, input, of_file, events] {
    options->events = !events->empty();
    chosen = [&env, options, input, of_file] { return run(env, *options, *input, *of_file); };
  });
}

}  // namespace evermill::cli
