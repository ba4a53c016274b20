#include "dsl/names.hpp"
#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

process_input read_process_input(const fields& of, bool may_name_arguments = false) {
  process_input made;
  made.stdin_text = of.text_value("stdin", scope::task);
  const node* arguments = of.find("arguments");
  if (may_name_arguments && arguments != nullptr && arguments->is(node::kind::mapping)) {
    made.named_arguments = of.object_value("arguments", scope::task);
  } else {
    made.arguments = of.text_values("arguments", scope::task);
  }
  made.environment = of.object_value("environment", scope::task);
  return made;
}

void read_lifetime(const fields& of, container_process& into) {
  using cleanup = container_process::cleanup;
  const fields lifetime(of.in(), *of.find("lifetime"), of.pointer("lifetime"), "`lifetime`", {"cleanup", "after"});
  if (lifetime.need("cleanup") == nullptr) return;
  const auto chosen = lifetime.choice("cleanup", {"always", "never", "eventually"});
  if (!chosen) return;
  into.lifetime = *chosen == "always" ? cleanup::always : *chosen == "never" ? cleanup::never : cleanup::eventually;
  if (into.lifetime == cleanup::eventually) {
    if (lifetime.need("after") != nullptr) into.cleanup_after = lifetime.duration_of("after", scope::task);
  } else if (const node* after = lifetime.find("after")) {
    of.in().report(after->at, rule::conflict, lifetime.pointer("after"), "\"after\" belongs to the cleanup `eventually`");
  }
}

container_process read_container(reading& in, const node& from, const std::string& pointer) {
  using pull = container_process::pull_policy;
  const fields of(
      in, from, pointer, "`container`",
      {"image", "name", "command", "ports", "volumes", "environment", "stdin", "arguments", "lifetime", "pullPolicy"});
  container_process made;
  made.image = of.need_text_value("image", scope::task);
  made.name = of.text_value("name", scope::task);
  made.command = of.text_value("command", scope::task);
  made.ports = of.object_value("ports", scope::task);
  made.volumes = of.object_value("volumes", scope::task, true);
  made.input = read_process_input(of);
  if (of.has("lifetime")) read_lifetime(of, made);
  if (const auto policy = of.choice("pullPolicy", {"ifNotPresent", "always", "never"})) {
    made.pull = *policy == "always" ? pull::always : *policy == "never" ? pull::never : pull::if_not_present;
  }
  return made;
}

script_process read_script(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`script`", {"language", "code", "source", "stdin", "arguments", "environment"});
  script_process made;
  made.language = of.need_text("language");
  if (const auto chosen = of.need_one({"code", "source"})) {
    if (*chosen == "source") {
      made.code = read_external_resource(in, *of.find("source"), of.pointer("source"));
    } else if (auto code = of.text("code")) {
      // `${ … }` within a script may be the script's own.
      made.code = enclosed_expression(*code) ? of.need_text_value("code", scope::task) : value_template(json(*code));
    }
  }
  made.input = read_process_input(of, true);
  return made;
}

workflow_process read_workflow_process(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`workflow`", {"namespace", "name", "version", "input"});
  workflow_process made;
  made.workflow_namespace = of.need_text("namespace");
  made.name = of.need_text("name");
  made.version = of.need_text("version");
  for (const std::string_view key : {"namespace", "name"}) {
    const auto given = of.text(key);
    if (given && !is_dns_label(*given)) {
      in.report(of.find(key)->at, rule::value, of.pointer(key),
                in_quotes(*given) + " can't be the " + std::string(key) + " of a workflow",
                "letters, digits and hyphens make one, at most 63");
    }
  }
  if (!made.version.empty() && made.version != "latest" && !is_semantic_version(made.version)) {
    in.report(of.find("version")->at, rule::value, of.pointer("version"), in_quotes(made.version) + " is no version",
              "write three numbers such as 1.0.0, or latest");
  }
  made.input = of.object_value("input", scope::task, true);
  return made;
}

}  // namespace

run_task read_run(reading& in, const node& from, const std::string& pointer) {
  using output = run_task::output;
  const fields of(in, from, pointer, "`run`", {"container", "script", "shell", "workflow", "await", "return"});
  run_task made;
  made.awaited = of.boolean("await").value_or(true);
  if (const auto returned = of.choice("return", {"stdout", "stderr", "code", "all", "none"})) {
    made.returned = *returned == "stdout"   ? output::stdout_text
                    : *returned == "stderr" ? output::stderr_text
                    : *returned == "code"   ? output::code
                    : *returned == "all"    ? output::all
                                            : output::none;
  }
  const auto chosen = of.need_one({"container", "script", "shell", "workflow"});
  if (!chosen) return made;
  const node& process = *of.find(*chosen);
  const std::string at = of.pointer(*chosen);
  if (*chosen == "container") {
    made.what = read_container(in, process, at);
  } else if (*chosen == "script") {
    made.what = read_script(in, process, at);
  } else if (*chosen == "workflow") {
    made.what = read_workflow_process(in, process, at);
  } else {
    const fields shell(in, process, at, "`shell`", {"command", "stdin", "arguments", "environment"});
    shell_process read;
    read.command = shell.need_text_value("command", scope::task);
    read.input = read_process_input(shell);
    made.what = std::move(read);
  }
  return made;
}

}  // namespace evermill::dsl
