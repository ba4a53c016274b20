// Calls that OpenAPI (3 and Swagger 2) describes, as HTTP requests.
#include <utility>

#include "base/encodings.hpp"
#include "interpreter/activities.hpp"
#include "interpreter/calls.hpp"
#include "interpreter/descriptions.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/resources.hpp"

namespace evermill::interpreter {
namespace {

constexpr std::initializer_list<const char*> methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"};

struct operation {
  std::string method;
  std::string path;
  json of;
  json parameters = json::array();  ///< of the path and the operation, resolved; those of the operation last
};

operation find_operation(const description& in, const std::string& id) {
  for (const auto& [path, raw] : member_of(in.document, "paths").items()) {
    const json& item = in.resolved(raw);
    for (const char* method : methods) {
      const json& of = member_of(item, method);
      if (!of.is_object() || member_of(of, "operationId") != id) continue;
      operation found{method, path, of};
      for (const json* list : {&member_of(item, "parameters"), &member_of(of, "parameters")}) {
        for (const json& each : *list) found.parameters.push_back(in.resolved(each));
      }
      return found;
    }
  }
  in.fail("no operation has the operationId \"" + id + "\"");
}

/// "https://host:1/a/b" of a URL.
std::string origin_of(const std::string& url) {
  const std::size_t host = url.find("://");
  return url.substr(0, url.find('/', host == std::string::npos ? 0 : host + 3));
}

std::string server_of(const description& in) {
  if (const json& host = member_of(in.document, "swagger"); !host.is_null()) {  // version 2
    const json& schemes = member_of(in.document, "schemes");
    const std::string fallback = in.url.starts_with("http://") ? "http" : "https";
    std::string scheme = schemes.is_array() && !schemes.empty() ? as_text(schemes[0]) : fallback;
    for (const json& each : schemes.is_array() ? schemes : json::array()) scheme = each == "https" ? "https" : scheme;
    const std::string name = text_or(in.document, "host", "");
    const std::string base = text_or(in.document, "basePath", "");
    return (name.empty() ? origin_of(in.url) : scheme + "://" + name) + (base == "/" ? "" : base);
  }
  const json& servers = member_of(in.document, "servers");
  if (!servers.is_array() || servers.empty()) return origin_of(in.url);
  std::string url = text_or(servers[0], "url", "/");
  for (const auto& [name, each] : member_of(servers[0], "variables").items()) {
    fill(url, name, as_text(member_of(each, "default")));
  }
  if (url.starts_with("/")) url = origin_of(in.url) + url;
  while (url.ends_with('/')) url.pop_back();
  return url;
}

/// Puts each argument where the description says; what it does not name is the body's.
json request_of(const description& in, const operation& what, const json& arguments) {
  json query = json::object(), headers = json::object(), rest = arguments, body;
  std::string path = what.path, cookies;
  for (const json& parameter : what.parameters) {
    const std::string name = text_or(parameter, "name", ""), where = text_or(parameter, "in", "");
    const auto given = arguments.find(name);
    if (given == arguments.end() || given->is_null()) {
      if (member_of(parameter, "required") == true && where != "body") in.fail("the parameter \"" + name + "\" is missing");
      continue;
    }
    rest.erase(name);
    if (where == "path") {
      fill(path, name, percent_encoded(as_text(*given)));
    } else if (where == "query") {
      query[name] = *given;
    } else if (where == "header") {
      headers[name] = as_text(*given);
    } else if (where == "cookie") {
      cookies.append(cookies.empty() ? "" : "; ").append(name).append("=").append(as_text(*given));
    } else {
      body = *given;  // "body" of Swagger 2
    }
  }
  if (!cookies.empty()) headers["Cookie"] = cookies;
  const bool has_body = !member_of(what.of, "requestBody").is_null();
  if (has_body) {
    body = rest.contains("body") && rest.size() == 1 ? rest["body"] : rest;
  } else if (!rest.empty()) {
    in.fail("the operation has no parameter \"" + rest.begin().key() + "\"");
  }
  std::string method = what.method;
  for (char& c : method) c = static_cast<char>(c - 'a' + 'A');
  return {{"method", method}, {"url", server_of(in) + path}, {"query", query}, {"headers", headers}, {"body", body}};
}

}  // namespace

task<json> call_openapi(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::openapi_call>(std::get<dsl::call_task>(at->task->what).what);
  task<description_pointer> fetching = fetch_description(ctx, in, at, {&what.document.endpoint});
  const description_pointer described = co_await std::move(fetching);
  const evaluation evaluate(ctx, *in, *at);
  json request = request_of(*described, find_operation(*described, what.operation_id),
                            evaluate.object(what.parameters, *at->input, "parameters"));
  request["authentication"] = authentication_of(evaluate, what.authentication, *at->input);
  at->authorization = authorization_of(request["authentication"]);
  request["redirect"] = what.redirect;
  request["output"] = name_of(what.output);
  task<json> asking = result_of(ctx, "http", request);
  json answer = co_await std::move(asking);
  co_return answer;
}

}  // namespace evermill::interpreter
