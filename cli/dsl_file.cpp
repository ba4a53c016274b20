#include "cli/dsl_file.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>
#include <set>
#include <string_view>
#include <utility>

#include "cli/errors.hpp"
#include "cli/opened_control.hpp"
#include "cli/workflow_file.hpp"
#include "interpreter/references.hpp"

namespace evermill::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t files_of_a_folder = 1'000;

bool has_file_ending(const std::string& name) {
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

/// Does the text say `name: NAME`? It has errors, so that it can't be asked.
bool has_name(const std::string& text, const std::string& name) {
  constexpr std::string_view key = "name", between = " \t\"':", behind = " \t\r\n\"',}#";
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
    const std::size_t value = text.find_first_not_of(between, at + key.size());
    if (value == std::string::npos || text.compare(value, name.size(), name) != 0) continue;
    const std::size_t end = value + name.size();
    if (end == text.size() || behind.find(text[end]) != std::string_view::npos) return true;
  }
  return false;
}

/// Another process may know more functions than this one.
dsl::reading_options functions_of(const environment& env) {
  dsl::reading_options options = with_functions(env);
  options.any_function = !env.queue.empty() || !env.server.empty() || connect_to_owner(env) != nullptr;
  return options;
}

/// A file, and the workflows that it and they run.
class bundle {
 public:
  bundle(environment& env, const std::string& path)
      : env_(env), folder_(fs::path(path).parent_path()), options_(functions_of(env)) {}

  /// Nothing where it has errors, which are told.
  std::optional<workflow_text> read(const std::string& path) {
    workflow_text read = read_workflow_text(path, env_.in, options_);
    for (const dsl::problem& each : read.result.problems) tell(each, path);
    if (read.result.definition == nullptr) return std::nullopt;
    if (const std::string why = read.result.definition->expressions.prepare(); !why.empty()) {
      env_.err << path << ": error: libjq does not take one of the expressions: " << why << '\n';
      return std::nullopt;
    }
    return read;
  }

  void add(workflow_text&& file) { known_.push_back(std::move(file)); }

  /// Finds what it runs, and what those run. False: something is missing, or has errors; that is told.
  bool resolve(const workflow_text& file, const std::string& path) {
    bool complete = true;
    for (const auto& each : interpreter::workflows_run_by(*file.result.definition)) {
      if (interpreter::is_meant(each, *file.result.definition)) continue;
      const auto found = find(each);
      if (found.empty()) {
        dsl::problem missing{each.at, dsl::rule::reference, dsl::severity::error, each.pointer,
                             "the workflow \"" + each.name + "\" of namespace \"" + each.workflow_namespace + "\", version " + each.version +
                                 ", is in none of the files beside this one",
                             "name its file: --with FILE"};
        tell_unreadable(each);
        tell(missing, path);
        complete = false;
      }
      for (const std::size_t at : found) {
        if (!used_.insert(at).second) continue;
        const workflow_text next = known_[at];  // the list may grow
        complete = resolve(next, path) && complete;
      }
    }
    return complete;
  }

  std::vector<std::string> texts() const {
    std::vector<std::string> made;
    for (const std::size_t at : used_) made.push_back(known_[at].text);
    return made;
  }

 private:
  void tell(const dsl::problem& what, const std::string& path) { env_.err << dsl::describe(what, shown_name(path)) << '\n'; }

  std::vector<std::size_t> find(const interpreter::workflow_reference& of) {
    const auto among_known = [&] {
      std::vector<std::size_t> found;
      for (std::size_t i = 0; i < known_.size(); ++i) {
        if (interpreter::is_meant(of, *known_[i].result.definition)) found.push_back(i);
      }
      return found;
    };
    auto found = among_known();
    if (!found.empty() && of.version != "latest") return found;
    read_folder();
    return among_known();
  }

  /// What is looked for may be in a file with errors: they say more than that it is missing.
  void tell_unreadable(const interpreter::workflow_reference& of) {
    for (auto& [path, file] : unreadable_) {
      if (!has_name(file.text, of.name)) continue;
      for (const dsl::problem& each : std::exchange(file.result.problems, {})) tell(each, path);
    }
  }

  /// Files that are no workflows are none of this one's concern.
  void read_folder() {
    if (std::exchange(folder_is_read_, true)) return;
    std::vector<fs::path> paths;
    std::error_code error;
    for (fs::directory_iterator at(folder_.empty() ? fs::path(".") : folder_, error), end; !error && at != end; at.increment(error)) {
      if (has_file_ending(at->path().string()) && at->is_regular_file(error)) paths.push_back(at->path());
    }
    std::sort(paths.begin(), paths.end());
    if (paths.size() > files_of_a_folder) paths.resize(files_of_a_folder);
    for (const fs::path& path : paths) try {
        workflow_text read = read_workflow_text(path.string(), env_.in, options_);
        if (read.result.definition == nullptr) {
          unreadable_.emplace(path.string(), std::move(read));
        } else {
          known_.push_back(std::move(read));
        }
      } catch (const command_error&) {  // what can't be read is found missing where it is needed
      }
  }

  environment& env_;
  const fs::path folder_;
  const dsl::reading_options options_;
  std::vector<workflow_text> known_;
  std::map<std::string, workflow_text> unreadable_;  // those of the folder, by path
  std::set<std::size_t> used_;
  bool folder_is_read_ = false;
};

}  // namespace

dsl::reading_options with_functions(const environment& env) {
  dsl::reading_options options;
  options.functions = env.definitions.activity_names();
  for (const char* name : {"shell", "http", "grpc", "docker", "script", "lambda", "kafka.send", "kafka.receive"}) options.functions.emplace_back(name);
  return options;
}

bool is_workflow_file(const std::string& argument) {
  return has_file_ending(argument) || argument.find('/') != std::string::npos;
}

std::optional<dsl_input> read_dsl_file(environment& env, const std::string& path, const dsl_file_options& options) {
  bundle all(env, path);
  const auto main = all.read(path);
  bool complete = main.has_value();
  for (const std::string& other : options.with) {
    auto read = all.read(other);
    complete = complete && read.has_value();
    if (read) all.add(std::move(*read));
  }
  if (!complete || !all.resolve(*main, path)) return std::nullopt;
  dsl_input made;
  made.definition = main->text;
  made.workflows = all.texts();
  made.events = options.events;
  made.once = options.once;
  return made;
}

}  // namespace evermill::cli
