/// @file
/// Calling HTTP services as an activity: co_await ctx.call(evermill::http, request).
///
///     evermill::http_request request;
///     request.method = "POST";
///     request.url = "https://api.example.com/orders";
///     request.body = {{"item", "tea"}};
///     request.authentication = evermill::bearer_authentication(evermill::secret("orders.token"));
///     nlohmann::json order = co_await ctx.call(evermill::http, request);
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "evermill/handles.hpp"
#include "evermill/secrets.hpp"

namespace evermill {

/// Who the client of an OAuth 2 authorization server is.
struct oauth2_client {
  std::string id;         ///< "": the server wants none
  std::string secret;     ///< for client_secret_basic and client_secret_post
  std::string assertion;  ///< a signed JWT, for client_secret_jwt and private_key_jwt
  /// "client_secret_post" (also where it is empty), "client_secret_basic", "client_secret_jwt", "private_key_jwt" or "none".
  std::string authentication;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(oauth2_client, id, secret, assertion, authentication)

/// Where an OAuth 2 server does what; paths below the authority, or URLs.
struct oauth2_endpoints {
  std::string token = "/oauth2/token";                 ///< gives tokens
  std::string revocation = "/oauth2/revoke";           ///< not used
  std::string introspection = "/oauth2/introspect";    ///< not used
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(oauth2_endpoints, token, revocation, introspection)

/// How a token is asked for.
struct oauth2_token_request {
  std::string encoding = "application/x-www-form-urlencoded";  ///< or "application/json"
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(oauth2_token_request, encoding)

/// A token that stands for somebody, in a token exchange (RFC 8693).
struct oauth2_token {
  std::string token;  ///< "": none
  std::string type;   ///< urn:ietf:params:oauth:token-type:…
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(oauth2_token, token, type)

/// How a request shows who makes it. What a kind does not need is left out.
struct http_authentication {
  std::string kind;      ///< "basic", "digest", "bearer", "oauth2" or "oidc"
  std::string username;  ///< of basic, digest, and the grant "password"
  std::string password;  ///< of the same
  std::string token;     ///< of bearer
  /// Of oauth2 and oidc: the URL of the authorization server. OIDC asks it where tokens are given (/.well-known/openid-configuration,
  /// which may stand at its end).
  std::string authority;
  /// "client_credentials" (also where it is empty), "password", "refresh_token", "authorization_code" or
  /// "urn:ietf:params:oauth:grant-type:token-exchange".
  std::string grant;
  oauth2_client client;                 ///< of oauth2 and oidc
  std::vector<std::string> scopes;      ///< that are asked for
  std::vector<std::string> audiences;   ///< that are asked for
  std::vector<std::string> issuers;     ///< a token that is a JWT of anybody else is refused; empty: all are taken
  oauth2_endpoints endpoints;           ///< of oauth2
  oauth2_token_request request;         ///< of oauth2 and oidc
  oauth2_token subject;                 ///< of a token exchange: for whom
  oauth2_token actor;                   ///< of a token exchange: who acts
  std::string refresh_token;            ///< of the grant "refresh_token"
  std::string code;                     ///< of the grant "authorization_code"
  std::string redirect_uri;             ///< of the same
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(http_authentication, kind, username, password, token, authority, grant, client, scopes,
                                                audiences, issuers, endpoints, request, subject, actor, refresh_token, code, redirect_uri)

/// User and password with each request (RFC 7617).
inline http_authentication basic_authentication(std::string username, std::string password) {
  http_authentication made;
  made.kind = "basic";
  made.username = std::move(username);
  made.password = std::move(password);
  return made;
}
/// A token that is known already (RFC 6750).
inline http_authentication bearer_authentication(std::string token) {
  http_authentication made;
  made.kind = "bearer";
  made.token = std::move(token);
  return made;
}

/// A request over HTTP. One that can't be made as it stands fails the activity with the type "InvalidPayload".
struct http_request {
  std::string method = "GET";                   ///< any
  std::string url;                              ///< http or https
  std::map<std::string, nlohmann::json> query;  ///< added to the URL's; a list: once for each item; null: left out
  std::map<std::string, std::string> headers;   ///< as they are
  /// null: none. A string goes as it is where the header Content-Type names something else than JSON; an object goes as a form where that
  /// is application/x-www-form-urlencoded. All else goes as JSON, with Content-Type: application/json unless it is given.
  nlohmann::json body;
  std::string body_base64;  ///< in place of body: any bytes
  std::string body_file;    ///< in place of body: the path of a file, on the machine that runs the attempt
  /// Is a redirection (300-399) a response like 200-299? false: it fails the activity, with the type "HttpStatus".
  bool redirect = false;
  unsigned max_redirects = 0;  ///< that are followed before; logins are for the first host only
  /// What the result is: "content": the body, as JSON where its Content-Type says so, else as a string (in base64 where it is no text);
  /// "raw": the body in base64; "response": {request: {method, uri, headers}, statusCode, headers, content}, with the names of the
  /// response's headers in lower case.
  std::string output = "content";
  nlohmann::json authentication;  ///< null: none; or a http_authentication
  bool verify_peer = true;        ///< the server must have a certificate for its name by someone trusted
  std::string ca_file;            ///< PEM, who is trusted; "": who the system trusts
  std::string certificate_file;   ///< PEM, this client's certificate; "": none
  std::string key_file;           ///< PEM, its key
  std::string proxy;              ///< a URL; "": what the environment says (http_proxy, https_proxy, no_proxy)
  /// A file, on the machine that runs the attempt, that a response of 200-299 is written to, however large: it comes into being when all
  /// of it is there. The content is then {file, bytes}.
  std::string response_file;
  std::int64_t max_response_bytes = 16 << 20;  ///< larger ones that are not written to a file fail ("HttpResponseTooLarge", not retried)
  std::int64_t connect_timeout_ms = 30'000;    ///< until there is a connection; at least 1
  std::int64_t timeout_ms = 0;                 ///< of the request, as a failure that is told from start_to_close; 0: none
  /// The name of a header that tells the server which requests are repeats of each other: the same text in all attempts of the activity.
  /// "": no such header.
  std::string idempotency_header;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(http_request, method, url, query, headers, body, body_base64, body_file, redirect,
                                                max_redirects, output, authentication, verify_peer, ca_file, certificate_file, key_file,
                                                proxy, response_file, max_response_bytes, connect_timeout_ms, timeout_ms,
                                                idempotency_header)

/// Makes a request over HTTP. Every engine has it, a testing::environment has not: replace it there. Fails with the types
///
/// - "HttpStatus": details {status, headers, body}. 408, 425, 429 and 500-599 are tried again, after Retry-After where the response has
///   it; others are not.
/// - "HttpConnection" and "HttpTimeout": there is no response, or a part of one; tried again.
/// - "HttpTls": a certificate is not accepted. "HttpAuthentication": the authorization server gives no token. "HttpResponseTooLarge",
///   "HttpContent" (JSON that is none), "HttpFile". Not tried again.
///
/// A request whose attempt is canceled or exceeds a limit is broken off: whether the server has acted is unknown then, as it is after
/// HttpConnection and HttpTimeout. Bytes of the response are heartbeats. As it is, the activity has no limits, and is tried again
/// without end: give it others by `with`.
inline constexpr activity<nlohmann::json(http_request)> http{.name = "http"};

}  // namespace evermill
