// What lies outside of a workflow: endpoints, how to be let in there, and documents.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dsl/uri_template.hpp"
#include "dsl/value_template.hpp"

namespace evermill::dsl {

/// The name of a secret that holds the policy's properties; it is one of `use.secrets`.
struct secret_reference {
  std::string name;
};

struct user_credentials {
  value_template username;
  value_template password;
};

struct bearer_token {
  value_template token;
};

/// RFC 8693's tokens: who is acted for, and who acts.
struct oauth2_token {
  value_template token;
  value_template type;
};

struct oauth2_client {
  std::optional<value_template> id;
  std::optional<value_template> secret;
  std::optional<value_template> assertion;
  std::string authentication = "client_secret_post";
};

/// OAuth 2 (RFC 6749), also of OpenID Connect, which finds its endpoints at the authority itself.
struct oauth2_properties {
  std::optional<uri_template> authority;
  std::optional<std::string> grant;
  std::optional<oauth2_client> client;
  std::string token_endpoint = "/oauth2/token";
  std::string revocation_endpoint = "/oauth2/revoke";
  std::string introspection_endpoint = "/oauth2/introspect";
  std::string request_encoding = "application/x-www-form-urlencoded";
  std::vector<std::string> issuers;
  std::vector<std::string> scopes;
  std::vector<std::string> audiences;
  std::optional<value_template> username;
  std::optional<value_template> password;
  std::optional<oauth2_token> subject;
  std::optional<oauth2_token> actor;
};

struct authentication {
  enum class scheme : std::uint8_t { basic, bearer, digest, oauth2, oidc };
  scheme what = scheme::basic;
  std::variant<secret_reference, user_credentials, bearer_token, oauth2_properties> properties;
};

/// One policy may be used in many places.
using authentication_pointer = std::shared_ptr<const authentication>;

struct endpoint {
  std::variant<uri_template, expression> uri;  ///< an expression gives the URI as a string
  authentication_pointer authentication;       ///< nullptr where there is none
};

struct external_resource {
  std::string name;  ///< "" where it has none
  dsl::endpoint endpoint;
};

/// Where functions `NAME:VERSION@CATALOG` are found.
struct catalog {
  dsl::endpoint endpoint;
};

}  // namespace evermill::dsl
