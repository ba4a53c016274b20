#include <CLI/App.hpp>
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "cli/interrupt.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "server/control_client.hpp"
#include "server/socket_path.hpp"

namespace evermill::cli {
namespace {

using steady = std::chrono::steady_clock;
using server::control_errc;
using server::control_error;

constexpr std::chrono::milliseconds wake_up{50};  // to look at interruptions and to draw
constexpr std::chrono::milliseconds first_look{250};
constexpr std::chrono::milliseconds longest_between_looks{5000};
constexpr std::chrono::milliseconds patience_with_blocked{1000};  // it is tried again when it is resumed
constexpr std::size_t max_events_waiting = 100'000;
constexpr std::size_t history_page = 1000;

struct run_options {
  std::string workflow_type;
  std::string id;
  std::optional<std::string> input;
  bool json = false;
};

/// What other threads tell the one that waits.
struct inbox {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<history_event> events;
  std::optional<execution_end> end;
  std::optional<control_error> error;
};

std::string data_words(const environment& env) { return " --data " + shell_word(env.data_directory.string()); }

std::string resume_command(const environment& env, const std::string& type, const std::string& id) {
  return env.program + " run " + shell_word(type) + " --id " + shell_word(id) + data_words(env);
}

/// A process that has the directory open may know workflows that this one does not.
bool known_elsewhere(const environment& env, const std::string& type) {
  std::error_code ignored;
  if (!std::filesystem::exists(server::socket_file(env.data_directory), ignored)) return false;
  try {
    const auto names = server::connect(env.data_directory, std::chrono::seconds(2))->status().workflow_types;
    return std::find(names.begin(), names.end(), type) != names.end();
  } catch (const control_error&) {
    return false;
  }
}

void check_workflow(const environment& env, const std::string& type) {
  if (env.definitions.find_workflow(type) != nullptr || known_elsewhere(env, type)) return;
  const std::vector<std::string> names = env.definitions.workflow_names();
  std::string message = "no workflow is named \"" + type + "\"";
  if (const std::string like = nearest(type, names); !like.empty()) message += "; did you mean \"" + like + "\"?";
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  throw command_error(message + "\nRegistered here: " + (all.empty() ? "none" : all));
}

std::optional<execution_description> find(server::control& control, const std::string& id) {
  if (id.empty()) return std::nullopt;
  try {
    return control.describe(id);
  } catch (const control_error& error) {
    if (error.code() == control_errc::not_found) return std::nullopt;
    throw;
  }
}

/// Starts the execution or finds the one that has the id; without --input whatever input that was started with.
std::string start_or_find(server::control& control, const run_options& options,
                          const std::optional<execution_description>& existing, payload input) {
  if (existing && existing->workflow_type != options.workflow_type) {
    throw command_error("execution \"" + options.id + "\" runs workflow \"" + existing->workflow_type + "\", not \"" +
                        options.workflow_type + "\"; choose another --id, or run \"" + existing->workflow_type + "\"");
  }
  if (existing && !options.input) return options.id;
  try {
    return control.start(options.workflow_type, std::move(input), {.id = options.id}).workflow_id;
  } catch (const control_error& error) {
    if (error.code() != control_errc::already_exists) throw;
    throw command_error("execution \"" + options.id +
                        "\" exists with another input; leave --input out to resume it, or choose another --id");
  }
}

class waiting {
 public:
  waiting(environment& env, server::control& control, std::string type, std::string id, bool was_blocked, bool remote,
          progress::style style)
      : env_(env),
        control_(control),
        type_(std::move(type)),
        id_(std::move(id)),
        remote_(remote),
        progress_(env, style, type_ + " " + id_,
                  env.program + " signal " + shell_word(id_) + " NAME JSON" + data_words(env), steady::now()),
        started_(steady::now()),
        next_look_(started_ + first_look),
        blocked_is_old_until_(was_blocked ? started_ + patience_with_blocked : started_) {}

  exit_code operator()() {
    const interrupt_guard interrupts;
    subscribe();
    for (;;) {
      std::optional<execution_end> end;
      std::optional<control_error> error;
      take(end, error);
      if (end) return report(*end);
      if (error) return report(*error);
      if (interrupts.interrupted()) return park();
      if (const auto blocked = look()) return *blocked;
      progress_.tick(steady::now());
    }
  }

 private:
  void subscribe() {
    if (progress_.kind() != progress::style::none) {
      followed_ = control_.follow(id_, [in = in_](const execution_progress& what) {
        std::lock_guard lock(in->mutex);
        if (in->events.size() < max_events_waiting) in->events.push_back(what.event);
      });
    }
    control_.wait(id_, [in = in_](std::optional<control_error> error, execution_end end) {
      std::lock_guard lock(in->mutex);
      if (error) {
        in->error = std::move(error);
      } else {
        in->end = std::move(end);
      }
      in->changed.notify_all();
    });
    if (progress_.kind() == progress::style::terminal) read_past();
  }

  /// What happened before this process followed it.
  void read_past() {
    for (std::uint64_t from = 1;;) {
      const auto events = control_.history(id_, from, history_page);
      if (events.empty()) return;
      for (const history_event& event : events) progress_.apply(event);
      from = events.back().seq + 1;
    }
  }

  void take(std::optional<execution_end>& end, std::optional<control_error>& error) {
    std::deque<history_event> events;
    {
      std::unique_lock lock(in_->mutex);
      in_->changed.wait_for(lock, wake_up, [this] { return in_->end || in_->error; });
      events.swap(in_->events);
      end = in_->end;
      error = in_->error;
    }
    for (const history_event& event : events) progress_.apply(event);
    if (!events.empty()) between_looks_ = first_look;
  }

  /// Is it stuck? Asked less and less often while nothing happens.
  std::optional<exit_code> look() {
    const auto now = steady::now();
    if (now < next_look_) return std::nullopt;
    next_look_ = now + between_looks_;
    between_looks_ = std::min(between_looks_ * 2, longest_between_looks);
    execution_description about;
    try {
      about = control_.describe(id_);
    } catch (const control_error& error) {
      if (error.code() == control_errc::stopped) return std::nullopt;  // the wait tells
      throw;
    }
    progress_.set_retrying(static_cast<std::size_t>(std::count_if(
        about.activities.begin(), about.activities.end(), [](const auto& open) { return open.attempt > 1; })));
    if (about.blocked.empty() || about.status != execution_status::running || now < blocked_is_old_until_) {
      return std::nullopt;
    }
    progress_.clear();
    env_.err << env_.program << ": execution \"" << id_ << "\" is " << about.blocked;
    if (about.blocked_at_event != 0) env_.err << " at event " << about.blocked_at_event;
    env_.err << ": " << about.blocked_message << "\nNothing is lost. Run a program whose code fits its history, with: "
             << resume_command(env_, type_, id_) << '\n';
    return exit_code::stuck;
  }

  exit_code report(const execution_end& end) {
    progress_.clear();
    if (end.status == execution_status::completed) {
      env_.out << to_json(end.result) << std::endl;
      return exit_code::completed;
    }
    failure why = end.cause.value_or(failure{});
    if (why.type.empty()) why.type = std::string(to_string(end.status));
    env_.err << to_json(why) << std::endl;
    return exit_code_of(end.status);
  }

  exit_code report(const control_error& error) {
    progress_.clear();
    if (error.code() != control_errc::stopped) throw error;
    env_.err << env_.program << ": " << error.what()
             << "\nThe execution goes on when it is run again: " << resume_command(env_, type_, id_) << '\n';
    return exit_code::parked;
  }

  exit_code park() {
    progress_.clear();
    if (remote_) {
      env_.err << "\nNo longer waiting; execution \"" << id_ << "\" goes on in the process that has it open.\n"
               << "Wait for it again with: " << resume_command(env_, type_, id_) << '\n';
    } else {
      env_.err << "\nParked execution \"" << id_ << "\". Resume it with: " << resume_command(env_, type_, id_) << '\n';
    }
    return exit_code::parked;
  }

  environment& env_;
  server::control& control_;
  const std::string type_;
  const std::string id_;
  const bool remote_;
  progress progress_;
  const steady::time_point started_;
  steady::time_point next_look_;
  std::chrono::milliseconds between_looks_ = first_look;
  const steady::time_point blocked_is_old_until_;
  const std::shared_ptr<inbox> in_ = std::make_shared<inbox>();
  std::shared_ptr<void> followed_;
};

progress::style style_of(const environment& env, const run_options& options) {
  if (options.json) return progress::style::none;
  return env.err_is_terminal ? progress::style::terminal : progress::style::plain;
}

exit_code run(environment& env, const run_options& options) {
  payload input;
  if (options.input) input = read_json(*options.input, "--input", env.in);
  check_workflow(env, options.workflow_type);
  const opened_control opened = open_data_directory(env, env.data_directory, open_mode::run);
  server::control& control = *opened.control;
  const auto existing = find(control, options.id);
  const std::string id = start_or_find(control, options, existing, std::move(input));
  const bool blocked = existing && !existing->blocked.empty();
  if (blocked) control.taint(id);
  const progress::style style = style_of(env, options);
  if (style == progress::style::plain) {
    env.err << options.workflow_type << ' ' << id << (existing ? ": resumed" : ": started") << std::endl;
  }
  return waiting(env, control, options.workflow_type, id, blocked, opened.local == nullptr, style)();
}

}  // namespace

void add_run(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command =
      *app.add_subcommand("run", "Run one execution of a workflow to its end, or resume the one that has the id");
  const auto options = std::make_shared<run_options>();
  command.add_option("NAME", options->workflow_type, "The workflow's name")->required();
  command.add_option("--input", options->input, "Its input: JSON, @FILE or - for standard input")
      ->type_name("JSON|@FILE|-");
  command.add_option("--id", options->id, "Names the execution; a random one when left out. An existing one is resumed")
      ->type_name("ID");
  command.add_flag("--json", options->json, "No progress on standard error");
  add_data_option(command, env);
  const std::string& p = env.program;
  command.footer("The result is printed as JSON on standard output, a failure's error object on standard error.\n"
                 "Ctrl-C parks the execution: the same command resumes it.\n\n"
                 "Exit codes:\n  0 completed   1 failed, timed out or terminated   2 bad usage or input\n"
                 "  3 canceled    4 stuck                             5 parked\n\n"
                 "Examples:\n  " +
                 p + " run greet --input '{\"name\":\"Ada\"}'\n  " + p +
                 " run fulfil_order --id order-1 --input @order.json\n  echo '[1,2,3]' | " + p +
                 " run add_up --input - --json");
  command.callback([&, options] { chosen = [&env, options] { return run(env, *options); }; });
}

}  // namespace evermill::cli
