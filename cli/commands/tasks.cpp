#include <CLI/App.hpp>
#include <cstdlib>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

constexpr std::size_t tasks_per_page = 500;

struct task_options {
  human_task_filter filter;
  bool json = false;
  bool force = false;
  std::string id;
  std::string by;
  std::string assignee;
  std::string answer;
};

void print(environment& env, const task_options& options, const std::vector<human_task_summary>& tasks, bool first) {
  std::vector<std::vector<std::string>> table;
  if (first) table.push_back({"TASK ID", "TITLE", "ASSIGNEE", "GROUPS", "CREATED (UTC)", "DUE (UTC)"});
  for (const human_task_summary& task : tasks) {
    if (options.json) {
      env.out << to_json(task) << '\n';
      continue;
    }
    std::string groups;
    for (const std::string& group : task.candidate_groups) groups += (groups.empty() ? "" : ", ") + group;
    table.push_back({task.task_id, task.title, task.assignee.empty() ? "-" : task.assignee, groups.empty() ? "-" : groups,
                     short_time(task.created_at), short_time(task.due_at)});
  }
  if (!options.json) print_table(env.out, std::move(table), env.width);
}

exit_code list_tasks(environment& env, const task_options& options) {
  std::string after;
  ask(env, open_mode::inspect, [&](server::control& control) {
    for (auto tasks = control.human_tasks(options.filter, after, tasks_per_page); !tasks.empty();
         tasks = control.human_tasks(options.filter, after, tasks_per_page)) {
      print(env, options, tasks, after.empty());
      after = tasks.back().task_id;
    }
  });
  if (after.empty() && !options.json) env.err << "No such human task is open.\n";
  return exit_code::completed;
}

exit_code show_task(environment& env, const task_options& options) {
  ask(env, open_mode::inspect, [&](server::control& control) {
    const human_task_description task = control.describe_human_task(options.id);
    if (options.json) {
      env.out << to_json(task) << '\n';
      return;
    }
    const auto print_line = [&](const char* name, const std::string& value) {
      if (!value.empty()) env.out << name << fit(value, static_cast<std::size_t>(-1)) << '\n';
    };
    print_line("Title      ", task.title);
    print_line("Execution  ", task.workflow_id);
    print_line("Assignee   ", task.assignee.empty() ? "nobody" : task.assignee);
    print_line("Created    ", short_time(task.created_at));
    if (task.due_at != time_point{}) print_line("Due        ", short_time(task.due_at));
    print_line("Question   ", to_json(task.question));
    print_line("Form       ", task.form_schema);
  });
  return exit_code::completed;
}

/// Who the user is for tasks: --by, else the name with which they are logged in.
std::string who(const task_options& options) {
  if (!options.by.empty()) return options.by;
  const char* const user = std::getenv("USER");
  if (user != nullptr && *user != '\0') return user;
  throw command_error("say who you are with --by NAME");
}

/// What was asked for may have happened where the other process ended before it answered.
exit_code request(environment& env, const task_options& options, const std::function<void(server::control&)>& send) {
  const opened_control opened = open_data_directory(env, open_mode::record);
  try {
    send(*opened.control);
  } catch (const server::control_error& error) {
    if (error.code() != server::control_errc::stopped) throw;
    throw command_error(std::string(error.what()) + "\nWhether it happened is not known; look before you ask again: " +
                        env.program + " tasks show " + shell_word(options.id) + place_words(env));
  }
  return exit_code::completed;
}

exit_code complete_task(environment& env, const task_options& options) {
  payload answer = read_json(options.answer, "JSON", env.in);
  const std::string by = who(options);
  return request(env, options, [&](server::control& control) {
    control.complete_human_task(options.id, by, std::move(answer), options.force);
  });
}

using options_ptr = std::shared_ptr<task_options>;
using command_function = exit_code (*)(environment&, const task_options&);

CLI::App& add(CLI::App& tasks, environment& env, action& chosen, const options_ptr& options, const char* name,
              const char* about, command_function run) {
  CLI::App& command = *tasks.add_subcommand(name, about);
  add_place_options(command, env);
  command.callback([&env, &chosen, options, run] { chosen = [&env, options, run] { return run(env, *options); }; });
  return command;
}

void add_request_options(CLI::App& command, const options_ptr& options) {
  command.add_option("TASK", options->id, "The task id, as \"tasks list\" shows it")->required();
  command.add_option("--by", options->by, "Who asks (default: $USER)")->type_name("NAME");
  command.add_flag("--force", options->force, "Also where the task belongs to somebody else");
}

}  // namespace

void add_tasks(CLI::App& app, environment& env, action& chosen) {
  CLI::App& tasks = *app.add_subcommand("tasks", "Show, claim and complete what people have to do");
  tasks.require_subcommand(1);
  add_place_options(tasks, env);
  tasks.footer("Examples:\n  " + env.program + " tasks list --group finance\n  " + env.program +
               " tasks claim expense-1/7.2 --by ann\n  " + env.program +
               " tasks complete expense-1/7.2 '{\"approved\":true}' --by ann");
  const auto options = std::make_shared<task_options>();
  CLI::App& list = add(tasks, env, chosen, options, "list", "Show the open tasks", list_tasks);
  list.add_option("--assignee", options->filter.assignee, "Only this person's")->type_name("NAME");
  list.add_option("--group", options->filter.group, "Only those with this candidate group")->type_name("GROUP");
  list.add_option("--name", options->filter.name, "Only tasks of this name")->type_name("NAME");
  list.add_flag("--unassigned", options->filter.unassigned, "Only those that nobody has");
  list.add_flag("--json", options->json, "One JSON object a line");
  CLI::App& show = add(tasks, env, chosen, options, "show", "Show one task with its question and form", show_task);
  show.add_option("TASK", options->id, "The task id, as \"tasks list\" shows it")->required();
  show.add_flag("--json", options->json, "As one JSON object");
  CLI::App& claim = add(tasks, env, chosen, options, "claim", "Make a task yours", [](environment& e, const task_options& o) {
    return request(e, o, [&](server::control& control) { control.claim_human_task(o.id, who(o), o.force); });
  });
  add_request_options(claim, options);
  CLI::App& release = add(tasks, env, chosen, options, "release", "Make a task nobody's", [](environment& e, const task_options& o) {
    return request(e, o, [&](server::control& control) { control.release_human_task(o.id, who(o), o.force); });
  });
  add_request_options(release, options);
  CLI::App& delegate = add(tasks, env, chosen, options, "delegate", "Make a task somebody else's", [](environment& e, const task_options& o) {
    return request(e, o, [&](server::control& control) { control.delegate_human_task(o.id, who(o), o.assignee, o.force); });
  });
  add_request_options(delegate, options);
  delegate.add_option("ASSIGNEE", options->assignee, "Whose it becomes")->required();
  CLI::App& complete = add(tasks, env, chosen, options, "complete", "Answer a task; durable when the command returns", complete_task);
  add_request_options(complete, options);
  complete.add_option("JSON", options->answer, "The answer: JSON, @FILE or - for standard input")->required();
}

}  // namespace evermill::cli
