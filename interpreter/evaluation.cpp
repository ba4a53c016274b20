#include "interpreter/evaluation.hpp"

#include <utility>

#include "dsl/errors.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/resources.hpp"

namespace evermill::interpreter {
namespace {

constexpr int work_of_native = 1;
constexpr int work_of_libjq = 20;

bool is_json(const dsl::schema& of) { return of.format.substr(0, of.format.find(':')) == "json"; }

/// What an expression may ask for. What is costly is made when it does.
class arguments final : public dsl::variables {
 public:
  arguments(const instance& in, const frame& at) : in_(in), at_(at) {}

  const json* find(std::string_view name) const override {
    if (name == "input") return at_.input.get();
    if (name == "context") return in_.context.get();
    if (name == "output") return at_.output.get();
    if (name == "task") return task();
    if (name == "workflow") return &in_.descriptor();
    if (name == "runtime") return &runtime();
    if (name == "secrets") return secrets();
    if (name == "authorization") return at_.authorization.get();
    for (const name_binding* each = at_.locals.get(); each != nullptr; each = each->outer.get()) {
      if (each->name == name) return each->is.get();
    }
    return nullptr;
  }

 private:
  const json* task() const {
    if (at_.extended != nullptr) return at_.extended.get();
    if (at_.task == nullptr) return nullptr;
    if (task_.is_null()) task_ = describe_task(at_);
    return &task_;
  }
  static const json& runtime() {
    static const json about = {{"name", "evermill"}, {"version", EVERMILL_VERSION}, {"metadata", json::object()}};
    return about;
  }
  const json* secrets() const {
    const loaded& of = *at_.of;
    if (of.undeclared_secrets.empty()) return &of.secrets;
    throw fault(dsl::error_type::authorization, 403, "Not allowed",
                "the secret \"" + *of.undeclared_secrets.begin() + "\" is not one of `use.secrets`", at_.pointer());
  }

  const instance& in_;
  const frame& at_;
  mutable json task_;
};

}  // namespace

json describe_task(const frame& at) {
  json made = {{"name", at.task->name},
               {"reference", at.task->pointer},
               {"definition", at.of->definition->source_of(*at.task)},
               {"input", at.raw_input == nullptr ? json() : *at.raw_input},
               {"startedAt", describe(at.started_at)}};
  if (at.raw_output != nullptr) made["output"] = *at.raw_output;
  return made;
}

void evaluation::fail(const std::string& why) const {
  throw fault(dsl::error_type::expression, 400, "Expression failed", why, at_.pointer());
}

void evaluation::fail(const dsl::expression_error& why) const {
  if (!why.repeatable()) {
    ctx_.refuse_turn("an expression of the task " + at_.pointer() + " takes too long: " + dsl::describe(why) +
                     "; `taint` tries it anew, `terminate` ends the execution");
  }
  fail(dsl::describe(why));
}

json evaluation::operator()(const dsl::expression& what, const json& input) const {
  in_.work += what.is_native() ? work_of_native : work_of_libjq;
  auto made = what.evaluate(input, arguments(in_, at_));
  if (!made) fail(made.error());
  return std::move(*made);
}

json evaluation::operator()(const dsl::value_template& what, const json& input) const {
  if (const json* constant = what.constant()) return *constant;
  if (const dsl::expression* computed = what.computed()) return (*this)(*computed, input);
  in_.work += work_of_native;
  auto made = what.evaluate(input, arguments(in_, at_));
  if (!made) fail(made.error());
  return std::move(*made);
}

bool evaluation::holds(const dsl::expression& what, const json& input) const { return dsl::is_true((*this)(what, input)); }

std::chrono::microseconds evaluation::operator()(const dsl::duration_value& what, const json& input) const {
  if (const auto known = what.known()) return *known;
  auto made = what.evaluate(input, arguments(in_, at_));
  if (!made) fail(made.error());
  return *made;
}

std::string evaluation::text(const dsl::value_template& what, const json& input) const { return as_text((*this)(what, input)); }

std::string evaluation::text(const std::optional<dsl::value_template>& what, const json& input) const {
  return what ? text(*what, input) : std::string();
}

json evaluation::object(const std::optional<dsl::value_template>& what, const json& input, const char* name) const {
  if (!what) return json::object();
  json made = (*this)(*what, input);
  if (made.is_null()) return json::object();
  if (!made.is_object()) fail(std::string("`").append(name).append("` must be an object, not ").append(made.dump()));
  return made;
}

std::map<std::string, std::string> evaluation::texts(const std::optional<dsl::value_template>& what, const json& input,
                                                     const char* name) const {
  std::map<std::string, std::string> made;
  const json members = object(what, input, name);
  for (const auto& [key, each] : members.items()) made.emplace(key, as_text(each));
  return made;
}

std::string as_text(const json& of) {
  if (of.is_string()) return of.get<std::string>();
  return of.is_null() ? std::string() : of.dump();
}

const dsl::external_resource* schema_elsewhere(const dsl::transformation& of) {
  return of.schema && is_json(*of.schema) ? std::get_if<dsl::external_resource>(&of.schema->content) : nullptr;
}

void validate(const instance& in, const std::optional<dsl::schema>& schema, const json& of, const frame& at, const char* what) {
  if (!schema) return;
  if (!is_json(*schema)) {
    throw fault(dsl::error_type::configuration, 400, "Unknown schema format",
                "the " + std::string(what) + " can't be checked: schemas in \"" + schema->format +
                    "\" are not known here; use json",
                at.pointer());
  }
  const dsl::json_schema* compiled = schema->compiled();
  std::optional<dsl::json_schema> elsewhere;
  if (compiled == nullptr) {
    elsewhere = fetched_schema(in, std::get<dsl::external_resource>(schema->content), at);
    compiled = &*elsewhere;
  }
  const auto wrong = compiled->validate(of);
  if (wrong.empty()) return;
  std::string detail = "the " + std::string(what) + " does not fit its schema: ";
  for (const std::string& each : wrong) detail.append(&each == &wrong.front() ? "" : "; ").append(each);
  throw fault(dsl::error_type::validation, 400, "Invalid " + std::string(what), detail, at.pointer());
}

}  // namespace evermill::interpreter
