#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

std::optional<schema> read_schema(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "a schema", {"format", "document", "resource"});
  schema made;
  made.format = of.text("format").value_or(made.format);
  const auto chosen = of.need_one({"document", "resource"});
  if (!chosen) return std::nullopt;
  if (*chosen == "resource") {
    made.content = read_external_resource(in, *of.find("resource"), of.pointer("resource"));
    return made;
  }
  const node& document = *of.find("document");
  if (made.format != "json" && !made.format.starts_with("json:")) {
    in.warn(document.at, rule::schema, of.pointer("format"),
            "schemas of the format " + in_quotes(made.format) + " are not checked", "only json is");
    return std::nullopt;
  }
  auto compiled = json_schema::compile(to_json(document));
  if (compiled) {
    made.content = std::move(*compiled);
    return made;
  }
  in.report(document.at, rule::schema, of.pointer("document"), "this is no JSON Schema that can be used: " + compiled.error());
  return std::nullopt;
}

/// Text here is an expression, with or without `${ }`; in an object or list only what stands in `${ }`.
std::optional<value_template> read_step(const fields& of, std::string_view key, variable_set available) {
  const node* from = of.find(key);
  if (from == nullptr) return std::nullopt;
  reading& in = of.in();
  if (from->is(node::kind::string)) {
    auto computed = in.condition(*from, key, of.pointer(key), available);
    return computed ? std::optional(value_template(std::move(*computed))) : std::nullopt;
  }
  if (!from->is(node::kind::mapping)) {
    in.report(from->at, rule::type, of.pointer(key),
              in_quotes(key) + " must be an expression or an object, not " + std::string(kind_name(from->what)));
    return std::nullopt;
  }
  return in.any_value(*from, of.pointer(key), available);
}

}  // namespace

transformation read_transformation(reading& in, const node& from, const std::string& pointer, step which,
                                   variable_set available) {
  const std::string_view what = which == step::input ? "`input`" : which == step::output ? "`output`" : "`export`";
  const std::string_view key = which == step::input ? "from" : "as";
  const fields of(in, from, pointer, what, {"schema", key});
  transformation made;
  if (const node* given = of.find("schema")) made.schema = read_schema(in, *given, of.pointer("schema"));
  made.as = read_step(of, key, available);
  return made;
}

std::optional<duration_value> read_timeout_definition(reading& in, const node& from, const std::string& pointer,
                                                      variable_set available) {
  const fields of(in, from, pointer, "a timeout", {"after"});
  return of.need("after") == nullptr ? std::nullopt : of.duration_of("after", available);
}

std::optional<duration_value> read_timeout(reading& in, const node& from, const std::string& pointer, variable_set available) {
  if (!from.is(node::kind::string)) return read_timeout_definition(in, from, pointer, available);
  const auto known = in.use.timeouts.find(from.text());
  if (known != in.use.timeouts.end()) return known->second;
  std::string hint = reading::did_you_mean(from.text(), names_of(in.use.timeouts));
  if (hint.empty() && parse_duration(from.text())) hint = "a duration is written as { after: " + from.text() + " }";
  in.report(from.at, rule::reference, pointer, "no timeout " + in_quotes(from.text()) + " is defined in `use.timeouts`",
            std::move(hint));
  return std::nullopt;
}

}  // namespace evermill::dsl
