// run: containers, scripts, shell commands, and other workflows.
#include <algorithm>
#include <charconv>
#include <utility>

#include "dsl/errors.hpp"
#include "interpreter/activities.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/resources.hpp"
#include "interpreter/tasks.hpp"
#include "plugins/task/shell/evermill/shell.hpp"

namespace evermill::interpreter {
namespace {

namespace types = dsl::error_type;
using returned = dsl::run_task::output;

constexpr std::size_t shown_of_stderr = 500;

/// An activity and what it is given.
struct process {
  std::string activity;
  json input;
};

std::vector<std::string> texts(const evaluation& evaluate, const std::vector<dsl::value_template>& of, const json& input) {
  std::vector<std::string> made;
  for (const dsl::value_template& each : of) made.push_back(evaluate.text(each, input));
  return made;
}

std::map<std::string, std::string> environment(const evaluation& evaluate, const dsl::process_input& of, const json& input) {
  return evaluate.texts(of.environment, input, "environment");
}

process shell_of(const evaluation& evaluate, const dsl::shell_process& what, const json& input) {
  shell_command command;
  std::vector<std::string> arguments = texts(evaluate, what.input.arguments, input);
  command.argv = {"/bin/sh", "-c", evaluate.text(what.command, input), "sh"};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.env = environment(evaluate, what.input, input);
  command.stdin_text = evaluate.text(what.input.stdin_text, input);
  command.check = false;
  return {std::string(shell.name), command};
}

process container_of(const evaluation& evaluate, const dsl::container_process& what, const json& input) {
  using cleanup = dsl::container_process::cleanup;
  using pull = dsl::container_process::pull_policy;
  json command = {{"image", evaluate.text(what.image, input)},
                  {"name", evaluate.text(what.name, input)},
                  {"command", evaluate.text(what.command, input)},
                  {"arguments", texts(evaluate, what.input.arguments, input)},
                  {"ports", evaluate.object(what.ports, input, "ports")},
                  {"volumes", evaluate.texts(what.volumes, input, "volumes")},
                  {"environment", environment(evaluate, what.input, input)},
                  {"stdin_text", evaluate.text(what.input.stdin_text, input)},
                  {"check", false}};
  command["pull_policy"] = what.pull == pull::always ? "always" : what.pull == pull::never ? "never" : "ifNotPresent";
  json lifetime = {{"cleanup", what.lifetime == cleanup::always  ? "always"
                               : what.lifetime == cleanup::never ? "never"
                                                                 : "eventually"}};
  if (what.cleanup_after) lifetime["after_ms"] = evaluate(*what.cleanup_after, input).count() / 1000;
  command["lifetime"] = std::move(lifetime);
  return {"docker", std::move(command)};
}

process script_of(const evaluation& evaluate, const dsl::script_process& what, std::string source, const json& input) {
  const std::string& written = what.language;
  const std::string language = written == "javascript" ? "js" : written == "shell" || written == "bash" ? "sh" : written;
  return {"script",
          {{"language", language},
           {"source", std::move(source)},
           {"arguments", what.input.named_arguments ? evaluate.object(what.input.named_arguments, input, "arguments")
                                                    : json(texts(evaluate, what.input.arguments, input))},
           {"environment", environment(evaluate, what.input, input)},
           {"stdin_text", evaluate.text(what.input.stdin_text, input)},
           {"check", false}}};
}

/// What the task gives of a process that has ended. One that failed is an error, unless the file asks for its exit code.
json given_by(const json& result, returned how, const std::string& pointer) {
  const std::int64_t code = result.value("exit_code", std::int64_t{0});
  const std::string out = result.value("stdout_text", std::string()), err = result.value("stderr_text", std::string());
  if (how == returned::code) return code;
  if (how == returned::all) return {{"code", code}, {"stdout", out}, {"stderr", err}};
  if (code != 0) {
    std::string detail = "the process ended with exit code " + std::to_string(code);
    if (!err.empty()) detail.append(": ").append(err.size() > shown_of_stderr ? err.substr(err.size() - shown_of_stderr) : err);
    throw fault(types::runtime, 500, "The process failed", detail, pointer);
  }
  if (how == returned::none) return nullptr;
  return how == returned::stderr_text ? err : out;
}

/// The three numbers and what follows them, comparable: a version with a label comes before the one without.
std::tuple<std::array<std::uint64_t, 3>, bool, std::string> order_of(std::string_view version) {
  std::array<std::uint64_t, 3> numbers{};
  const char* at = version.data();
  const char* const end = at + version.size();
  for (std::uint64_t& number : numbers) {
    at = std::from_chars(at, end, number).ptr;
    if (at != end && *at == '.') ++at;
  }
  const std::string rest(at, end);
  return {numbers, rest.empty() || rest[0] != '-', rest};
}

/// The text of the workflow; of several that fit, the one with the highest version.
const std::string* find_workflow(const instance& in, const dsl::workflow_process& what) {
  const std::string* best = nullptr;
  std::string version;
  const auto consider = [&](const std::string& text) {
    const auto& of = *load(text)->definition;
    if (of.workflow_namespace != what.workflow_namespace || of.name != what.name) return;
    if (what.version != "latest" && of.version != what.version) return;
    if (best != nullptr && order_of(of.version) <= order_of(version)) return;
    best = &text;
    version = of.version;
  };
  for (const std::string& text : in.given.workflows) consider(text);
  consider(in.given.definition);
  return best;
}

/// Starts it. The parent's end is not the end of one that nobody waits for.
future<json> start_workflow(const context& ctx, instance& in, const frame& at, const dsl::workflow_process& what,
                            bool awaited) {
  const std::string* const text = find_workflow(in, what);
  if (text == nullptr) {
    throw fault(types::configuration, 400, "No such workflow",
                "the workflow \"" + what.name + "\" of namespace \"" + what.workflow_namespace + "\", version " + what.version +
                    ", is none of those that this one was started with; `evermill run` takes them from the file's folder, and "
                    "from --with FILE",
                at.pointer());
  }
  dsl_input input;
  input.definition = *text;
  input.input = what.input ? evaluation(ctx, in, at)(*what.input, *at.input) : json();
  input.workflows = in.given.workflows;
  if (*text != in.given.definition) input.workflows.push_back(in.given.definition);
  input.events = in.given.events;
  input.once = true;
  input.input_may_name_secrets = true;
  const child_options how{.when_parent_closes = awaited ? parent_close_policy::request_cancel : parent_close_policy::abandon};
  return ctx.start_with(how, dsl_workflow, input);
}

task<json> run_workflow(context ctx, instance_pointer in, frame_pointer at, bool awaited) {
  const auto& what = std::get<dsl::workflow_process>(std::get<dsl::run_task>(at->task->what).what);
  future<json> child = start_workflow(ctx, *in, *at, what, awaited);
  if (!awaited) co_return json();
  json given;
  try {
    given = co_await std::move(child);
  } catch (const child_workflow_error& error) {
    json why = fault_of(error.why(), at->pointer()).error();
    why["instance"] = at->pointer();
    throw fault(std::move(why));
  }
  co_return given;
}

task<process> process_of(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::run_task>(at->task->what).what;
  process made;
  if (const auto* script = std::get_if<dsl::script_process>(&what)) {
    std::string source;
    if (const auto* code = std::get_if<dsl::value_template>(&script->code)) {
      source = evaluation(ctx, *in, *at).text(*code, *at->input);
    } else {
      task<value> fetching = fetch(ctx, in, at, {&std::get<dsl::external_resource>(script->code).endpoint});
      const value text = co_await std::move(fetching);
      source = as_text(*text);
    }
    made = script_of(evaluation(ctx, *in, *at), *script, std::move(source), *at->input);
  } else if (const auto* container = std::get_if<dsl::container_process>(&what)) {
    made = container_of(evaluation(ctx, *in, *at), *container, *at->input);
  } else {
    made = shell_of(evaluation(ctx, *in, *at), std::get<dsl::shell_process>(what), *at->input);
  }
  co_return made;
}

}  // namespace

task<performed> perform_run(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::run_task>(at->task->what);
  performed done{at->input, std::nullopt};
  if (std::holds_alternative<dsl::workflow_process>(what.what)) {
    task<json> running = run_workflow(ctx, in, at, what.awaited);
    json given = co_await std::move(running);
    if (what.awaited) done.output = make_value(what.returned == returned::none ? json() : std::move(given));
    co_return done;
  }
  task<process> preparing = process_of(ctx, in, at);
  const process command = co_await std::move(preparing);
  future<payload> running = call_activity(ctx, command.activity, command.input, !what.awaited);
  if (!what.awaited) co_return done;
  const payload result = co_await std::move(running);
  done.output = make_value(given_by(json_of(result), what.returned, at->pointer()));
  co_return done;
}

}  // namespace evermill::interpreter
