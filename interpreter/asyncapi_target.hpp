// Where an AsyncAPI document (2 or 3) says that messages go and come from.
#pragma once

#include <cstdint>
#include <string>

#include "dsl/calls.hpp"
#include "interpreter/descriptions.hpp"
#include "interpreter/evaluation.hpp"

namespace evermill::interpreter {

struct asyncapi_target {
  enum class protocol : std::uint8_t { http, kafka };
  protocol by = protocol::http;
  std::string url;      ///< of http: the channel's
  std::string method;   ///< of http
  json server;          ///< of kafka: as its activities take it, but for the authentication
  std::string topic;    ///< of kafka
  std::string key;      ///< of kafka: of a message that is sent; may be an expression of AsyncAPI's
  bool is_json = true;  ///< what messages are, by their content type
  std::string correlation = "$message.header#/correlationId";  ///< where a message has its id
};

/// Throws fault (configuration).
asyncapi_target asyncapi_target_of(const description& in, const dsl::asyncapi_call& what, const json& variables);

/// What "$message.payload#/a/b" or "$message.header#/a" of the message is; other text is itself. null: nothing.
json asyncapi_value(const std::string& expression, const json& payload, const json& headers);

}  // namespace evermill::interpreter
