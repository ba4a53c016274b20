#include "dsl/read_use.hpp"

namespace evermill::dsl {
namespace {

/// Calls `read(name, value, pointer)` with each member of an object.
template <class Read>
void for_each_named(const fields& of, std::string_view key, Read read) {
  const node* from = of.find(key);
  if (from == nullptr || !of.in().expect(*from, node::kind::mapping, key, of.pointer(key))) return;
  for (const node::member& member : from->members)
    read(member.key, member.value, of.pointer(key) + "/" + pointer_token(member.key));
}

void read_catalogs(const fields& of, definition& into) {
  for_each_named(of, "catalogs", [&](const std::string& name, const node& from, const std::string& pointer) {
    const fields catalog_fields(of.in(), from, pointer, "a catalog", {"endpoint"});
    catalog made;
    if (const node* endpoint = catalog_fields.need("endpoint")) {
      made.endpoint = read_endpoint(of.in(), *endpoint, catalog_fields.pointer("endpoint"));
    }
    into.catalogs.emplace_back(name, std::move(made));
  });
  for (const auto& [name, made] : into.catalogs) of.in().use.catalogs.emplace(name, &made);
}

/// Functions may call each other: their names are known before they are read.
void read_functions(const fields& of, definition& into) {
  reading& in = of.in();
  std::vector<std::pair<std::string, std::unique_ptr<task>>> made;
  for_each_named(of, "functions", [&](const std::string& name, const node&, const std::string&) {
    made.emplace_back(name, std::make_unique<task>());
    in.use.functions.emplace(name, made.back().second.get());
  });
  std::size_t next = 0;
  for_each_named(of, "functions", [&](const std::string& name, const node& from, const std::string& pointer) {
    *made[next++].second = read_single_task(in, from, pointer, name);
  });
  for (auto& [name, function] : made) into.functions.emplace_back(name, std::move(function));
}

extension read_extension(reading& in, const std::string& name, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "an extension", {"extend", "when", "before", "after"});
  extension made;
  made.name = name;
  of.need("extend");
  made.extend =
      of.choice("extend", {"call", "composite", "emit", "for", "listen", "raise", "run", "set", "switch", "try", "wait", "all"})
          .value_or("");
  made.when = of.condition("when", scope::task);
  if (const node* before = of.find("before")) made.before = read_task_list(in, *before, of.pointer("before"), "before");
  if (const node* after = of.find("after")) made.after = read_task_list(in, *after, of.pointer("after"), "after");
  return made;
}

void read_extensions(const fields& of, definition& into) {
  reading& in = of.in();
  const node* from = of.find("extensions");
  if (from == nullptr || !in.expect(*from, node::kind::sequence, "extensions", of.pointer("extensions"))) return;
  for (std::size_t i = 0; i < from->items.size(); ++i) {
    const node& item = from->items[i];
    const std::string at = of.pointer("extensions") + "/" + std::to_string(i);
    if (!item.is(node::kind::mapping) || item.members.size() != 1) {
      in.report(item.at, rule::type, at, "an extension is an object with one property, its name",
                "write - NAME: { extend: … }");
      continue;
    }
    const node::member& named = item.members.front();
    into.extensions.push_back(read_extension(in, named.key, named.value, at + "/" + pointer_token(named.key)));
  }
}

}  // namespace

void read_use(reading& in, const node& from, const std::string& pointer, definition& into) {
  const fields of(in, from, pointer, "`use`",
                  {"authentications", "errors", "extensions", "functions", "retries", "secrets", "timeouts", "catalogs"});
  if (!of) return;
  in.use.secrets = into.secrets = of.texts("secrets");
  for_each_named(of, "authentications", [&](const std::string& name, const node& value, const std::string& at) {
    in.use.authentications.emplace(name, read_authentication(in, value, at));
  });
  for_each_named(of, "errors", [&](const std::string& name, const node& value, const std::string& at) {
    in.use.errors.emplace(name, read_error(in, value, at));
  });
  for_each_named(of, "retries", [&](const std::string& name, const node& value, const std::string& at) {
    const with_locals names(in, {"error"});  // what a `catch` calls it that says nothing else
    in.use.retries.emplace(name, read_retry(in, value, at));
  });
  for_each_named(of, "timeouts", [&](const std::string& name, const node& value, const std::string& at) {
    if (auto made = read_timeout_definition(in, value, at, scope::task)) in.use.timeouts.emplace(name, std::move(*made));
  });
  read_catalogs(of, into);
  read_functions(of, into);
  read_extensions(of, into);
}

}  // namespace evermill::dsl
