// The kinds of `call`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dsl/ask.hpp"
#include "dsl/data_flow.hpp"
#include "dsl/duration.hpp"
#include "dsl/resources.hpp"
#include "dsl/tasks_fwd.hpp"

namespace evermill::dsl {

/// What of an HTTP response is the task's output.
enum class http_output : std::uint8_t { content, raw, response };

struct http_call {
  value_template method;  ///< as it is written; any case
  dsl::endpoint endpoint;
  std::optional<value_template> headers;  ///< an object of strings, or an expression that gives one
  std::optional<value_template> query;    ///< the same
  std::optional<value_template> body;
  http_output output = http_output::content;
  bool redirect = false;  ///< true: a status of 300 to 399 is no error
};

struct grpc_call {
  external_resource proto;
  std::string service;
  value_template host;
  std::optional<std::int64_t> port;
  authentication_pointer authentication;
  std::string method;
  std::optional<value_template> arguments;
};

struct openapi_call {
  external_resource document;
  std::string operation_id;
  std::optional<value_template> parameters;
  authentication_pointer authentication;
  http_output output = http_output::content;
  bool redirect = false;
};

/// What is done with each event or message that a `listen` or subscription consumes.
struct subscription_iterator {
  std::string item = "item";  ///< the name of the variable that holds it
  std::string at = "index";   ///< and of the one that counts them from 0
  task_list_pointer tasks;    ///< nullptr where there are none
  transformation output;
  transformation exports;
};

struct asyncapi_subscription {
  enum class lifetime : std::uint8_t { amount, while_holds, until_holds };
  std::optional<expression> filter;
  lifetime what = lifetime::amount;
  std::int64_t amount = 0;
  std::optional<expression> condition;       ///< of while_holds and until_holds
  std::optional<duration_value> time_limit;  ///< consume.for
  std::optional<subscription_iterator> iterator;
};

struct asyncapi_message {
  std::optional<value_template> payload;
  std::optional<value_template> headers;
};

struct asyncapi_call {
  external_resource document;
  std::string channel;    ///< AsyncAPI 2: the channel; "" where `operation` is given
  std::string operation;  ///< AsyncAPI 3: the operation
  std::string server;     ///< "" for the first that fits
  std::optional<value_template> server_variables;
  std::string protocol;  ///< "" for any
  std::variant<asyncapi_message, asyncapi_subscription> action;
  authentication_pointer authentication;
};

struct a2a_call {
  std::string method;
  std::variant<external_resource, dsl::endpoint> agent;  ///< the agent's card, or a server
  std::optional<value_template> parameters;
};

struct mcp_http_transport {
  dsl::endpoint endpoint;
  std::optional<value_template> headers;
};
struct mcp_stdio_transport {
  value_template command;
  std::vector<value_template> arguments;
  std::optional<value_template> environment;
};

struct mcp_call {
  std::string protocol_version = "2025-06-18";
  std::string method;
  std::optional<value_template> parameters;
  std::optional<duration_value> timeout;
  std::variant<mcp_http_transport, mcp_stdio_transport> transport;
  std::optional<value_template> transport_options;
  std::string client_name;  ///< "" for the runtime's own
  std::string client_version;
};

/// A function that is no protocol: one of `use.functions`, of a catalog, or behind a URI.
struct function_call {
  struct of_catalog {
    std::string name;
    std::string version;
    std::string catalog;  ///< a name of `use.catalogs`, or "default"
  };
  struct of_runtime {
    std::string name;  ///< one of reading_options::functions
  };
  /// The task of `use.functions` (owned by the definition), or where the function comes from.
  std::variant<const task*, of_catalog, uri_template, of_runtime> function;
  std::string name;  ///< as it is written
  std::optional<value_template> arguments;
};

struct call_task {
  std::variant<http_call, grpc_call, openapi_call, asyncapi_call, a2a_call, mcp_call, function_call, ask_call> what;
};

}  // namespace evermill::dsl
