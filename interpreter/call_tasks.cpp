// call: HTTP, gRPC, and functions: of the file, of catalogs, behind addresses, of the program.
#include <algorithm>
#include <utility>

#include "dsl/errors.hpp"
#include "interpreter/activities.hpp"
#include "interpreter/calls.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/resources.hpp"
#include "interpreter/tasks.hpp"

namespace evermill::interpreter {
namespace {

namespace types = dsl::error_type;

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

json http_request(const context& ctx, instance& in, frame& at, const dsl::http_call& what) {
  const evaluation evaluate(ctx, in, at);
  const place to = place_of(evaluate, what.endpoint, *at.input, at.pointer());
  at.authorization = authorization_of(to.authentication);
  return {{"method", upper(evaluate.text(what.method, *at.input))},
          {"url", to.url},
          {"query", evaluate.object(what.query, *at.input, "query")},
          {"headers", evaluate.texts(what.headers, *at.input, "headers")},
          {"body", what.body ? evaluate(*what.body, *at.input) : json()},
          {"redirect", what.redirect},
          {"output", name_of(what.output)},
          {"authentication", to.authentication}};
}

task<json> call_http(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::http_call>(std::get<dsl::call_task>(at->task->what).what);
  return result_of(ctx, "http", http_request(ctx, *in, *at, what));
}

task<json> call_grpc(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::grpc_call>(std::get<dsl::call_task>(at->task->what).what);
  task<value> fetching = fetch(ctx, in, at, {&what.proto.endpoint});
  const value proto = co_await std::move(fetching);
  const evaluation evaluate(ctx, *in, *at);
  json authentication = authentication_of(evaluate, what.authentication, *at->input);
  at->authorization = authorization_of(authentication);
  json request = {{"proto", as_text(*proto)},
                  {"service", what.service},
                  {"host", evaluate.text(what.host, *at->input)},
                  {"method", what.method},
                  {"arguments", evaluate.object(what.arguments, *at->input, "arguments")}};
  if (what.port) request["port"] = *what.port;
  request["authentication"] = std::move(authentication);
  task<json> asking = result_of(ctx, "grpc", request);
  json answer = co_await std::move(asking);
  co_return answer;
}

/// A task of the name and definition alone, as functions are written, made a workflow's.
std::string function_text(json task, const std::string& name) {
  return json{{"document", {{"dsl", "1.0.3"}, {"namespace", "functions"}, {"name", "function"}, {"version", "1.0.0"}}},
              {"use", {{"functions", {{name, std::move(task)}}}}},
              {"do", json::array({{{"call", {{"call", name}}}}})}}
      .dump();
}

/// Its definition is kept by the instance.
task<task_reference> fetch_function(context ctx, instance_pointer in, frame_pointer at, std::string url, json authentication) {
  task<value> fetching = fetch_url(ctx, in, url, std::move(authentication), at->pointer());
  const value text = co_await std::move(fetching);
  json described = text->is_string() ? parse_document(text->get<std::string>(), url, at->pointer()) : *text;
  loaded_pointer made;
  try {
    made = load(function_text(std::move(described), "fetched"));
  } catch (const application_error& error) {
    throw fault(types::configuration, 400, "No function", "what lies at " + url + " can't be called: " + error.what(),
                at->pointer());
  }
  in->fetched.push_back(made);
  task_reference found{made.get(), made->definition->functions.front().second.get()};
  co_return found;
}

/// "https://catalog.example/functions/log/1.0.0/function.yaml"
std::string address_of(std::string catalog, const dsl::function_call::of_catalog& what) {
  while (catalog.ends_with('/')) catalog.pop_back();
  constexpr std::string_view github = "https://github.com/";
  const bool repository = catalog.starts_with(github) && std::count(catalog.begin() + github.size(), catalog.end(), '/') == 1;
  if (repository) catalog += "/tree/main";
  return raw_address(catalog + "/functions/" + what.name + "/" + what.version + "/function.yaml");
}

const dsl::endpoint& catalog_of(const frame& at, const dsl::function_call::of_catalog& what) {
  for (const auto& [name, catalog] : at.of->definition->catalogs) {
    if (name == what.catalog) return catalog.endpoint;
  }
  throw fault(types::configuration, 400, "No such catalog",
              "there is no default catalog here; name one in `use.catalogs`: " + what.name + ":" + what.version + "@" +
                  what.catalog,
              at.pointer());
}

std::string function_address(std::string url) {
  if (!url.ends_with(".yaml") && !url.ends_with(".yml") && !url.ends_with(".json")) url += "/function.yaml";
  return raw_address(url);
}

struct called_function {
  const dsl::function_call* what;
};

/// The task that the function is; nothing where the program has it.
task<std::optional<task_reference>> find_function(context ctx, instance_pointer in, frame_pointer at, called_function called) {
  const auto& of = called.what->function;
  std::optional<task_reference> found;
  if (const auto* own = std::get_if<const dsl::task*>(&of)) {
    found = task_reference{at->of, *own};
  } else if (const auto* cataloged = std::get_if<dsl::function_call::of_catalog>(&of)) {
    place to = place_of(evaluation(ctx, *in, *at), catalog_of(*at, *cataloged), *at->input, at->pointer());
    task<task_reference> fetching = fetch_function(ctx, in, at, address_of(to.url, *cataloged), to.authentication);
    found = co_await std::move(fetching);
  } else if (const auto* uri = std::get_if<dsl::uri_template>(&of)) {
    auto url = uri->expand(*at->input);
    if (!url) evaluation(ctx, *in, *at).fail(url.error());
    task<task_reference> fetching = fetch_function(ctx, in, at, function_address(*url), json());
    found = co_await std::move(fetching);
  }
  co_return found;
}

task<json> call_function(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::function_call>(std::get<dsl::call_task>(at->task->what).what);
  task<std::optional<task_reference>> finding = find_function(ctx, in, at, {&what});
  const std::optional<task_reference> function = co_await std::move(finding);
  const value arguments =
      what.arguments ? make_value(evaluation(ctx, *in, *at).object(what.arguments, *at->input, "with")) : at->input;
  json given;
  if (function) {
    task<outcome> doing = run_task(ctx, in, *function, arguments, nullptr, at->extended);
    const outcome done = co_await std::move(doing);
    given = *done.output;
  } else {
    task<json> calling = result_of(ctx, std::get<dsl::function_call::of_runtime>(what.function).name, *arguments);
    given = co_await std::move(calling);
  }
  co_return given;
}

[[noreturn]] void refuse(const frame& at, const char* protocol) {
  throw fault(types::configuration, 400, "Not available",
              std::string("evermill can't call ") + protocol + ": call it by http, or from a script", at.pointer());
}

task<json> begin_call(const context& ctx, const instance_pointer& in, const frame_pointer& at) {
  const auto& what = std::get<dsl::call_task>(at->task->what).what;
  if (std::holds_alternative<dsl::http_call>(what)) return call_http(ctx, in, at);
  if (std::holds_alternative<dsl::grpc_call>(what)) return call_grpc(ctx, in, at);
  if (std::holds_alternative<dsl::openapi_call>(what)) return call_openapi(ctx, in, at);
  if (std::holds_alternative<dsl::function_call>(what)) return call_function(ctx, in, at);
  if (std::holds_alternative<dsl::ask_call>(what)) return call_ask(ctx, in, at);
  refuse(*at, std::holds_alternative<dsl::mcp_call>(what) ? "MCP servers" : "A2A agents");
}

}  // namespace

std::string_view name_of(dsl::http_output output) {
  return output == dsl::http_output::raw ? "raw" : output == dsl::http_output::response ? "response" : "content";
}

task<performed> perform_call(context ctx, instance_pointer in, frame_pointer at) {
  if (std::holds_alternative<dsl::asyncapi_call>(std::get<dsl::call_task>(at->task->what).what)) {
    task<performed> calling = call_asyncapi(ctx, in, at);
    performed done = co_await std::move(calling);
    co_return done;
  }
  task<json> calling = begin_call(ctx, in, at);
  json given = co_await std::move(calling);
  performed done{make_value(std::move(given)), std::nullopt};
  co_return done;
}

}  // namespace evermill::interpreter
