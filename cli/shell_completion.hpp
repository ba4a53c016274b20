// What shells need to complete a command line, and the manual page, from the commands themselves.
#pragma once

#include <iosfwd>
#include <string>

namespace CLI {
class App;
}

namespace evermill::cli {

/// Scripts for bash, zsh and fish: what is printed is to be read by the shell. `program` is the command's name.
void write_bash_completion(const CLI::App& app, const std::string& program, std::ostream& out);
void write_zsh_completion(const CLI::App& app, const std::string& program, std::ostream& out);
void write_fish_completion(const CLI::App& app, const std::string& program, std::ostream& out);

/// A manual page in man(7)'s language.
void write_manual(const CLI::App& app, const std::string& program, const std::string& version, std::ostream& out);

}  // namespace evermill::cli
