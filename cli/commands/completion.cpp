#include <CLI/App.hpp>
#include <filesystem>
#include <memory>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/shell_completion.hpp"
#include "server/control.hpp"

namespace evermill::cli {
namespace {

/// As the shell knows it.
std::string name_of(const environment& env) { return std::filesystem::path(env.program).filename().string(); }

exit_code complete(const CLI::App& app, environment& env, const std::string& shell) {
  if (shell == "bash") write_bash_completion(app, name_of(env), env.out);
  if (shell == "zsh") write_zsh_completion(app, name_of(env), env.out);
  if (shell == "fish") write_fish_completion(app, name_of(env), env.out);
  return exit_code::completed;
}

}  // namespace

void add_completion(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("completion", "Print what a shell needs to complete command lines");
  const auto shell = std::make_shared<std::string>();
  command.add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command.footer("Examples:\n  source <(" + env.program + " completion bash)\n  " + env.program +
                 " completion fish > ~/.config/fish/completions/" + name_of(env) + ".fish");
  command.callback([&app, &env, &chosen, shell] { chosen = [&app, &env, shell] { return complete(app, env, *shell); }; });
}

void add_manual(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("manual", "Print the manual page, for man");
  command.footer("Example:\n  " + env.program + " manual | man -l -");
  command.callback([&app, &env, &chosen] {
    chosen = [&app, &env] {
      write_manual(app, name_of(env), std::string(server::version()), env.out);
      return exit_code::completed;
    };
  });
}

}  // namespace evermill::cli
