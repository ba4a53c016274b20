#include "interpreter/asyncapi_target.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "dsl/errors.hpp"
#include "interpreter/errors.hpp"

namespace evermill::interpreter {
namespace {

struct named_server {
  std::string name;
  const json* of = nullptr;
};

/// A channel, and the operation on it.
struct asyncapi_channel {
  json of;
  json operation;
  json message;  ///< null where nothing is said of it
  std::string address;
};

std::string last_part(const std::string& reference) { return reference.substr(reference.rfind('/') + 1); }

bool is_http(const std::string& protocol) { return protocol == "http" || protocol == "https"; }
bool is_kafka(const std::string& protocol) { return protocol == "kafka" || protocol == "kafka-secure"; }

/// The first one, where there are several.
json message_in(const description& in, const json& raw) {
  const json& of = in.resolved(raw);
  if (of.is_array()) return of.empty() ? json() : message_in(in, of[0]);
  const json& choice = member_of(of, "oneOf");
  return choice.is_array() && !choice.empty() ? in.resolved(choice[0]) : of;
}

json first_member(const description& in, const json& of) {
  return of.is_object() && !of.empty() ? message_in(in, of.begin().value()) : json();
}

/// Of version 3; `channel` may name one, too, where no operation is.
asyncapi_channel channel_of_operation(const description& in, const dsl::asyncapi_call& what) {
  asyncapi_channel made;
  const json& operations = member_of(in.document, "operations");
  made.operation = in.resolved(member_of(operations, what.operation.c_str()));
  if (!made.operation.is_object()) in.fail("no operation is named \"" + what.operation + "\"");
  const json& reference = member_of(made.operation, "channel");
  made.of = in.resolved(reference);
  const std::string id = text_or(reference, "$ref", "");
  made.address = text_or(made.of, "address", (id.empty() ? what.operation : last_part(id)).c_str());
  made.message = message_in(in, member_of(made.operation, "messages"));
  if (made.message.is_null()) made.message = first_member(in, member_of(made.of, "messages"));
  return made;
}

asyncapi_channel channel_of_name(const description& in, const dsl::asyncapi_call& what) {
  asyncapi_channel made;
  const json& channels = member_of(in.document, "channels");
  made.of = in.resolved(member_of(channels, what.channel.c_str()));
  if (channels.is_object() && !made.of.is_object()) in.fail("no channel is named \"" + what.channel + "\"");
  made.address = text_or(made.of, "address", what.channel.c_str());
  const bool sends = std::holds_alternative<dsl::asyncapi_message>(what.action);
  made.operation = in.resolved(member_of(made.of, sends ? "publish" : "subscribe"));
  made.message = message_in(in, member_of(made.operation, "message"));
  if (made.message.is_null()) made.message = first_member(in, member_of(made.of, "messages"));
  return made;
}

/// Parameters of a channel have no place in a call: the server's variables are taken, then defaults.
void fill_parameters(const description& in, asyncapi_channel& of, const json& variables) {
  for (const auto& [name, each] : variables.items()) fill(of.address, name, as_text(each));
  for (const auto& [name, raw] : member_of(of.of, "parameters").items()) {
    const json& parameter = in.resolved(raw);
    const json& own = member_of(parameter, "default");
    const json& otherwise = own.is_null() ? member_of(member_of(parameter, "schema"), "default") : own;
    if (!otherwise.is_null()) fill(of.address, name, as_text(otherwise));
  }
  if (of.address.find('{') != std::string::npos) {
    in.fail("the channel's address \"" + of.address +
            "\" has a parameter without a value; name it among the server's variables");
  }
}

std::vector<named_server> servers_of(const description& in, const asyncapi_channel& channel) {
  std::vector<named_server> found;
  const json& all = member_of(in.document, "servers");
  const json& own = member_of(channel.of, "servers");
  for (const json& each : own.is_array() ? own : json::array()) {
    const std::string name = each.is_string() ? each.get<std::string>() : last_part(text_or(each, "$ref", ""));
    if (const json& of = member_of(all, name.c_str()); !of.is_null()) found.push_back({name, &in.resolved(of)});
  }
  if (!found.empty()) return found;
  for (const auto& [name, each] : all.items()) found.push_back({name, &in.resolved(each)});
  return found;
}

[[noreturn]] void refuse_protocol(const description& in, const std::string& what) {
  throw fault(dsl::error_type::configuration, 400, "Not available", what + ": of AsyncAPI evermill speaks http and kafka",
              in.pointer);
}

const json& server_for(const description& in, const asyncapi_channel& channel, const dsl::asyncapi_call& what) {
  if (!what.server.empty()) {
    const json& named = in.resolved(member_of(member_of(in.document, "servers"), what.server.c_str()));
    if (!named.is_object()) in.fail("no server is named \"" + what.server + "\"");
    const std::string protocol = text_or(named, "protocol", "");
    if (!is_http(protocol) && !is_kafka(protocol)) {
      refuse_protocol(in, "the server \"" + what.server + "\" speaks \"" + protocol + "\"");
    }
    return named;
  }
  std::string others;
  for (const named_server& each : servers_of(in, channel)) {
    const std::string protocol = text_or(*each.of, "protocol", "");
    const bool fits_http = is_http(protocol) && (what.protocol.empty() || what.protocol == "http");
    const bool fits_kafka = is_kafka(protocol) && (what.protocol.empty() || what.protocol == "kafka");
    if (fits_http || fits_kafka) return *each.of;
    others.append(others.empty() ? "" : ", ").append(each.name).append(" speaks \"").append(protocol).append("\"");
  }
  if (!what.protocol.empty()) in.fail("no server of the channel speaks " + what.protocol);
  refuse_protocol(in, others.empty() ? "the description names no server" : others);
}

std::string address_of_server(const json& server, const json& variables) {
  std::string url = text_or(server, "url", "");  // version 2
  if (url.empty()) url = text_or(server, "host", "") + text_or(server, "pathname", "");
  for (const auto& [name, each] : variables.items()) fill(url, name, as_text(each));
  for (const auto& [name, each] : member_of(server, "variables").items()) {
    fill(url, name, as_text(member_of(each, "default")));
  }
  return url;
}

/// librdkafka's name of how user and password are shown, where the server's description says it.
std::string mechanism_of(const description& in, const json& server) {
  for (const json& each : member_of(server, "security")) {
    const json* scheme = &in.resolved(each);
    if (scheme->is_object() && !scheme->contains("type") && !scheme->empty()) {  // version 2: by name
      const json& named = member_of(member_of(in.document, "components"), "securitySchemes");
      scheme = &in.resolved(member_of(named, scheme->begin().key().c_str()));
    }
    const std::string type = text_or(*scheme, "type", "");
    if (type == "scramSha256") return "SCRAM-SHA-256";
    if (type == "scramSha512") return "SCRAM-SHA-512";
  }
  return {};
}

/// The key that a schema allows only, or proposes.
std::string key_in(const json& message) {
  const json& schema = member_of(member_of(member_of(message, "bindings"), "kafka"), "key");
  for (const char* name : {"const", "default"}) {
    if (const json& found = member_of(schema, name); !found.is_null()) return as_text(found);
  }
  const json& list = member_of(schema, "enum");
  return list.is_array() && list.size() == 1 ? as_text(list[0]) : "";
}

void set_kafka(asyncapi_target& made, const description& in, const asyncapi_channel& channel, const json& server,
               std::string address) {
  made.by = asyncapi_target::protocol::kafka;
  if (const std::size_t scheme = address.find("://"); scheme != std::string::npos) address.erase(0, scheme + 3);
  address.resize(std::min(address.size(), address.find('/')));
  made.server = {{"servers", address}, {"tls", text_or(server, "protocol", "") == "kafka-secure"}};
  if (const std::string mechanism = mechanism_of(in, server); !mechanism.empty()) {
    made.server["properties"] = {{"sasl.mechanism", mechanism}};
  }
  const json& binding = member_of(member_of(channel.of, "bindings"), "kafka");
  made.topic = text_or(in.resolved(binding), "topic", channel.address.c_str());
  made.key = key_in(channel.message);
}

void set_http(asyncapi_target& made, const asyncapi_channel& channel, const json& server, std::string address) {
  if (address.find("://") == std::string::npos) address = text_or(server, "protocol", "http") + "://" + address;
  if (!address.ends_with('/') && !channel.address.starts_with('/')) address += '/';
  made.url = address + channel.address;
  made.method = text_or(member_of(member_of(channel.operation, "bindings"), "http"), "method", "POST");
}

}  // namespace

asyncapi_target asyncapi_target_of(const description& in, const dsl::asyncapi_call& what, const json& variables) {
  asyncapi_channel channel = what.operation.empty() ? channel_of_name(in, what) : channel_of_operation(in, what);
  fill_parameters(in, channel, variables);
  const json& server = server_for(in, channel, what);
  asyncapi_target made;
  const std::string by_default = text_or(in.document, "defaultContentType", "");
  const std::string content_type = text_or(channel.message, "contentType", by_default.c_str());
  made.is_json = content_type.empty() || content_type.find("json") != std::string::npos;
  const json& correlation = in.resolved(member_of(channel.message, "correlationId"));
  made.correlation = text_or(correlation, "location", made.correlation.c_str());
  const std::string address = address_of_server(server, variables);
  if (is_kafka(text_or(server, "protocol", ""))) {
    set_kafka(made, in, channel, server, address);
  } else {
    set_http(made, channel, server, address);
  }
  return made;
}

json asyncapi_value(const std::string& expression, const json& payload, const json& headers) {
  const bool of_payload = expression.starts_with("$message.payload#");
  const std::string prefix = of_payload ? "$message.payload#" : "$message.header#";
  if (!expression.starts_with(prefix)) return expression;
  const std::string path = expression.substr(prefix.size());
  if (!path.empty() && !path.starts_with('/')) return nullptr;
  try {
    const json::json_pointer part(path);
    const json& in = of_payload ? payload : headers;
    return in.contains(part) ? in.at(part) : json();
  } catch (const json::exception&) {  // no pointer
    return nullptr;
  }
}

}  // namespace evermill::interpreter
