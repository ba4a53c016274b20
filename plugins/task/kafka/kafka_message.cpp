#include "plugins/task/kafka/kafka_message.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/call_backend.hpp"
#include "base/encodings.hpp"
#include "plugins/task/http/http_message.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using json = nlohmann::json;
using queue::broker_errc;
using queue::position;

constexpr std::int64_t most_messages = 10'000;
constexpr std::int64_t most_bytes = 64 << 20;
constexpr std::int64_t most_partitions = 1'000'000;
constexpr std::string_view operation_timeout_ms = "10000";  // of what others of the same server wait for

void need_topic(const std::string& topic) {
  if (topic.empty()) throw payload_error("\"topic\" is missing");
}

std::string option(const std::string& name, const std::string& value) {
  return "&" + percent_encoded(name) + "=" + percent_encoded(value);
}

bool has(const std::map<std::string, std::string>& properties, const std::string& name) { return properties.contains(name); }

/// User and password as librdkafka's properties; the password itself is added by the caller, as no address may have it.
std::string login_options(const kafka_server& server, const std::optional<http_authentication>& shown) {
  if (!shown) return server.tls ? option("security.protocol", "ssl") : "";
  if (shown->kind != "basic") {
    throw payload_error("Kafka knows no \"authentication\" of the kind \"" + shown->kind +
                        "\": give \"basic\", or properties of librdkafka's");
  }
  if (shown->username.empty() || shown->password.empty()) {
    throw payload_error("\"authentication\" needs a \"username\" and a \"password\"");
  }
  const bool is_mechanism_given = has(server.properties, "sasl.mechanism") || has(server.properties, "sasl.mechanisms");
  return option("security.protocol", server.tls ? "sasl_ssl" : "sasl_plaintext") + option("sasl.username", shown->username) +
         (is_mechanism_given ? "" : option("sasl.mechanism", "PLAIN"));
}

/// Options of evermill's own that an address may have say nothing here, and would read this process's files and environment.
bool is_property(const std::string& name) {
  return name.find_first_of("-%&=") == std::string::npos && name != "prefix" && name != "replication";
}

/// Text as it is; other bytes in base64.
std::string text_of(const std::string& bytes) { return is_utf8(bytes) ? bytes : base64_encoded(bytes); }

json value_of(const std::string& bytes, bool& is_base64) {
  is_base64 = !is_utf8(bytes);
  if (bytes.empty()) return nullptr;
  if (is_base64) return base64_encoded(bytes);
  if (!nests_too_deeply(bytes)) {
    json value = json::parse(bytes, nullptr, false);
    if (!value.is_discarded()) return value;
  }
  return bytes;
}

kafka_record received(const kafka_receive_wait::record& from) {
  kafka_record made;
  made.partition = from.partition;
  made.offset = static_cast<std::int64_t>(from.what.at) - 1;
  made.timestamp_ms = to_micros(from.what.written) / 1000;
  made.key = text_of(from.what.what.key);
  for (const auto& [name, value] : from.what.what.headers) made.headers[to_utf8(name)] = text_of(value);
  made.value = value_of(from.what.what.value, made.is_base64);
  return made;
}

std::uint32_t partition_of(const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number < most_partitions) return number;
  throw payload_error("\"positions\": \"" + text + "\" is no partition's number");
}

struct failure_kind_of_kafka {
  broker_errc code;
  std::string_view type;
  bool retried;
  std::string_view what_to_do;
};

constexpr failure_kind_of_kafka kafka_failures[] = {
    {broker_errc::unavailable, "KafkaUnavailable", true, ""},
    {broker_errc::overloaded, "KafkaBusy", true, ""},
    {broker_errc::too_large, "KafkaMessageTooLarge", false, ""},
    {broker_errc::trimmed, "KafkaPositionGone", false,
     "; begin again with other positions, and let the topic keep messages for longer (retention.ms)"},
    {broker_errc::regressed, "KafkaPositionGone", false, "; begin again with other positions"},
    {broker_errc::not_found, "KafkaTopicNotFound", false, "; create the topic, or correct its name"},
    {broker_errc::refused, "KafkaRefused", false, ""},
    {broker_errc::closed, "KafkaUnavailable", true, ""},
};

}  // namespace

kafka_message kafka_message_of(const messages::ActivityTask& task) {
  auto message = codec<kafka_message>::decode(workflow::from_message(task.input()));
  need_topic(message.topic);
  if (!message.value.is_null() && !message.value_base64.empty()) {
    throw payload_error("a message has one value: give one of \"value\" and \"value_base64\"");
  }
  return message;
}

kafka_reading kafka_reading_of(const messages::ActivityTask& task) {
  auto reading = codec<kafka_reading>::decode(workflow::from_message(task.input()));
  need_topic(reading.topic);
  if (reading.start != "latest" && reading.start != "earliest") {
    throw payload_error("\"start\" is \"" + reading.start + "\"; it can be latest or earliest");
  }
  if (reading.max_messages < 1 || reading.max_messages > most_messages) {
    throw payload_error("\"max_messages\" must be from 1 to 10000");
  }
  if (reading.max_bytes < 1 || reading.max_bytes > most_bytes) throw payload_error("\"max_bytes\" must be from 1 to 67108864");
  return reading;
}

queue::kafka::settings kafka_settings_of(const kafka_server& server) {
  if (server.servers.empty()) throw payload_error("\"servers\" is missing: host:port,host:port…");
  if (server.servers.find_first_of("?/") != std::string::npos) {
    throw payload_error("\"servers\" must be host:port,host:port…, and no URL");
  }
  const std::optional<http_authentication> shown = http_authentication_of(server.authentication);
  std::string address = "kafka://" + server.servers + "?operation-timeout-ms=" + std::string(operation_timeout_ms);
  address += login_options(server, shown);
  const std::pair<const char*, const std::string*> files[] = {{"ssl.ca.location", &server.ca_file},
                                                              {"ssl.certificate.location", &server.certificate_file},
                                                              {"ssl.key.location", &server.key_file}};
  for (const auto& [name, file] : files) {
    if (!file->empty()) address += option(name, *file);
  }
  if (!has(server.properties, "partitioner")) address += option("partitioner", "murmur2_random");
  for (const auto& [name, value] : server.properties) {
    if (!is_property(name)) throw payload_error("\"properties\": there is no \"" + name + "\"");
    if (name != "sasl.password") address += option(name, value);
  }
  auto settings = queue::kafka::parse_address(address);
  if (!settings) throw payload_error(settings.error().message);
  const auto other = server.properties.find("sasl.password");
  const std::string password = shown ? shown->password : other != server.properties.end() ? other->second : "";
  if (!password.empty()) {
    settings->secrets.push_back(password);
    settings->given.emplace_back("sasl.password", password);
  }
  return std::move(*settings);
}

queue::record kafka_record_of(const kafka_message& message, const dispatch_id& id) {
  queue::record made;
  made.key = message.key;
  for (const auto& header : message.headers) made.headers.push_back(header);
  if (!message.idempotency_header.empty()) made.headers.emplace_back(message.idempotency_header, idempotency_key(id));
  if (!message.value_base64.empty()) {
    auto bytes = base64_decoded(message.value_base64);
    if (!bytes) throw payload_error("\"value_base64\" is no base64");
    made.value = std::move(*bytes);
  } else if (message.value.is_string()) {
    made.value = message.value.get<std::string>();
  } else if (!message.value.is_null()) {
    made.value = message.value.dump();
  }
  return made;
}

kafka_wait kafka_wait_of(const kafka_reading& reading) {
  const auto made = std::make_shared<kafka_receive_wait>();
  made->topic = reading.topic;
  made->max_messages = static_cast<std::size_t>(reading.max_messages);
  made->max_bytes = static_cast<std::size_t>(reading.max_bytes);
  for (const auto& [partition, offset] : reading.positions) {
    if (offset < 0) throw payload_error("\"positions\": the offset of partition " + partition + " is negative");
    made->after[partition_of(partition)] = static_cast<position>(offset);  // the position after what lies before the offset
  }
  return made;
}

kafka_batch kafka_beginning(const kafka_reading& reading, const std::map<std::uint32_t, queue::stream_bounds>& of) {
  kafka_batch made;
  for (const auto& [partition, bounds] : of) {
    const position after = reading.start == "earliest" ? bounds.first - 1 : std::max(bounds.last, bounds.first - 1);
    made.positions[std::to_string(partition)] = static_cast<std::int64_t>(after);
  }
  return made;
}

kafka_batch kafka_batch_of(const kafka_receive_wait& what) {
  kafka_batch made;
  for (const auto& each : what.taken) made.messages.push_back(received(each));
  for (const auto& [partition, after] : what.after) {
    made.positions[std::to_string(partition)] = static_cast<std::int64_t>(after);
  }
  return made;
}

failed kafka_failure(const queue::broker_error& why) {
  if (why.code == broker_errc::invalid) {
    failed how = call_failure("InvalidPayload", why.message, false);
    how.failure.set_kind(messages::Failure::INVALID_PAYLOAD);
    return how;
  }
  const auto* const kind = std::find_if(std::begin(kafka_failures), std::end(kafka_failures),
                                        [&](const auto& each) { return each.code == why.code; });
  return call_failure(std::string(kind->type), why.message + std::string(kind->what_to_do), kind->retried);
}

}  // namespace evermill::tasks
