#include <algorithm>

#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

using directive = flow_directive::kind;

/// The tasks of the list that can follow the one at `at`.
std::vector<std::size_t> followers(const task_list& tasks, std::size_t at) {
  const task& of = tasks[at];
  std::vector<std::size_t> found;
  const auto follow = [&](const flow_directive& then) {
    if (then.what == directive::next) found.push_back(at + 1);
    if (then.what == directive::task) found.push_back(then.target);
  };
  if (of.condition) found.push_back(at + 1);  // a task that is skipped has no `then`
  const auto* branches = std::get_if<switch_task>(&of.what);
  bool decided = false;
  if (branches != nullptr) {
    for (const switch_task::branch& branch : branches->branches) {
      follow(branch.then);
      decided = decided || !branch.when;
    }
  }
  if (!decided) follow(of.then);
  return found;
}

}  // namespace

flow_directive read_flow(reading& in, const node& from, const std::string& pointer, const std::vector<std::string>& names) {
  if (!in.expect(from, node::kind::string, "then", pointer)) return {};
  const std::string& text = from.text();
  if (text == "continue") return {};
  if (text == "exit") return {directive::exit};
  if (text == "end") return {directive::end};
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) {
    std::vector<std::string> known{"continue", "exit", "end"};
    known.insert(known.end(), names.begin(), names.end());
    std::string hint = reading::did_you_mean(text, known);
    in.report(from.at, rule::flow, pointer, "no task " + in_quotes(text) + " stands in the same list",
              hint.empty() ? "`then` leads to a task of the same list, or is continue, exit or end" : std::move(hint));
    return {};
  }
  if (std::find(found + 1, names.end(), text) != names.end()) {
    in.report(from.at, rule::flow, pointer, "two tasks of this list have the name " + in_quotes(text), "rename one of them");
  }
  return {directive::task, static_cast<std::size_t>(found - names.begin())};
}

void check_reachable(reading& in, const task_list& tasks) {
  std::vector<bool> reached(tasks.size() + 1);
  std::vector<std::size_t> open{0};
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    if (reached[at]) continue;
    reached[at] = true;
    if (at == tasks.size()) continue;
    for (const std::size_t next : followers(tasks, at)) open.push_back(next);
  }
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const bool told = i > 0 && !reached[i - 1];  // with the first of several
    if (!reached[i] && !told)
      in.warn(tasks[i].at, rule::flow, tasks[i].pointer, "nothing leads to the task " + in_quotes(tasks[i].name));
  }
}

}  // namespace evermill::dsl
