#include "cli/shell_completion.hpp"

#include <CLI/App.hpp>
#include <functional>
#include <ostream>
#include <vector>

namespace evermill::cli {
namespace {

using names = std::vector<std::string>;

/// "--json -h": all that an option can be written as.
names spellings(const CLI::Option& option) {
  names all;
  for (const std::string& name : option.get_lnames()) all.push_back("--" + name);
  for (const std::string& name : option.get_snames()) all.push_back("-" + name);
  return all;
}

std::string joined(const names& words, const char* between) {
  std::string text;
  for (const std::string& each : words) {
    if (!text.empty()) text += between;
    text += each;
  }
  return text;
}

names options_of(const CLI::App& app) {
  names all;
  for (const CLI::Option* option : app.get_options()) {
    for (std::string& each : spellings(*option)) all.push_back(std::move(each));
  }
  return all;
}

names commands_of(const CLI::App& app) {
  names all;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) all.push_back(command->get_name());
  return all;
}

/// Calls `visit(path, app)` for the app ("") and each command below it ("tasks", "tasks claim").
void walk(const CLI::App& app, const std::string& path, const std::function<void(const std::string&, const CLI::App&)>& visit) {
  visit(path, app);
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    walk(*command, path.empty() ? command->get_name() : path + " " + command->get_name(), visit);
  }
}

/// A function's name, of a program's.
std::string identifier(const std::string& program) {
  std::string name = "_" + program;
  for (char& c : name) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!good) c = '_';
  }
  return name;
}

std::string single_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// Of man(7): nothing is taken for a request or an escape.
std::string roff(const std::string& text) {
  std::string safe;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) safe += "\\&";
    safe += c == '\\' ? std::string("\\e") : c == '-' ? std::string("\\-") : std::string(1, c);
    line_begins = c == '\n';
  }
  return safe;
}

void write_options(const CLI::App& app, std::ostream& out) {
  for (const CLI::Option* option : app.get_options()) {
    const names all = spellings(*option);
    std::string term = all.empty() ? option->get_name() : joined(all, ", ");
    if (!all.empty() && !option->get_type_name().empty()) term.append(" ").append(option->get_type_name());
    out << ".TP\n.B " << roff(term) << '\n' << roff(option->get_description()) << '\n';
  }
}

}  // namespace

void write_bash_completion(const CLI::App& app, const std::string& program, std::ostream& out) {
  const std::string function = identifier(program);
  out << "# bash completion of " << program << "\n"
      << function << "() {\n"
      << "  local word path= known i\n"
      << "  word=${COMP_WORDS[COMP_CWORD]}\n"
      << "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      << "    known=\"${path:+$path }${COMP_WORDS[i]}\"\n"
      << "    case \"$known\" in\n";
  names paths;
  walk(app, "", [&](const std::string& path, const CLI::App&) {
    if (!path.empty()) paths.push_back(single_quoted(path));
  });
  out << "      " << joined(paths, "|") << ") path=$known ;;\n"
      << "    esac\n"
      << "  done\n"
      << "  case \"$path\" in\n";
  walk(app, "", [&](const std::string& path, const CLI::App& command) {
    out << "    " << single_quoted(path) << ") known=" << single_quoted(joined(commands_of(command), " ") + " " + joined(options_of(command), " "))
        << " ;;\n";
  });
  out << "  esac\n"
      << "  COMPREPLY=($(compgen -W \"$known\" -- \"$word\"))\n"
      << "}\n"
      << "complete -o default -F " << function << ' ' << program << '\n';
}

void write_zsh_completion(const CLI::App& app, const std::string& program, std::ostream& out) {
  out << "#compdef " << program << "\nautoload -U +X bashcompinit && bashcompinit\n";
  write_bash_completion(app, program, out);
}

void write_fish_completion(const CLI::App& app, const std::string& program, std::ostream& out) {
  out << "# fish completion of " << program << "\n";
  walk(app, "", [&](const std::string& path, const CLI::App& command) {
    const std::string here = path.empty() ? "__fish_use_subcommand" : "__fish_seen_subcommand_from " + path.substr(path.rfind(' ') + 1);
    for (const CLI::App* each : command.get_subcommands([](const CLI::App*) { return true; })) {
      out << "complete -c " << program << " -f -n " << single_quoted(here) << " -a " << single_quoted(each->get_name()) << " -d "
          << single_quoted(each->get_description()) << '\n';
    }
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        out << "complete -c " << program << " -n " << single_quoted(here) << " -l " << name
            << (option->get_items_expected_max() > 0 ? " -r" : "") << " -d " << single_quoted(option->get_description()) << '\n';
      }
    }
  });
}

void write_manual(const CLI::App& app, const std::string& program, const std::string& version, std::ostream& out) {
  std::string capitals = program;
  for (char& c : capitals) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  out << ".TH " << capitals << " 1 \"\" \"" << program << ' ' << version << "\"\n"
      << ".SH NAME\n" << roff(program) << " \\- durable workflows\n"
      << ".SH SYNOPSIS\n.B " << roff(program) << "\n.I COMMAND\n[\\fIOPTIONS\\fR]\n"
      << ".SH DESCRIPTION\n" << roff(app.get_description()) << "\n.SH OPTIONS\n";
  write_options(app, out);
  out << ".SH COMMANDS\n";
  walk(app, "", [&](const std::string& path, const CLI::App& command) {
    if (path.empty()) return;
    out << ".SS " << roff(path) << '\n' << roff(command.get_description()) << '\n';
    write_options(command, out);
    if (!command.get_footer().empty()) out << ".PP\n.nf\n" << roff(command.get_footer()) << "\n.fi\n";
  });
  out << ".SH EXIT STATUS\n"
      << ".TP\n.B 0\ncompleted, or done\n.TP\n.B 1\nfailed, timed out or terminated\n.TP\n.B 2\nbad usage or input; refused\n"
      << ".TP\n.B 3\ncanceled\n.TP\n.B 4\nstuck\n.TP\n.B 5\nparked (Ctrl\\-C)\n";
}

}  // namespace evermill::cli
