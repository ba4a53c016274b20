#include <algorithm>
#include <array>

#include "dsl/names.hpp"
#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

constexpr std::string_view ask = "evermill.ask";  // names like this are evermill's own
constexpr std::array built_in = std::to_array<std::string_view>({"http", "grpc", "openapi", "asyncapi", "a2a", "mcp", ask});

bool is_protocol(std::string_view name) {
  return name != ask && std::find(built_in.begin(), built_in.end(), name) != built_in.end();
}

http_output read_http_output(const fields& of) {
  const auto chosen = of.choice("output", {"raw", "content", "response"});
  return chosen == "raw" ? http_output::raw : chosen == "response" ? http_output::response : http_output::content;
}

/// Headers and query parameters: an object of strings, or an expression.
std::optional<value_template> read_string_map(const fields& of, std::string_view key) {
  auto made = of.object_value(key, scope::task, true);
  const node& from = made ? *of.find(key) : of.object();
  if (!made || !from.is(node::kind::mapping)) return made;
  for (const node::member& member : from.members) {
    of.in().expect(member.value, node::kind::string, member.key, of.pointer(key) + "/" + pointer_token(member.key));
  }
  return made;
}

call_task read_http_call(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`with` of an http call",
                  {"method", "endpoint", "headers", "body", "query", "output", "redirect"});
  http_call made;
  made.method = of.need_text_value("method", scope::task);
  if (const node* endpoint = of.need("endpoint")) made.endpoint = read_endpoint(in, *endpoint, of.pointer("endpoint"));
  made.headers = read_string_map(of, "headers");
  made.query = read_string_map(of, "query");
  made.body = of.value("body", scope::task);
  made.output = read_http_output(of);
  made.redirect = of.boolean("redirect").value_or(false);
  return {std::move(made)};
}

void read_grpc_service(const fields& of, grpc_call& into) {
  reading& in = of.in();
  const node* from = of.need("service");
  if (from == nullptr) return;
  const fields service(in, *from, of.pointer("service"), "`service`", {"name", "host", "port", "authentication"});
  into.service = service.need_text("name");
  into.host = service.need_text_value("host", scope::task);
  if (into.host.is_constant() && into.host.constant()->is_string()) {
    const auto host = into.host.constant()->get<std::string>();
    const auto fits = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    };
    if (host.empty() || host.size() > 63 || !std::all_of(host.begin(), host.end(), fits) || host.front() == '-' ||
        host.front() == '.' || host.back() == '-' || host.back() == '.') {
      in.report(service.find("host")->at, rule::value, service.pointer("host"), in_quotes(host) + " is no host name");
    }
  }
  into.port = service.integer("port", 0, 65535);
  if (const node* policy = service.find("authentication")) {
    into.authentication = read_authentication_or_reference(in, *policy, service.pointer("authentication"));
  }
}

call_task read_grpc_call(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`with` of a grpc call", {"proto", "service", "method", "arguments"});
  grpc_call made;
  if (const node* proto = of.need("proto")) made.proto = read_external_resource(in, *proto, of.pointer("proto"));
  read_grpc_service(of, made);
  made.method = of.need_text("method");
  made.arguments = of.object_value("arguments", scope::task);
  return {std::move(made)};
}

call_task read_openapi_call(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`with` of an openapi call",
                  {"document", "operationId", "parameters", "authentication", "output", "redirect"});
  openapi_call made;
  if (const node* document = of.need("document")) made.document = read_external_resource(in, *document, of.pointer("document"));
  made.operation_id = of.need_text("operationId");
  made.parameters = of.object_value("parameters", scope::task);
  if (const node* policy = of.find("authentication")) {
    made.authentication = read_authentication_or_reference(in, *policy, of.pointer("authentication"));
  }
  made.output = read_http_output(of);
  made.redirect = of.boolean("redirect").value_or(false);
  return {std::move(made)};
}

/// "NAME:VERSION@CATALOG"
std::optional<function_call::of_catalog> read_catalog_name(const std::string& name) {
  const std::size_t at = name.rfind('@'), colon = name.find(':');
  if (at == std::string::npos || colon == std::string::npos || colon > at || colon == 0 || at + 1 == name.size())
    return std::nullopt;
  return function_call::of_catalog{name.substr(0, colon), name.substr(colon + 1, at - colon - 1), name.substr(at + 1)};
}

void check_catalog_function(const fields& of, const function_call::of_catalog& called) {
  reading& in = of.in();
  const position at = of.find("call")->at;
  if (!is_semantic_version(called.version)) {
    in.report(at, rule::value, of.pointer("call"), in_quotes(called.version) + " is no version of a function",
              "write NAME:1.0.0@CATALOG");
  }
  if (called.catalog != "default" && !in.use.catalogs.contains(called.catalog)) {
    in.report(at, rule::reference, of.pointer("call"),
              "no catalog " + in_quotes(called.catalog) + " is defined in `use.catalogs`",
              reading::did_you_mean(called.catalog, names_of(in.use.catalogs)));
  }
}

call_task read_function_call(const fields& of, const std::string& name) {
  reading& in = of.in();
  if (name == ask) {
    const node* with = of.find("with");
    return with == nullptr ? call_task{ask_call{}} : read_ask_call(in, *with, of.pointer("with"));
  }
  function_call made;
  made.name = name;
  made.arguments = of.object_value("with", scope::task);
  const auto& runtimes = in.options.functions;
  if (const auto known = in.use.functions.find(name); known != in.use.functions.end()) {
    made.function = known->second;
  } else if (std::find(runtimes.begin(), runtimes.end(), name) != runtimes.end()) {
    made.function = function_call::of_runtime{name};
  } else if (auto uri = uri_template::parse(name)) {
    made.function = std::move(*uri);
  } else if (auto called = read_catalog_name(name)) {
    check_catalog_function(of, *called);
    made.function = std::move(*called);
  } else if (in.options.any_function) {
    made.function = function_call::of_runtime{name};
  } else {
    std::vector<std::string> all(built_in.begin(), built_in.end());
    for (const auto& function : in.use.functions) all.push_back(function.first);
    all.insert(all.end(), runtimes.begin(), runtimes.end());
    in.report(of.find("call")->at, rule::reference, of.pointer("call"),
              "no function " + in_quotes(name) + " is defined in `use.functions`", reading::did_you_mean(name, all));
  }
  return {std::move(made)};
}

}  // namespace

call_task read_call(const fields& of_task) {
  reading& in = of_task.in();
  const std::string name = of_task.need_text("call");
  if (!is_protocol(name)) return read_function_call(of_task, name);
  const node* with = of_task.need("with");
  if (with == nullptr) return {};
  const std::string pointer = of_task.pointer("with");
  if (name == "http") return read_http_call(in, *with, pointer);
  if (name == "grpc") return read_grpc_call(in, *with, pointer);
  if (name == "openapi") return read_openapi_call(in, *with, pointer);
  if (name == "asyncapi") return read_asyncapi_call(in, *with, pointer);
  return name == "a2a" ? read_a2a_call(in, *with, pointer) : read_mcp_call(in, *with, pointer);
}

}  // namespace evermill::dsl
