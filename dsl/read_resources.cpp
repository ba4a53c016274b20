#include <algorithm>

#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

std::optional<uri_template> read_uri(reading& in, const node& from, const std::string& pointer) {
  auto parsed = uri_template::parse(from.text());
  if (parsed) return std::move(*parsed);
  in.report(from.at, rule::uri, pointer, std::move(parsed.error()));
  return std::nullopt;
}

void read_uri_or_expression(reading& in, const node& from, std::string_view name, const std::string& pointer, endpoint& into) {
  if (!in.expect(from, node::kind::string, name, pointer)) return;
  if (enclosed_expression(from.text())) {
    if (auto computed = in.condition(from, name, pointer, scope::task)) into.uri = std::move(*computed);
  } else if (auto literal = read_uri(in, from, pointer)) {
    into.uri = std::move(*literal);
  }
}

void check_secret(const fields& of, std::string_view name) {
  reading& in = of.in();
  if (std::find(in.use.secrets.begin(), in.use.secrets.end(), name) != in.use.secrets.end()) return;
  const node& at = *of.find("use");
  std::string hint = reading::did_you_mean(name, in.use.secrets);
  in.report(at.at, rule::reference, of.pointer("use"), "no secret " + in_quotes(name) + " is listed in `use.secrets`",
            hint.empty() ? "add it there" : std::move(hint));
}

template <class Properties, class Read>
void read_policy(authentication& into, const fields& policy, Read read) {
  if (!policy) return;
  if (policy.has("use")) {
    const std::string name = policy.need_text("use");
    if (!name.empty()) check_secret(policy, name);
    if (policy.object().members.size() > 1) {
      policy.in().report(policy.object().at, rule::conflict, policy.pointer(),
                         "a policy that uses a secret has no other properties");
    }
    into.properties = secret_reference{name};
  } else {
    into.properties = read();
  }
}

std::optional<oauth2_token> read_oauth2_token(const fields& parent, std::string_view key) {
  const node* from = parent.find(key);
  if (from == nullptr) return std::nullopt;
  const fields token(parent.in(), *from, parent.pointer(key), "a token", {"token", "type"});
  oauth2_token made;
  made.token = token.need_text_value("token", scope::task);
  made.type = token.need_text_value("type", scope::task);
  return made;
}

oauth2_client read_oauth2_client(const fields& parent) {
  const fields client(parent.in(), *parent.find("client"), parent.pointer("client"), "`client`",
                      {"id", "secret", "assertion", "authentication"});
  oauth2_client made;
  made.id = client.text_value("id", scope::task);
  made.secret = client.text_value("secret", scope::task);
  made.assertion = client.text_value("assertion", scope::task);
  made.authentication = client
                            .choice("authentication", {"client_secret_basic", "client_secret_post", "client_secret_jwt",
                                                       "private_key_jwt", "none"})
                            .value_or(made.authentication);
  return made;
}

void read_oauth2_endpoints(const fields& parent, oauth2_properties& into) {
  const fields endpoints(parent.in(), *parent.find("endpoints"), parent.pointer("endpoints"), "`endpoints`",
                         {"token", "revocation", "introspection"}, others::suspect);
  into.token_endpoint = endpoints.text("token").value_or(into.token_endpoint);
  into.revocation_endpoint = endpoints.text("revocation").value_or(into.revocation_endpoint);
  into.introspection_endpoint = endpoints.text("introspection").value_or(into.introspection_endpoint);
}

oauth2_properties read_oauth2(const fields& policy) {
  reading& in = policy.in();
  oauth2_properties made;
  if (const node* authority = policy.find("authority");
      authority != nullptr && in.expect(*authority, node::kind::string, "authority", policy.pointer("authority"))) {
    made.authority = read_uri(in, *authority, policy.pointer("authority"));
  }
  made.grant = policy.choice("grant", {"authorization_code", "client_credentials", "password", "refresh_token",
                                       "urn:ietf:params:oauth:grant-type:token-exchange"});
  if (policy.has("client")) made.client = read_oauth2_client(policy);
  if (policy.has("endpoints")) read_oauth2_endpoints(policy, made);
  if (const node* request = policy.find("request")) {
    const fields encoding(in, *request, policy.pointer("request"), "`request`", {"encoding"}, others::suspect);
    made.request_encoding =
        encoding.choice("encoding", {"application/x-www-form-urlencoded", "application/json"}).value_or(made.request_encoding);
  }
  made.issuers = policy.texts("issuers");
  made.scopes = policy.texts("scopes");
  made.audiences = policy.texts("audiences");
  made.username = policy.text_value("username", scope::task);
  made.password = policy.text_value("password", scope::task);
  made.subject = read_oauth2_token(policy, "subject");
  made.actor = read_oauth2_token(policy, "actor");
  return made;
}

void read_credentials(authentication& into, const fields& parent, std::string_view key) {
  const fields policy(parent.in(), *parent.find(key), parent.pointer(key), "`" + std::string(key) + "`",
                      {"username", "password", "use"});
  read_policy<user_credentials>(into, policy, [&] {
    user_credentials made;
    made.username = policy.need_text_value("username", scope::task);
    made.password = policy.need_text_value("password", scope::task);
    return made;
  });
}

}  // namespace

endpoint read_endpoint(reading& in, const node& from, const std::string& pointer) {
  endpoint made;
  if (!from.is(node::kind::mapping)) {
    read_uri_or_expression(in, from, "endpoint", pointer, made);
    return made;
  }
  const fields of(in, from, pointer, "an endpoint", {"uri", "authentication"});
  if (const node* uri = of.need("uri")) read_uri_or_expression(in, *uri, "uri", of.pointer("uri"), made);
  if (const node* policy = of.find("authentication")) {
    made.authentication = read_authentication_or_reference(in, *policy, of.pointer("authentication"));
  }
  return made;
}

external_resource read_external_resource(reading& in, const node& from, const std::string& pointer) {
  external_resource made;
  const fields of(in, from, pointer, "an external resource", {"name", "endpoint"});
  made.name = of.text("name").value_or("");
  if (const node* endpoint = of.need("endpoint")) made.endpoint = read_endpoint(in, *endpoint, of.pointer("endpoint"));
  return made;
}

authentication_pointer read_authentication(reading& in, const node& from, const std::string& pointer) {
  using scheme = authentication::scheme;
  const fields of(in, from, pointer, "an authentication policy", {"basic", "bearer", "digest", "oauth2", "oidc"},
                  others::suspect);
  const auto chosen = of.need_one({"basic", "bearer", "digest", "oauth2", "oidc"});
  if (!chosen) return nullptr;
  auto made = std::make_shared<authentication>();
  const std::string_view key = *chosen;
  if (key == "basic" || key == "digest") {
    made->what = key == "basic" ? scheme::basic : scheme::digest;
    read_credentials(*made, of, key);
  } else if (key == "bearer") {
    made->what = scheme::bearer;
    const fields policy(in, *of.find(key), of.pointer(key), "`bearer`", {"token", "use"});
    read_policy<bearer_token>(*made, policy, [&] { return bearer_token{policy.need_text_value("token", scope::task)}; });
  } else {
    made->what = key == "oauth2" ? scheme::oauth2 : scheme::oidc;
    std::vector<std::string_view> known{"authority", "grant",    "client",   "request", "issuers", "scopes",
                                        "audiences", "username", "password", "subject", "actor",   "use"};
    if (key == "oauth2") known.emplace_back("endpoints");
    const fields policy(in, *of.find(key), of.pointer(key), "`" + std::string(key) + "`", known);
    read_policy<oauth2_properties>(*made, policy, [&] { return read_oauth2(policy); });
  }
  return made;
}

authentication_pointer read_authentication_or_reference(reading& in, const node& from, const std::string& pointer) {
  if (from.is(node::kind::string)) {
    in.report(from.at, rule::type, pointer, "\"authentication\" must be an object, not a string",
              "name a policy as { use: " + from.text() + " }");
    return nullptr;
  }
  if (from.find("use") == nullptr) return read_authentication(in, from, pointer);
  const fields of(in, from, pointer, "an authentication that uses a policy by name", {"use"});
  const auto name = of.text("use");
  if (!name) return nullptr;
  const auto known = in.use.authentications.find(*name);
  if (known != in.use.authentications.end()) return known->second;
  in.report(from.find("use")->at, rule::reference, of.pointer("use"),
            "no policy " + in_quotes(*name) + " is defined in `use.authentications`",
            reading::did_you_mean(*name, names_of(in.use.authentications)));
  return nullptr;
}

}  // namespace evermill::dsl
