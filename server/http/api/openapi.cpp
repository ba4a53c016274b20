#include "server/http/api/openapi.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "server/http/api/call.hpp"

namespace evermill::server::http::api {
namespace {

using json = nlohmann::ordered_json;

json reference(const std::string& schema) { return {{"$ref", "#/components/schemas/" + schema}}; }

json content(const std::string& type, json schema) { return {{type, {{"schema", std::move(schema)}}}}; }

json parameter_json(const parameter& from, const char* in, bool required) {
  json to{{"name", from.name}, {"in", in}};
  if (!from.description.empty()) to["description"] = from.description;
  if (required) to["required"] = true;
  to["schema"] = json::parse(from.schema);
  if (from.repeated) to["explode"] = true;
  if (!from.example.empty()) to["example"] = json::parse(from.example);
  return to;
}

parameter of_path(const std::string& name) {
  if (name == "namespace") {
    return {name, "A namespace; \"default\" is there from the start.", R"({"type": "string", "default": "default"})",
            R"("default")"};
  }
  constexpr const char* what = "An id or a name; percent-encoded, also its slashes and colons.";
  if (name == "workflow_id")
    return {name, what, R"({"type": "string", "minLength": 1, "maxLength": 512})", R"("order-1")"};
  if (name == "signal_name") return {name, what, R"({"type": "string"})", R"("approval")"};
  if (name == "query_name") return {name, what, R"({"type": "string"})", R"("state")"};
  if (name == "update_name") return {name, what, R"({"type": "string"})", R"("add_item")"};
  return {name, what};
}

json body_json(const api_route& from) {
  json to{{"required", from.body_required}};
  json example = from.body_example.empty() ? json() : json::parse(from.body_example);
  json as_json{{"schema", from.body_schema.empty() ? json::object() : reference(from.body_schema)}};
  if (!from.body_example.empty()) as_json["example"] = std::move(example);
  to["content"] = {{"application/json", std::move(as_json)}};
  if (from.body != body_kind::object) {
    to["content"]["*/*"] = {{"schema", {{"type", "string"}, {"contentMediaType", "application/octet-stream"}}}};
  }
  return to;
}

json outcomes_json(const api_route& from) {
  json to = json::object();
  for (const outcome& each : from.outcomes) {
    json& one = to[std::to_string(each.status)] = {{"description", each.description}};
    if (each.schema.empty()) continue;
    one["content"] = content(each.content_type, reference(each.schema));
  }
  to["default"] = {{"$ref", "#/components/responses/Problem"}};
  return to;
}

json operation_json(const api_route& from) {
  json to{{"operationId", from.id}, {"tags", {from.tag}}, {"summary", from.summary}};
  if (!from.description.empty()) to["description"] = from.description;
  json parameters = json::array();
  for (const std::string& name : from.form.names()) parameters.push_back(parameter_json(of_path(name), "path", true));
  for (const parameter& each : from.query) parameters.push_back(parameter_json(each, "query", false));
  for (const parameter& each : from.headers) parameters.push_back(parameter_json(each, "header", false));
  if (!parameters.empty()) to["parameters"] = std::move(parameters);
  if (from.body != body_kind::none) to["requestBody"] = body_json(from);
  to["responses"] = outcomes_json(from);
  if (!from.what) to["security"] = json::array();
  return to;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

/// Methods of one path stand together.
json paths_json(const route_table& routes) {
  json to = json::object();
  for (const api_route& each : routes) to[each.path][lower(each.method)] = operation_json(each);
  return to;
}

void give_document(const call_ptr& call) { call->answer(200, call->parts().openapi); }

void explain_problem(const call_ptr& call) {
  for (const problem_type& each : problem_types()) {
    if (each.name != call->path("name")) continue;
    std::string text(each.title);
    text += " (" + std::to_string(each.status) + ")\n\n" + std::string(each.meaning) + "\n";
    return call->to()->answer({200, "text/plain; charset=utf-8", std::move(text), {}});
  }
  throw problem(problem_kind::not_found, "there is no kind of problem of this name");
}

}  // namespace

std::string openapi_document(const route_table& routes) {
  json document{{"openapi", "3.1.0"},
                {"info",
                 {{"title", "evermill"},
                  {"version", "v1"},
                  {"summary", "A durable workflow engine."},
                  {"description", "Executions of workflows over HTTP and JSON. Every error is a problem (RFC 7807)."},
                  {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
                {"servers", {{{"url", "/"}}}},
                {"security", {json::object(), {{"token", json::array()}}}},
                {"paths", paths_json(routes)}};
  document["components"]["schemas"] = json::parse(component_schemas());
  document["components"]["responses"]["Problem"] = {
      {"description", "It was not carried out; with 429 and 503, `Retry-After` says when to try again."},
      {"content", content("application/problem+json", reference("Problem"))}};
  document["components"]["securitySchemes"]["token"] = {{"type", "http"}, {"scheme", "bearer"}};
  return document.dump();
}

void add_document_routes(route_table& to) {
  to.push_back(api_route{"GET", "/openapi.json", "getOpenApi", std::nullopt, "", give_document, "documents"}
                   .says("This document")
                   .gives(200, "OpenAPI 3.1.", "AnyObject"));
  to.push_back(api_route{"GET", "/problems/{name}", "explainProblem", std::nullopt, "", explain_problem, "documents"}
                   .says("What a kind of problem means", "The `type` of a problem is this path.")
                   .gives(200, "For people.", "Text", "text/plain"));
}

}  // namespace evermill::server::http::api
