#include "interpreter/resources.hpp"

#include <utility>

#include "base/encodings.hpp"
#include "dsl/document.hpp"
#include "dsl/errors.hpp"
#include "interpreter/activities.hpp"
#include "interpreter/errors.hpp"
#include "plugins/task/shell/evermill/shell.hpp"

namespace evermill::interpreter {
namespace {

namespace types = dsl::error_type;

constexpr std::string_view file_scheme = "file://";
constexpr std::int64_t largest_file = 16 << 20;

void put(json& into, const char* name, const std::string& text) {
  if (!text.empty()) into[name] = text;
}

json oauth2_of(const evaluation& evaluate, const dsl::oauth2_properties& of, const json& input) {
  json made = json::object();
  if (of.authority) {
    auto authority = of.authority->expand(input);
    if (!authority) evaluate.fail(authority.error());
    made["authority"] = *authority;
  }
  if (of.grant) made["grant"] = *of.grant;
  if (of.client) {
    json client = {{"authentication", of.client->authentication}};
    put(client, "id", evaluate.text(of.client->id, input));
    put(client, "secret", evaluate.text(of.client->secret, input));
    put(client, "assertion", evaluate.text(of.client->assertion, input));
    made["client"] = std::move(client);
  }
  made["endpoints"] = {{"token", of.token_endpoint},
                       {"revocation", of.revocation_endpoint},
                       {"introspection", of.introspection_endpoint}};
  made["request"] = {{"encoding", of.request_encoding}};
  made["issuers"] = of.issuers;
  made["scopes"] = of.scopes;
  made["audiences"] = of.audiences;
  put(made, "username", evaluate.text(of.username, input));
  put(made, "password", evaluate.text(of.password, input));
  const auto token = [&](const char* name, const std::optional<dsl::oauth2_token>& each) {
    if (each) made[name] = {{"token", evaluate.text(each->token, input)}, {"type", evaluate.text(each->type, input)}};
  };
  token("subject", of.subject);
  token("actor", of.actor);
  return made;
}

/// All of it lies in a secret, whose members have the names of the policy's properties.
json secret_policy(std::string_view kind, const std::string& secret) {
  const auto part = [&](std::string_view path) { return secret_text(std::string(secret).append(".").append(path)); };
  if (kind == "bearer") return {{"kind", kind}, {"token", part("token")}};
  if (kind == "basic" || kind == "digest") {
    return {{"kind", kind}, {"username", part("username")}, {"password", part("password")}};
  }
  return {{"kind", kind},
          {"authority", part("authority")},
          {"grant", part("grant")},
          {"client", {{"id", part("client.id")}, {"secret", part("client.secret")}}}};
}

std::string_view kind_of(dsl::authentication::scheme scheme) {
  switch (scheme) {
    case dsl::authentication::scheme::basic: return "basic";
    case dsl::authentication::scheme::bearer: return "bearer";
    case dsl::authentication::scheme::digest: return "digest";
    case dsl::authentication::scheme::oauth2: return "oauth2";
    case dsl::authentication::scheme::oidc: break;
  }
  return "oidc";
}

std::string key_of(const dsl::external_resource& schema) {
  return "schema " + std::to_string(reinterpret_cast<std::uintptr_t>(&schema));
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  if (const std::size_t at = text.find(what); at != std::string::npos) text.replace(at, what.size(), by);
  return text;
}

/// The path that "file:///a%20b" names; as it is written where that is no such code.
std::string path_of(std::string_view url) {
  url.remove_prefix(file_scheme.size());
  return percent_decoded(url).value_or(std::string(url));
}

/// Of the machine that runs the activity.
task<json> read_file(context ctx, std::string url, std::string pointer) {
  const auto refuse = [&](const std::string& why) { throw fault(types::configuration, 400, "No such document", why, pointer); };
  shell_command command;
  command.argv = {"cat", "--", path_of(url)};
  command.max_output_bytes = largest_file;
  command.check = false;
  if (!command.argv.back().starts_with('/')) refuse("\"" + url + "\" names no file of this machine: write file:///PATH");
  task<json> asking = result_of(ctx, std::string(shell.name), command);
  const json read = co_await std::move(asking);
  if (read.value("exit_code", 0) != 0) refuse(url + " can't be read: " + read.value("stderr_text", std::string()));
  if (read.value("stdout_truncated", false)) refuse(url + " is too large");
  co_return read.value("stdout_text", std::string());
}

}  // namespace

json authentication_of(const evaluation& evaluate, const dsl::authentication_pointer& of, const json& input) {
  if (of == nullptr) return nullptr;
  const std::string_view kind = kind_of(of->what);
  if (const auto* secret = std::get_if<dsl::secret_reference>(&of->properties)) return secret_policy(kind, secret->name);
  json made;
  if (const auto* user = std::get_if<dsl::user_credentials>(&of->properties)) {
    made = {{"username", evaluate.text(user->username, input)}, {"password", evaluate.text(user->password, input)}};
  } else if (const auto* bearer = std::get_if<dsl::bearer_token>(&of->properties)) {
    made = {{"token", evaluate.text(bearer->token, input)}};
  } else {
    made = oauth2_of(evaluate, std::get<dsl::oauth2_properties>(of->properties), input);
  }
  made["kind"] = kind;
  return made;
}

value authorization_of(const json& authentication) {
  if (!authentication.is_object()) return nullptr;
  const std::string kind = authentication.value("kind", std::string());
  if (kind == "bearer") return make_value({{"scheme", "Bearer"}, {"parameter", authentication["token"]}});
  const bool tokens = kind == "oauth2" || kind == "oidc";
  return make_value({{"scheme", tokens ? "Bearer" : kind == "digest" ? "Digest" : "Basic"}, {"parameter", nullptr}});
}

place place_of(const evaluation& evaluate, const dsl::endpoint& of, const json& input, const std::string& pointer) {
  place made;
  if (const auto* computed = std::get_if<dsl::expression>(&of.uri)) {
    json text = evaluate(*computed, input);
    if (!text.is_string()) {
      evaluate.fail("the endpoint must be a text, not " + text.dump() + ", in `" + computed->source() + "`");
    }
    auto parsed = dsl::uri_template::parse(text.get_ref<const std::string&>());
    if (!parsed) throw fault(types::configuration, 400, "No URI", parsed.error(), pointer);
    made.url = text.get<std::string>();
  } else {
    auto expanded = std::get<dsl::uri_template>(of.uri).expand(input);
    if (!expanded) evaluate.fail(expanded.error());
    made.url = std::move(*expanded);
  }
  made.authentication = authentication_of(evaluate, of.authentication, input);
  return made;
}

task<value> fetch_url(context ctx, instance_pointer in, std::string url, json authentication, std::string pointer) {
  if (const auto known = in->resources.find(url); known != in->resources.end()) co_return known->second;
  json request = {{"method", "GET"}, {"url", url}, {"output", "content"}, {"max_redirects", 5}};
  request["authentication"] = std::move(authentication);
  const bool is_file = url.starts_with(file_scheme);
  task<json> asking = is_file ? read_file(ctx, url, std::move(pointer)) : result_of(ctx, "http", std::move(request));
  json answer = co_await std::move(asking);
  value text = make_value(std::move(answer));
  in->resources[url] = text;
  co_return text;
}

task<value> fetch(context ctx, instance_pointer in, frame_pointer at, endpoint_reference what) {
  const json nothing;
  const json& input = at->input != nullptr ? *at->input : at->raw_input != nullptr ? *at->raw_input : nothing;
  place to = place_of(evaluation(ctx, *in, *at), *what.to, input, at->pointer());
  return fetch_url(ctx, std::move(in), std::move(to.url), std::move(to.authentication), at->pointer());
}

task<void> fetch_schema(context ctx, instance_pointer in, frame_pointer at, schema_reference what) {
  const std::string key = key_of(*what.to);
  if (in->resources.contains(key)) co_return;
  task<value> fetching = fetch(ctx, in, at, {&what.to->endpoint});
  const value text = co_await std::move(fetching);
  in->resources[key] =
      text->is_string() ? make_value(parse_document(text->get<std::string>(), what.to->name, at->pointer())) : text;
}

dsl::json_schema fetched_schema(const instance& in, const dsl::external_resource& what, const frame& at) {
  const auto found = in.resources.find(key_of(what));
  if (found == in.resources.end()) throw std::logic_error("a schema was not fetched before it is needed");
  auto compiled = dsl::json_schema::compile(*found->second);
  if (compiled) return std::move(*compiled);
  throw fault(types::configuration, 400, "No JSON Schema", "the schema that was fetched can't be used: " + compiled.error(),
              at.pointer());
}

json parse_document(const std::string& text, const std::string& url, const std::string& pointer) {
  dsl::problems found;
  auto read = dsl::read_document(text, dsl::text_format::detect, found);
  if (read) return dsl::to_json(*read);
  throw fault(types::configuration, 400, "Unreadable document", dsl::describe(read.error(), url), pointer);
}

std::string raw_address(const std::string& url) {
  constexpr std::string_view github = "https://github.com/";
  if (url.starts_with(github)) {
    std::string raw = replaced(url, github, "https://raw.githubusercontent.com/");
    if (raw.find("/tree/") != std::string::npos) return replaced(raw, "/tree/", "/refs/heads/");
    return replaced(raw, "/blob/", "/refs/heads/");
  }
  if (url.starts_with("https://gitlab.com/")) {
    return replaced(replaced(url, "/-/tree/", "/-/raw/"), "/-/blob/", "/-/raw/");
  }
  return url;
}

}  // namespace evermill::interpreter
