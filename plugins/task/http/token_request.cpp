#include "plugins/task/http/token_request.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/call_backend.hpp"
#include "base/encodings.hpp"
#include "plugins/task/http/http_message.hpp"

namespace evermill::tasks {
namespace {

using json = nlohmann::json;

constexpr std::string_view exchange_grant = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr std::string_view jwt_assertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::string_view discovery_document = "/.well-known/openid-configuration";
constexpr std::chrono::microseconds unsaid_validity = std::chrono::minutes(5);
constexpr std::chrono::microseconds longest_validity = std::chrono::hours(24);

std::string grant_of(const http_authentication& shown) { return shown.grant.empty() ? "client_credentials" : shown.grant; }

std::string initial_refresh_token(const http_authentication& shown) {
  return shown.refresh_token.empty() ? shown.subject.token : shown.refresh_token;
}

std::string below(std::string authority, const std::string& path) {
  if (path.starts_with("http://") || path.starts_with("https://")) return path;
  while (authority.ends_with('/')) authority.pop_back();
  return authority + (path.starts_with('/') ? "" : "/") + path;
}

std::map<std::string, json> grant_fields(const http_authentication& shown, const std::string& refresh_token) {
  std::map<std::string, json> fields;
  const std::string grant = refresh_token.empty() ? grant_of(shown) : "refresh_token";
  fields["grant_type"] = grant;
  if (grant == "refresh_token") fields["refresh_token"] = refresh_token.empty() ? initial_refresh_token(shown) : refresh_token;
  if (grant == "password") {
    fields["username"] = shown.username;
    fields["password"] = shown.password;
  }
  if (grant == "authorization_code") {
    fields["code"] = shown.code;
    if (!shown.redirect_uri.empty()) fields["redirect_uri"] = shown.redirect_uri;
  }
  if (grant == exchange_grant) {
    fields["subject_token"] = shown.subject.token;
    fields["subject_token_type"] = shown.subject.type;
    if (!shown.actor.token.empty()) {
      fields["actor_token"] = shown.actor.token;
      fields["actor_token_type"] = shown.actor.type;
    }
  }
  std::string scope;
  for (const std::string& each : shown.scopes) scope.append(scope.empty() ? "" : " ").append(each);
  if (!scope.empty()) fields["scope"] = scope;
  if (shown.audiences.size() == 1) fields["audience"] = shown.audiences.front();
  if (shown.audiences.size() > 1) fields["audience"] = shown.audiences;
  return fields;
}

void show_client(const oauth2_client& client, std::map<std::string, json>& fields, transfer_request& request) {
  if (client.authentication == "client_secret_basic") {
    request.headers.emplace_back("Authorization", "Basic " + base64_encoded(percent_encoded(client.id) + ":" + percent_encoded(client.secret)));
    return;
  }
  if (!client.id.empty()) fields["client_id"] = client.id;
  if (client.authentication == "client_secret_jwt" || client.authentication == "private_key_jwt") {
    fields["client_assertion_type"] = jwt_assertion;
    fields["client_assertion"] = client.assertion;
  } else if (client.authentication != "none" && !client.secret.empty()) {
    fields["client_secret"] = client.secret;
  }
}

/// Who has issued a token that is a JWT; "": it is none, or does not say.
std::string issuer_of(const std::string& token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string::npos ? first : token.find('.', first + 1);
  if (second == std::string::npos) return {};
  const auto claims = base64_decoded(std::string_view(token).substr(first + 1, second - first - 1));
  if (!claims || nests_too_deeply(*claims)) return {};
  const json said = json::parse(*claims, nullptr, false);
  return said.is_object() && said.contains("iss") && said["iss"].is_string() ? said["iss"].get<std::string>() : std::string();
}

/// What the server says of a refusal, if it says so as the standard has it.
std::string refusal_of(const json& said) {
  if (!said.is_object() || !said.contains("error") || !said["error"].is_string()) return {};
  std::string text = ", " + said["error"].get<std::string>();
  const auto why = said.find("error_description");
  if (why != said.end() && why->is_string()) text.append(": ").append(why->get<std::string>());
  return text;
}

json parsed_body(const transfer_result& result) {
  return nests_too_deeply(result.body) ? json(json::value_t::discarded) : json::parse(result.body, nullptr, false);
}

failed no_token(const std::string& message, bool retried) { return call_failure("HttpAuthentication", message, retried); }

/// Why this is no response of 200 with an object; nothing: it is one.
std::optional<failed> why_no_object(const transfer_result& result, const json& said, const std::string& what, timestamp now) {
  if (result.error != transfer_error::none) return failure_of_transfer(result, what);
  if (result.status != 200) {
    failed how = no_token(what + " ended with status " + std::to_string(result.status) + refusal_of(said), may_pass(result.status));
    if (may_pass(result.status)) set_retry_delay(how, result.headers, now);
    return how;
  }
  if (!said.is_object()) return no_token(what + " gave no JSON object", true);
  return std::nullopt;
}

}  // namespace

bool needs_token(const http_authentication& shown) {
  if (shown.kind != "oauth2" && shown.kind != "oidc") return false;
  const auto refuse = [](const std::string& why) { throw payload_error("\"authentication\": " + why); };
  const std::string grant = grant_of(shown);
  const bool known = grant == "client_credentials" || grant == "password" || grant == "refresh_token" || grant == "authorization_code" ||
                     grant == exchange_grant;
  if (!known) refuse("there is no grant \"" + grant + "\"");
  const bool needs_authority = shown.kind == "oidc" || !shown.endpoints.token.starts_with("http");
  if (needs_authority && !shown.authority.starts_with("http://") && !shown.authority.starts_with("https://")) {
    refuse("\"authority\" must be the http or https URL of the authorization server");
  }
  if (grant == "refresh_token" && initial_refresh_token(shown).empty()) refuse("the grant \"refresh_token\" needs a \"refresh_token\"");
  if (grant == "authorization_code" && shown.code.empty()) refuse("the grant \"authorization_code\" needs a \"code\"");
  if (grant == exchange_grant && shown.subject.token.empty()) refuse("a token exchange needs a \"subject\" with a \"token\"");
  const std::string& encoding = shown.request.encoding;
  if (encoding != "application/json" && !encoding.starts_with("application/x-www-form-urlencoded")) {
    refuse("there is no encoding \"" + encoding + "\"");
  }
  const std::string& way = shown.client.authentication;
  if (!way.empty() && way != "client_secret_post" && way != "client_secret_basic" && way != "client_secret_jwt" && way != "private_key_jwt" &&
      way != "none") {
    refuse("a client can't show itself by \"" + way + "\"");
  }
  if (way.ends_with("_jwt") && shown.client.assertion.empty()) refuse("the client needs an \"assertion\", a signed JWT");
  return true;
}

std::string token_url(const http_authentication& shown) { return below(shown.authority, shown.endpoints.token); }
std::string discovery_url(const http_authentication& shown) {
  return shown.authority.ends_with(discovery_document) ? shown.authority : below(shown.authority, std::string(discovery_document));
}

transfer_request token_request(const http_authentication& shown, const std::string& url, const std::string& refresh_token,
                               const transfer_request& surroundings) {
  transfer_request request = surroundings;
  request.method = "POST";
  request.url = url;
  request.headers = {{"Accept", "application/json"}};
  std::map<std::string, json> fields = grant_fields(shown, refresh_token);
  show_client(shown.client, fields, request);
  request.headers.emplace_back("Content-Type", shown.request.encoding);
  request.body = shown.request.encoding == "application/json" ? json(fields).dump() : form_of(fields);
  return request;
}

token_answer answer_of(const http_authentication& shown, const transfer_result& result, timestamp now) {
  const std::string what = "asking " + result.url + " for a token";
  const json said = parsed_body(result);
  if (auto why = why_no_object(result, said, what, now)) return {std::nullopt, std::move(*why)};
  const auto token = said.find("access_token");
  if (token == said.end() || !token->is_string() || token->get_ref<const std::string&>().empty()) {
    return {std::nullopt, no_token(what + " gave no \"access_token\"", true)};
  }
  granted_token granted{token->get<std::string>(), {}, unsaid_validity};
  if (const auto it = said.find("refresh_token"); it != said.end() && it->is_string()) granted.refresh_token = it->get<std::string>();
  if (const auto it = said.find("expires_in"); it != said.end() && it->is_number()) {
    const double seconds = std::clamp(it->get<double>(), 0.0, std::chrono::duration<double>(longest_validity).count());
    constexpr double margin = 0.9;  // a request takes its time, and clocks differ
    granted.valid_for = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::duration<double>(seconds * margin));
  }
  const std::string issuer = issuer_of(granted.token);
  if (!shown.issuers.empty() && !issuer.empty() && std::find(shown.issuers.begin(), shown.issuers.end(), issuer) == shown.issuers.end()) {
    return {std::nullopt, no_token(what + " gave one of the issuer \"" + issuer + "\", which is not among the \"issuers\"", false)};
  }
  return {std::move(granted), {}};
}

discovered discovered_of(const http_authentication& shown, const transfer_result& result, timestamp now) {
  const std::string what = "asking " + discovery_url(shown);
  const json said = parsed_body(result);
  if (auto why = why_no_object(result, said, what, now)) return {std::nullopt, std::move(*why)};
  const auto url = said.find("token_endpoint");
  if (url == said.end() || !url->is_string()) return {std::nullopt, no_token(what + " gave no \"token_endpoint\"", true)};
  return {url->get<std::string>(), {}};
}

}  // namespace evermill::tasks
