// What lies outside of a workflow: endpoints and how to be let in there, and documents, which are fetched once for each run.
#pragma once

#include "dsl/resources.hpp"
#include "evermill/task.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/instance.hpp"

namespace evermill::interpreter {

/// Where to go, and with what.
struct place {
  std::string url;
  json authentication;  ///< as the http backend takes it; null: none
};
/// `input`: what variables of the URI are members of. Throws fault.
place place_of(const evaluation& evaluate, const dsl::endpoint& of, const json& input, const std::string& pointer);

/// As the http and grpc backends take it; null where there is none.
json authentication_of(const evaluation& evaluate, const dsl::authentication_pointer& of, const json& input);
/// `$authorization`: scheme and parameter, as far as they are known before the call. Null where there is none.
value authorization_of(const json& authentication);

/// Coroutines take values.
struct endpoint_reference {
  const dsl::endpoint* to;
};
struct schema_reference {
  const dsl::external_resource* to;
};

/// The text behind it; `pointer`: for whom what is wrong with a file is said.
task<value> fetch(context ctx, instance_pointer in, frame_pointer at, endpoint_reference what);
task<value> fetch_url(context ctx, instance_pointer in, std::string url, json authentication, std::string pointer);
/// For `validate`.
task<void> fetch_schema(context ctx, instance_pointer in, frame_pointer at, schema_reference what);
dsl::json_schema fetched_schema(const instance& in, const dsl::external_resource& what, const frame& at);

/// JSON or YAML. Throws fault (configuration).
json parse_document(const std::string& text, const std::string& url, const std::string& pointer);

/// Repositories' pages as the files behind them: GitHub's and GitLab's addresses of trees and blobs.
std::string raw_address(const std::string& url);

}  // namespace evermill::interpreter
