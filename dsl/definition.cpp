#include "dsl/definition.hpp"

#include "dsl/names.hpp"
#include "dsl/read_use.hpp"

namespace evermill::dsl {
namespace {

void check_dsl_version(const fields& of, const std::string& version) {
  if (version.empty()) return;
  const position at = of.find("dsl")->at;
  if (!is_semantic_version(version)) {
    of.in().report(at, rule::value, of.pointer("dsl"), in_quotes(version) + " is no version", "write 1.0.3");
  } else if (!version.starts_with("1.")) {
    of.in().report(at, rule::value, of.pointer("dsl"), "version " + version + " of the DSL is not known here",
                   "versions 1.0.0 to 1.0.3 are");
  } else if (!version.starts_with("1.0.")) {
    of.in().warn(at, rule::value, of.pointer("dsl"), "version " + version + " of the DSL is read as 1.0.3");
  }
}

void check_label(const fields& of, std::string_view key, const std::string& text) {
  if (text.empty() && of.has(key) && !of.find(key)->is(node::kind::string)) return;  // told already
  if (!of.has(key) || is_dns_label(text)) return;
  of.in().report(of.find(key)->at, rule::value, of.pointer(key),
                 in_quotes(text) + " can't be the " + std::string(key) + " of a workflow",
                 "letters, digits and hyphens make one, at most 63, no hyphen at either end");
}

void read_document_part(reading& in, const node& from, const std::string& pointer, definition& into) {
  const fields of(in, from, pointer, "`document`",
                  {"dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata"});
  into.dsl_version = of.need_text("dsl");
  into.workflow_namespace = of.need_text("namespace");
  into.name = of.need_text("name");
  into.version = of.need_text("version");
  check_dsl_version(of, into.dsl_version);
  check_label(of, "namespace", into.workflow_namespace);
  check_label(of, "name", into.name);
  const node* version = of.find("version");
  if (version != nullptr && version->is(node::kind::string) && !is_semantic_version(into.version)) {
    in.report(version->at, rule::value, of.pointer("version"), in_quotes(into.version) + " is no semantic version",
              "write three numbers such as 1.0.0");
  }
  into.title = of.text("title").value_or("");
  into.summary = of.text("summary").value_or("");
  into.tags = of.free_object("tags");
  into.metadata = of.free_object("metadata");
}

void read_evaluate(reading& in, const node& from, const std::string& pointer, definition& into) {
  const fields of(in, from, pointer, "`evaluate`", {"language", "mode"});
  const auto language = of.text("language");
  if (language && *language != "jq") {
    in.report(of.find("language")->at, rule::value, of.pointer("language"),
              "expressions in " + in_quotes(*language) + " can't be evaluated", "use jq, which every runtime has");
  }
  into.loose = of.choice("mode", {"strict", "loose"}) == "loose";
  in.loose = into.loose;
}

schedule read_schedule(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`schedule`", {"every", "cron", "after", "on"});
  schedule made;
  if (of && from.members.empty()) {
    in.report(from.at, rule::missing_property, pointer,
              "`schedule` needs one of the properties \"every\", \"cron\", \"after\" or \"on\"");
  }
  made.every = of.duration_of("every", scope::workflow_input);
  made.after = of.duration_of("after", scope::workflow_input);
  if (made.every && made.every->known() == duration::zero()) {
    in.report(of.find("every")->at, rule::value, of.pointer("every"), "an interval must be longer than nothing");
  }
  if (const auto text = of.text("cron")) {
    auto parsed = cron::parse(*text);
    if (parsed) {
      made.cron = *parsed;
    } else {
      in.report(of.find("cron")->at, rule::cron, of.pointer("cron"), "this is no cron expression: " + parsed.error());
    }
  }
  if (const node* on = of.find("on")) made.on = read_event_consumption(in, *on, of.pointer("on"), scope::workflow_input);
  return made;
}

void read_workflow(reading& in, const node& root, definition& into) {
  const fields of(in, root, "", "a workflow", {"document", "input", "use", "do", "timeout", "output", "schedule", "evaluate"},
                  others::suspect);
  if (!of) return;
  if (const node* document = of.need("document")) read_document_part(in, *document, "/document", into);
  if (const node* evaluate = of.find("evaluate")) read_evaluate(in, *evaluate, "/evaluate", into);
  if (const node* use = of.find("use")) read_use(in, *use, "/use", into);
  if (const node* input = of.find("input"))
    into.input = read_transformation(in, *input, "/input", step::input, scope::workflow_input);
  if (const node* output = of.find("output"))
    into.output = read_transformation(in, *output, "/output", step::output, scope::workflow_output);
  if (const node* timeout = of.find("timeout")) into.timeout = read_timeout(in, *timeout, "/timeout", scope::workflow_input);
  if (const node* given = of.find("schedule")) into.schedule = read_schedule(in, *given, "/schedule");
  if (const node* tasks = of.need("do")) into.tasks = read_task_list(in, *tasks, "/do", "do");
}

}  // namespace

const json& definition::source_of(const task& of) const { return source.at(json::json_pointer(of.pointer)); }

read_result read_definition(std::string_view text, const reading_options& options) {
  read_result made;
  auto root = read_document(text, options.format, made.problems, options.limits);
  if (!root) {
    made.problems.push_back(std::move(root.error()));
    return made;
  }
  auto read = std::make_shared<definition>();
  read->expressions = expression_compiler(options.expression_limit);
  reading in(options, made.problems, read->expressions);
  read_workflow(in, *root, *read);
  sort(made.problems);
  if (has_errors(made.problems)) return made;
  read->source = to_json(*root);
  made.definition = std::move(read);
  return made;
}

}  // namespace evermill::dsl
