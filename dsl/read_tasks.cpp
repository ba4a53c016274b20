#include <algorithm>
#include <array>
#include <span>

#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

/// What makes a task what it is, and the other properties of such a task. `do` is last: `for` has it too.
struct task_kind {
  std::string_view key;
  std::string_view also;
};
constexpr std::array task_kinds = std::to_array<task_kind>({{"call", "with"},
                                                            {"emit", ""},
                                                            {"for", "while"},
                                                            {"fork", ""},
                                                            {"listen", "foreach"},
                                                            {"raise", ""},
                                                            {"run", ""},
                                                            {"set", ""},
                                                            {"switch", ""},
                                                            {"try", "catch"},
                                                            {"wait", ""},
                                                            {"do", ""}});
constexpr std::array common_properties =
    std::to_array<std::string_view>({"if", "input", "output", "export", "timeout", "then", "metadata"});

std::vector<std::string_view> known_properties(std::string_view kind) {
  std::vector<std::string_view> known(common_properties.begin(), common_properties.end());
  for (const task_kind& one : task_kinds) {
    if (!kind.empty() && one.key != kind) continue;
    known.push_back(one.key);
    if (!one.also.empty()) known.push_back(one.also);
  }
  if (kind == "for") known.emplace_back("do");
  return known;
}

/// The kind of a task, or "" where it is none; that is reported.
std::string_view find_kind(reading& in, const node& from, const std::string& pointer, const std::string& name) {
  std::vector<std::string_view> found;
  for (const task_kind& one : task_kinds) {
    if (from.find(one.key) != nullptr) found.push_back(one.key);
  }
  if (found.size() == 2 && found[0] == "for" && found[1] == "do") found.pop_back();
  if (found.size() == 1) return found.front();
  if (found.size() > 1) {
    in.report(from.find(found[1])->at, rule::conflict, pointer + "/" + std::string(found[1]),
              "the task " + in_quotes(name) + " has both " + in_quotes(found[0]) + " and " + in_quotes(found[1]),
              "make two tasks of it");
    return {};
  }
  for (const node::member& member : from.members) {
    const std::vector<std::string_view> all = known_properties("");
    if (std::find(all.begin(), all.end(), member.key) != all.end()) continue;
    const std::string hint =
        member.key == "<<" ? std::string(no_merge_keys) : reading::did_you_mean(member.key, {all.begin(), all.end()});
    if (hint.empty()) continue;
    in.report(member.key_at, rule::unknown_property, pointer + "/" + pointer_token(member.key),
              "a task has no property " + in_quotes(member.key), hint);
    return {};
  }
  in.report(from.at, rule::missing_property, pointer, "the task " + in_quotes(name) + " does nothing",
            "it needs one of call, do, emit, for, fork, listen, raise, run, set, switch, try, wait");
  return {};
}

fork_task read_fork(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`fork`", {"branches", "compete"});
  fork_task made;
  made.compete = of.boolean("compete").value_or(false);
  const node* branches = of.need("branches");
  if (branches == nullptr) return made;
  made.branches = read_task_list(in, *branches, of.pointer("branches"), "branches");
  for (const task& branch : made.branches) {
    if (branch.then.what == flow_directive::kind::task) {
      in.report(branch.at, rule::flow, branch.pointer + "/then", "a branch of a fork can't lead to another one",
                "put both into one branch, as the tasks of a `do`");
    }
  }
  return made;
}

emit_task read_emit(reading& in, const node& from, const std::string& pointer) {
  const fields emit(in, from, pointer, "`emit`", {"event"});
  const node* event = emit.need("event");
  if (event == nullptr) return {};
  const fields of(in, *event, emit.pointer("event"), "`event`", {"with"}, others::suspect);
  const node* with = of.need("with");
  return with == nullptr ? emit_task{} : emit_task{read_event_attributes(in, *with, of.pointer("with"), true, scope::task)};
}

std::optional<for_task> read_for(const fields& of_task) {
  reading& in = of_task.in();
  const fields of(in, *of_task.find("for"), of_task.pointer("for"), "`for`", {"each", "in", "at"});
  std::string each = "item", at = "index";
  if (const node* name = of.find("each")) each = in.variable_name(*name, "each", of.pointer("each"));
  if (const node* name = of.find("at")) at = in.variable_name(*name, "at", of.pointer("at"));
  auto list = of.need("in") == nullptr ? std::nullopt : of.condition("in", scope::task);
  const with_locals names(in, {each, at});
  auto condition = of_task.condition("while", scope::task);
  const node* tasks = of_task.need("do");
  if (tasks == nullptr) return std::nullopt;
  task_list read = read_task_list(in, *tasks, of_task.pointer("do"), "do");
  if (!list) return std::nullopt;
  return for_task{.each = std::move(each),
                  .at = std::move(at),
                  .in = std::move(*list),
                  .condition = std::move(condition),
                  .tasks = std::move(read)};
}

listen_task read_listen(const fields& of_task) {
  using reading_as = listen_task::reading;
  reading& in = of_task.in();
  const fields of(in, *of_task.find("listen"), of_task.pointer("listen"), "`listen`", {"to", "read"});
  listen_task made;
  if (const node* to = of.need("to")) made.to = read_event_consumption(in, *to, of.pointer("to"), scope::task);
  const auto read = of.choice("read", {"data", "envelope", "raw"});
  made.read = read == "envelope" ? reading_as::envelope : read == "raw" ? reading_as::raw : reading_as::data;
  if (const node* each = of_task.find("foreach"))
    made.iterator = read_subscription_iterator(in, *each, of_task.pointer("foreach"));
  return made;
}

raise_task read_raise(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`raise`", {"error"});
  const node* error = of.need("error");
  return {error == nullptr ? nullptr : read_error_or_reference(in, *error, of.pointer("error"))};
}

set_task read_set(reading& in, const node& from, const std::string& pointer) {
  if (from.is(node::kind::string)) {
    auto computed = in.condition(from, "set", pointer, scope::task);
    return computed ? set_task{value_template(std::move(*computed))} : set_task{};
  }
  if (!from.is(node::kind::mapping)) {
    in.report(from.at, rule::type, pointer,
              "\"set\" must be an object or an expression, not " + std::string(kind_name(from.what)));
  } else if (from.members.empty()) {
    in.report(from.at, rule::value, pointer, "\"set\" sets nothing", "`set: ${ {} }` gives an empty object");
  }
  return {in.any_value(from, pointer, scope::task)};
}

switch_task read_switch(reading& in, const node& from, const std::string& pointer, const std::vector<std::string>& siblings) {
  switch_task made;
  if (!in.expect(from, node::kind::sequence, "switch", pointer)) return made;
  if (from.items.empty()) in.report(from.at, rule::value, pointer, "a switch has at least one case");
  const switch_task::branch* fallback = nullptr;
  made.branches.reserve(from.items.size());
  for (std::size_t i = 0; i < from.items.size(); ++i) {
    const node& item = from.items[i];
    const std::string at = pointer + "/" + std::to_string(i);
    if (!item.is(node::kind::mapping) || item.members.size() != 1) {
      in.report(item.at, rule::type, at, "a case is an object with one property, its name",
                "write - NAME: { when: …, then: … }");
      continue;
    }
    const node::member& named = item.members.front();
    const fields of(in, named.value, at + "/" + pointer_token(named.key), "a case", {"when", "then"});
    switch_task::branch branch{.name = named.key, .when = of.condition("when", scope::task)};
    if (const node* then = of.need("then")) branch.then = read_flow(in, *then, of.pointer("then"), siblings);
    const bool is_default = of && !of.has("when");
    if (is_default && fallback != nullptr) {
      in.report(named.key_at, rule::conflict, of.pointer(),
                "a switch has one default case; " + in_quotes(fallback->name) + " is one already", "give this one a `when`");
    }
    made.branches.push_back(std::move(branch));
    if (is_default && fallback == nullptr) fallback = &made.branches.back();
  }
  return made;
}

void read_catch(const fields& of_task, try_task& into) {
  reading& in = of_task.in();
  const node* from = of_task.need("catch");
  if (from == nullptr) return;
  const fields of(in, *from, of_task.pointer("catch"), "`catch`", {"errors", "as", "when", "exceptWhen", "retry", "do"});
  if (const node* name = of.find("as")) into.as = in.variable_name(*name, "as", of.pointer("as"));
  if (const node* errors = of.find("errors")) into.errors = read_error_filter(in, *errors, of.pointer("errors"));
  const with_locals names(in, {into.as});
  into.when = of.condition("when", scope::task);
  into.except_when = of.condition("exceptWhen", scope::task);
  if (const node* retry = of.find("retry")) into.retry = read_retry_or_reference(in, *retry, of.pointer("retry"));
  if (const node* tasks = of.find("do")) into.catch_tasks = read_task_list(in, *tasks, of.pointer("do"), "do");
}

try_task read_try(const fields& of_task) {
  try_task made;
  made.tasks = read_task_list(of_task.in(), *of_task.find("try"), of_task.pointer("try"), "try");
  read_catch(of_task, made);
  return made;
}

void read_kind(const fields& of, std::string_view kind, const std::vector<std::string>& siblings, task& into) {
  reading& in = of.in();
  const node& value = *of.find(kind);
  const std::string at = of.pointer(kind);
  if (kind == "call") into.what = read_call(of);
  if (kind == "do") into.what = do_task{read_task_list(in, value, at, "do")};
  if (kind == "emit") into.what = read_emit(in, value, at);
  if (kind == "fork") into.what = read_fork(in, value, at);
  if (kind == "listen") into.what = read_listen(of);
  if (kind == "raise") into.what = read_raise(in, value, at);
  if (kind == "run") into.what = read_run(in, value, at);
  if (kind == "set") into.what = read_set(in, value, at);
  if (kind == "switch") into.what = read_switch(in, value, at, siblings);
  if (kind == "try") into.what = read_try(of);
  if (kind == "for") {
    if (auto made = read_for(of)) into.what = std::move(*made);
  }
  if (kind == "wait") {
    if (auto wait = of.duration_of("wait", scope::task)) into.what = wait_task{std::move(*wait)};
  }
}

task read_task(reading& in, const node::member& named, std::string pointer, const std::vector<std::string>& siblings) {
  task made;
  made.name = named.key;
  made.pointer = std::move(pointer);
  made.at = named.key_at;
  const node& from = named.value;
  if (!from.is(node::kind::mapping)) {
    in.report(from.at, rule::type, made.pointer,
              "the task " + in_quotes(named.key) + " must be an object, not " + std::string(kind_name(from.what)));
    return made;
  }
  const std::string_view kind = find_kind(in, from, made.pointer, named.key);
  const std::string what = kind.empty() ? "a task" : "a `" + std::string(kind) + "` task";
  const fields of(in, from, made.pointer, what, known_properties(kind), kind.empty() ? others::free : others::refused);
  made.condition = of.condition("if", scope::task_input);
  if (const node* input = of.find("input"))
    made.input = read_transformation(in, *input, of.pointer("input"), step::input, scope::task_input);
  if (!kind.empty()) read_kind(of, kind, siblings, made);
  if (const node* output = of.find("output"))
    made.output = read_transformation(in, *output, of.pointer("output"), step::output, scope::task);
  if (const node* exports = of.find("export")) {
    made.exports = read_transformation(in, *exports, of.pointer("export"), step::exports, scope::task_export);
  }
  if (const node* timeout = of.find("timeout")) made.timeout = read_timeout(in, *timeout, of.pointer("timeout"), scope::task);
  if (const node* then = of.find("then")) made.then = read_flow(in, *then, of.pointer("then"), siblings);
  made.metadata = of.free_object("metadata");
  return made;
}

void check_name(reading& in, const node::member& named, const std::string& pointer, std::span<const std::string> before) {
  if (named.key == "continue" || named.key == "exit" || named.key == "end") {
    in.warn(named.key_at, rule::flow, pointer, "no `then` can lead to a task called " + in_quotes(named.key), "rename it");
  }
  if (std::find(before.begin(), before.end(), named.key) != before.end()) {
    in.warn(named.key_at, rule::duplicate, pointer, "another task of this list has the name " + in_quotes(named.key) + " too");
  }
}

}  // namespace

std::string_view kind_of(const task& of) noexcept {
  constexpr std::string_view names[] = {"call",  "do",  "emit", "for",    "fork", "listen",
                                        "raise", "run", "set",  "switch", "try",  "wait"};
  static_assert(std::variant_size_v<decltype(task::what)> == std::size(names));
  return names[of.what.index()];
}

task_list read_task_list(reading& in, const node& from, const std::string& pointer, std::string_view what) {
  task_list made;
  if (from.is(node::kind::mapping)) {
    in.report(from.at, rule::type, pointer, in_quotes(what) + " must be a list of tasks, not an object",
              "write a hyphen before each task: - NAME: …");
    return made;
  }
  if (!in.expect(from, node::kind::sequence, what, pointer)) return made;
  const auto is_task = [](const node& item) { return item.is(node::kind::mapping) && item.members.size() == 1; };
  std::vector<std::string> names;
  for (const node& item : from.items) names.push_back(is_task(item) ? item.members.front().key : std::string());
  made.reserve(from.items.size());
  for (std::size_t i = 0; i < from.items.size(); ++i) {
    const node& item = from.items[i];
    const std::string at = pointer + "/" + std::to_string(i);
    if (!is_task(item)) {
      const bool several = item.is(node::kind::mapping) && item.members.size() > 1;
      in.report(item.at, rule::type, at, "an element of a task list is an object with one property, the task's name",
                several ? "indent the task's properties, or begin a new element with a hyphen" : "write - NAME: …");
      continue;
    }
    const node::member& named = item.members.front();
    const std::string task_pointer = at + "/" + pointer_token(named.key);
    check_name(in, named, task_pointer, std::span(names).first(i));
    made.push_back(read_task(in, named, task_pointer, names));
  }
  const bool in_order = what != "branches";
  if (in_order && made.size() == from.items.size()) check_reachable(in, made);
  return made;
}

task read_single_task(reading& in, const node& from, const std::string& pointer, const std::string& name) {
  return read_task(in, {.key = name, .key_at = from.at, .value = from}, pointer, {});
}

}  // namespace evermill::dsl
