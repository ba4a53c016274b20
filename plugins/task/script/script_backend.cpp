#include "plugins/task/script/script_backend.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "evermill/script.hpp"
#include "plugins/task/shell/process_backend.hpp"
#include "plugins/task/shell/process_outcome.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using nlohmann::json;

enum class script_language : unsigned char { sh, python, javascript };

/// What reads a script that is no file: {"source", "argv", "named"} from document_descriptor. Neither the script nor what it is
/// given is in anybody's list of processes, or in a file that a crash would leave.
constexpr std::string_view python_reader = R"(def _start():
  import json, os, sys
  with os.fdopen(4, encoding='utf-8') as file:
    given = json.load(file)
  sys.argv = ['script.py', *given['argv']]
  globals().update(given['named'])
  return compile(given['source'], '<script>', 'exec')
exec(globals().pop('_start')())
)";
constexpr std::string_view javascript_reader = R"({
  const fs = require('fs'), Module = require('module'), vm = require('vm');
  const given = JSON.parse(fs.readFileSync(4, 'utf8'));
  fs.closeSync(4);
  process.argv = [process.argv[0], 'script.js', ...given.argv];
  Object.assign(globalThis, given.named);
  const is_module = () => {
    try {
      new vm.Script(Module.wrap(given.source));
      return false;
    } catch (error) {
      return /outside a module|Unexpected token 'export'|top level bodies of modules/.test(error.message);
    }
  };
  if (is_module()) {
    const url = 'data:text/javascript;base64,' + Buffer.from(given.source).toString('base64');
    import(url).catch(error => {
      console.error(String(error && error.stack || error).replaceAll(url, 'script.js'));
      process.exitCode = 1;
    });
  } else {
    const script = new Module('script.js');
    script.filename = process.cwd() + '/script.js';
    script.paths = Module._nodeModulePaths(process.cwd());
    script._compile(given.source, 'script.js');
  }
})";
static_assert(document_descriptor == 4);

script_language language_of(const script_command& command) {
  if (command.language == "sh") return script_language::sh;
  if (command.language == "python") return script_language::python;
  if (command.language == "js" || command.language == "javascript") return script_language::javascript;
  throw payload_error("a script in \"" + command.language + "\" can't be run; \"language\" is \"sh\", \"python\" or \"js\"");
}

bool is_identifier(const std::string& name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

struct script_arguments {
  std::vector<std::string> argv;
  json named = json::object();
};

script_arguments arguments_of(const json& given) {
  script_arguments arguments;
  if (given.is_array()) {
    for (const json& each : given) arguments.argv.push_back(text_of(each));
  } else if (given.is_object()) {
    for (const auto& [name, value] : given.items()) {
      if (!is_identifier(name)) {
        throw payload_error("\"" + name +
                            "\" names an argument, but no variable can have that name: letters, digits and _, no digit first");
      }
    }
    arguments.named = given;
  } else if (!given.is_null()) {
    throw payload_error(std::string("\"arguments\" is an array or an object, not ").append(given.type_name()));
  }
  return arguments;
}

script_command script_of(const messages::ActivityTask& task) {
  auto command = codec<script_command>::decode(workflow::from_message(task.input()));
  if (command.source.empty()) throw payload_error("a script needs a \"source\"");
  if (command.limits.max_output_bytes < 0) throw payload_error("\"max_output_bytes\" is negative");
  if (command.limits.memory_bytes < 0) throw payload_error("\"memory_bytes\" is negative");
  return command;
}

void run_by_sh(script_command& from, script_arguments&& arguments, process_command& to) {
  to.argv = {"/bin/sh", "/proc/self/fd/" + std::to_string(document_descriptor)};
  std::move(arguments.argv.begin(), arguments.argv.end(), std::back_inserter(to.argv));
  for (const auto& [name, value] : arguments.named.items()) to.env[name] = text_of(value);
  to.document = std::move(from.source);
}

void run_by_reader(std::vector<std::string> argv, script_command& from, script_arguments&& arguments, process_command& to) {
  to.argv = std::move(argv);
  to.document =
      json{{"source", std::move(from.source)}, {"argv", std::move(arguments.argv)}, {"named", std::move(arguments.named)}}
          .dump();
}

std::vector<std::string> node_command(std::int64_t memory_bytes) {
  std::vector<std::string> argv{"node"};
  // Its heap ends before its memory does, so that it can say so.
  if (memory_bytes > 0)
    argv.push_back("--max-old-space-size=" + std::to_string(std::max<std::int64_t>(memory_bytes / 4 * 3 >> 20, 8)));
  argv.emplace_back("-e");
  argv.emplace_back(javascript_reader);
  return argv;
}

/// Where no control group says that the memory was too little, the script may have.
void look_for_memory(script_language language, process_end& end) {
  if (end.signal == 0 && end.result.exit_code == 0) return;
  const std::string said = last_lines(end.result.stderr_text);
  if (language == script_language::python) {
    const std::size_t newline = said.rfind('\n');
    if (said.compare(newline == std::string::npos ? 0 : newline + 1, 11, "MemoryError") == 0) end.out_of_memory = true;
  }
  const bool heap = end.result.stderr_text.find("JavaScript heap out of memory") != std::string::npos;
  if (language == script_language::javascript && heap) end.out_of_memory = true;
}

void say_what_is_missing(const std::string& language, const std::string& program, process_end& end) {
  if (!end.no_such_program) return;
  end.start_error = "a script in " + language + ": there is no program \"" + program +
                    "\" in PATH; install it where activities of this task queue run";
}

process_plan script_plan(const messages::ActivityTask& task) {
  script_command from = script_of(task);
  const script_language language = language_of(from);
  script_arguments arguments = arguments_of(from.arguments);
  process_plan plan;
  plan.check = from.check;
  plan.command.env = std::move(from.environment);
  plan.command.inherit_env = from.inherit_env;
  plan.command.stdin_text = std::move(from.stdin_text);
  plan.command.working_directory = std::move(from.working_directory);
  plan.command.max_output_bytes = from.limits.max_output_bytes;
  plan.command.memory_bytes = from.limits.memory_bytes;
  switch (language) {
    case script_language::sh:
      run_by_sh(from, std::move(arguments), plan.command);
      break;
    case script_language::python:
      run_by_reader({"python3", "-c", std::string(python_reader)}, from, std::move(arguments), plan.command);
      break;
    case script_language::javascript:
      run_by_reader(node_command(from.limits.memory_bytes), from, std::move(arguments), plan.command);
      break;
  }
  const bool limited = from.limits.memory_bytes > 0;
  plan.examine = [language, limited, said = from.language, program = plan.command.argv.front()](process_end& end) {
    say_what_is_missing(said, program, end);
    if (limited) look_for_memory(language, end);
  };
  return plan;
}

}  // namespace

std::unique_ptr<task_backend> make_script_backend(const shell_options& options, on_attempt_end report) {
  return make_process_backend({script.name, script_plan}, options, std::move(report));
}

}  // namespace evermill::tasks
