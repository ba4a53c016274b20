// Calls with many properties of their own: AsyncAPI, A2A, MCP.
#include <limits>

#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

void read_consume(const fields& of, asyncapi_subscription& into) {
  using lifetime = asyncapi_subscription::lifetime;
  const node* from = of.need("consume");
  if (from == nullptr) return;
  const fields consume(of.in(), *from, of.pointer("consume"), "`consume`", {"amount", "while", "until", "for"});
  into.time_limit = consume.duration_of("for", scope::task);
  const auto chosen = consume.need_one({"amount", "while", "until"});
  if (!chosen) return;
  if (*chosen == "amount") {
    into.amount = consume.integer("amount", 1, std::numeric_limits<std::int64_t>::max()).value_or(1);
    return;
  }
  into.what = *chosen == "while" ? lifetime::while_holds : lifetime::until_holds;
  into.condition = consume.condition(*chosen, scope::task);
}

asyncapi_subscription read_subscription(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`subscription`", {"filter", "consume", "foreach"});
  asyncapi_subscription made;
  made.filter = of.condition("filter", scope::task);
  read_consume(of, made);
  if (const node* iterator = of.find("foreach"))
    made.iterator = read_subscription_iterator(in, *iterator, of.pointer("foreach"));
  return made;
}

asyncapi_message read_message(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`message`", {"payload", "headers"});
  return {of.object_value("payload", scope::task, true), of.object_value("headers", scope::task, true)};
}

void read_asyncapi_server(const fields& of, asyncapi_call& into) {
  const fields server(of.in(), *of.find("server"), of.pointer("server"), "`server`", {"name", "variables"});
  into.server = server.need_text("name");
  into.server_variables = server.object_value("variables", scope::task);
}

void read_mcp_transport(const fields& of, mcp_call& into) {
  reading& in = of.in();
  const node* from = of.need("transport");
  if (from == nullptr) return;
  const fields transport(in, *from, of.pointer("transport"), "`transport`", {"http", "stdio", "options"}, others::suspect);
  into.transport_options = transport.object_value("options", scope::task);
  const auto chosen = transport.need_one({"http", "stdio"});
  if (!chosen) return;
  const node& given = *transport.find(*chosen);
  if (*chosen == "http") {
    const fields http(in, given, transport.pointer("http"), "`http`", {"endpoint", "headers"}, others::suspect);
    mcp_http_transport made;
    if (const node* endpoint = http.need("endpoint")) made.endpoint = read_endpoint(in, *endpoint, http.pointer("endpoint"));
    made.headers = http.object_value("headers", scope::task);
    into.transport = std::move(made);
  } else {
    const fields stdio(in, given, transport.pointer("stdio"), "`stdio`", {"command", "arguments", "environment"},
                       others::suspect);
    mcp_stdio_transport made;
    made.command = stdio.need_text_value("command", scope::task);
    made.arguments = stdio.text_values("arguments", scope::task);
    made.environment = stdio.object_value("environment", scope::task);
    into.transport = std::move(made);
  }
}

/// An object, or text that is an expression.
std::optional<value_template> read_parameters(const fields& of, bool some) {
  const node* from = of.find("parameters");
  if (from == nullptr) return std::nullopt;
  if (from->is(node::kind::string)) return of.text_value("parameters", scope::task);
  if (some && from->is(node::kind::mapping) && from->members.empty()) {
    of.in().report(from->at, rule::value, of.pointer("parameters"), "\"parameters\" has none", "leave it out");
  }
  return of.object_value("parameters", scope::task);
}

}  // namespace

call_task read_asyncapi_call(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`with` of an asyncapi call",
                  {"document", "channel", "operation", "server", "protocol", "message", "subscription", "authentication"});
  asyncapi_call made;
  if (const node* document = of.need("document")) made.document = read_external_resource(in, *document, of.pointer("document"));
  if (of.need_one({"operation", "channel"})) {
    made.operation = of.text("operation").value_or("");
    made.channel = of.text("channel").value_or("");
  }
  if (of.has("server")) read_asyncapi_server(of, made);
  made.protocol =
      of.choice("protocol", {"amqp", "amqp1", "anypointmq", "googlepubsub", "http", "ibmmq", "jms", "kafka", "mercure", "mqtt",
                             "mqtt5", "nats", "pulsar", "redis", "sns", "solace", "sqs", "stomp", "ws"})
          .value_or("");
  if (const auto chosen = of.need_one({"message", "subscription"})) {
    const node& action = *of.find(*chosen);
    if (*chosen == "message") {
      made.action = read_message(in, action, of.pointer(*chosen));
    } else {
      made.action = read_subscription(in, action, of.pointer(*chosen));
    }
  }
  if (const node* policy = of.find("authentication")) {
    made.authentication = read_authentication_or_reference(in, *policy, of.pointer("authentication"));
  }
  return {std::move(made)};
}

call_task read_a2a_call(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`with` of an a2a call", {"method", "agentCard", "server", "parameters"});
  a2a_call made;
  of.need("method");
  made.method = of.choice("method", {"message/send", "message/stream", "tasks/get", "tasks/list", "tasks/cancel",
                                     "tasks/resubscribe", "tasks/pushNotificationConfig/set",
                                     "tasks/pushNotificationConfig/get", "tasks/pushNotificationConfig/list",
                                     "tasks/pushNotificationConfig/delete", "agent/getAuthenticatedExtendedCard"})
                    .value_or("");
  const node* card = of.find("agentCard");
  const node* server = of.find("server");
  if (card != nullptr) made.agent = read_external_resource(in, *card, of.pointer("agentCard"));
  if (server != nullptr) {
    endpoint read = read_endpoint(in, *server, of.pointer("server"));
    if (card == nullptr) made.agent = std::move(read);  // the card wins
  }
  if (of && card == nullptr && server == nullptr) {
    in.report(from.at, rule::missing_property, pointer, "`with` of an a2a call needs \"agentCard\" or \"server\"");
  }
  made.parameters = read_parameters(of, true);
  return {std::move(made)};
}

call_task read_mcp_call(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`with` of an mcp call",
                  {"protocolVersion", "method", "parameters", "timeout", "transport", "client"}, others::suspect);
  mcp_call made;
  made.protocol_version = of.text("protocolVersion").value_or(made.protocol_version);
  of.need("method");
  made.method = of.choice("method", {"tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list",
                                     "resources/read", "resources/templates/list"})
                    .value_or("");
  made.parameters = read_parameters(of, false);
  made.timeout = of.duration_of("timeout", scope::task);
  read_mcp_transport(of, made);
  if (const node* given = of.find("client")) {
    const fields client(in, *given, of.pointer("client"), "`client`", {"name", "version"}, others::suspect);
    made.client_name = client.need_text("name");
    made.client_version = client.need_text("version");
  }
  return {std::move(made)};
}

}  // namespace evermill::dsl
