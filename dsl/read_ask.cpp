#include <utility>

#include "dsl/json_schema.hpp"
#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

task_list_pointer read_notices(const fields& of, std::string_view key) {
  const node* from = of.find(key);
  if (from == nullptr) return nullptr;
  return std::make_shared<const task_list>(read_task_list(of.in(), *from, of.pointer(key), key));
}

}  // namespace

call_task read_ask_call(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`with` of evermill.ask",
                  {"title", "assignee", "candidateGroups", "question", "form", "timeout", "announce", "remind"});
  ask_call made;
  made.title = of.text_value("title", scope::task);
  made.assignee = of.text_value("assignee", scope::task);
  made.candidate_groups = of.text_value("candidateGroups", scope::task);
  made.question = of.value("question", scope::task);
  made.form = of.free_object("form");
  if (!made.form.is_null()) {
    const auto compiled = json_schema::compile(made.form);
    if (!compiled) {
      in.report(of.find("form")->at, rule::schema, of.pointer("form"),
                "this is no JSON Schema that can be used: " + compiled.error());
    }
  }
  made.timeout = of.duration_of("timeout", scope::task);
  made.announce = read_notices(of, "announce");
  if (const node* given = of.find("remind")) {
    const fields remind(in, *given, of.pointer("remind"), "`remind`", {"every", "do"});
    if (remind.need("every") != nullptr) made.remind_every = remind.duration_of("every", scope::task);
    if (remind.need("do") != nullptr) made.remind = read_notices(remind, "do");
  }
  return {std::move(made)};
}

}  // namespace evermill::dsl
