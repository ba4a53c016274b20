/// @file
/// Sending messages to topics of Apache Kafka, and receiving them, as activities.
///
///     evermill::kafka_message message;
///     message.server.servers = "kafka-1.example.com:9092,kafka-2.example.com:9092";
///     message.topic = "orders";
///     message.key = "order-7";
///     message.value = {{"item", "tea"}};
///     evermill::kafka_place where = co_await ctx.call(evermill::kafka_send, message);
///
/// Receiving is done in steps, so that the workflow's journal has the place up to which it has read. Nothing is lost then, and
/// nothing comes twice, whatever happens to processes:
///
///     evermill::kafka_reading reading;
///     reading.server = message.server;
///     reading.topic = "orders";
///     evermill::kafka_batch batch = co_await ctx.call(evermill::kafka_receive, reading);  // gives the places only
///     for (;;) {
///       reading.positions = batch.positions;
///       batch = co_await ctx.call(evermill::kafka_receive, reading);                       // waits
///       for (const evermill::kafka_record& each : batch.messages) …
///     }
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evermill/handles.hpp"
#include "evermill/secrets.hpp"

namespace evermill {

/// A Kafka cluster, and how to be let in. One that can't be as it stands fails the activity with the type "InvalidPayload".
struct kafka_server {
  std::string servers;             ///< host:port,host:port…: some of its servers, which know the others
  bool tls = false;                ///< the servers must have certificates for their names by someone trusted
  std::string ca_file;             ///< PEM, who is trusted; "": who the system trusts
  std::string certificate_file;    ///< PEM, this client's certificate; "": none
  std::string key_file;            ///< PEM, its key
  nlohmann::json authentication;   ///< null, or as http_request::authentication of the kind "basic", which is SASL's PLAIN
  /// Properties of librdkafka; those that the promises made here rest on (acks, auto.offset.reset, …) are refused. With
  /// {"sasl.mechanism", "SCRAM-SHA-512"} user and password are shown otherwise.
  std::map<std::string, std::string> properties;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(kafka_server, servers, tls, ca_file, certificate_file, key_file, authentication,
                                                properties)

/// What is sent.
struct kafka_message {
  kafka_server server;  ///< where to
  std::string topic;    ///< must be there: none is made
  /// Messages with the same key go into the same partition, in order: the one that Java's clients choose, too. "": none.
  std::string key;
  std::map<std::string, std::string> headers;  ///< by name
  /// A string goes as it is, null as no bytes (a tombstone, where the topic is compacted), all else as JSON.
  nlohmann::json value;
  std::string value_base64;  ///< in place of value: any bytes
  /// The name of a header whose value is the same in all attempts of the activity: a message that was sent twice, as a process
  /// died, is known by it. "": none.
  std::string idempotency_header;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(kafka_message, server, topic, key, headers, value, value_base64,
                                                idempotency_header)

/// Where a message lies.
struct kafka_place {
  std::int64_t partition = 0;  ///< of the topic, from 0
  std::int64_t offset = 0;     ///< in the partition, from 0
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(kafka_place, partition, offset)

/// What is to be received.
struct kafka_reading {
  kafka_server server;  ///< from where
  std::string topic;    ///< its name
  /// The offset of the next message, by partition ("0", "1", …). Empty: the activity gives those of `start`, at once and without
  /// a message. A partition that is not named was added to the topic later, and is read from its beginning.
  std::map<std::string, std::int64_t> positions;
  std::string start = "latest";        ///< "latest": what comes from now on, or "earliest": all that is kept
  std::int64_t max_messages = 100;     ///< that are received at once: 1 to 10,000
  std::int64_t max_bytes = 256 << 10;  ///< of keys, values and headers, but for a first message that is larger; 1 to 64 MiB
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(kafka_reading, server, topic, positions, start, max_messages, max_bytes)

/// A message that was received. Bytes that are no text are given in base64.
struct kafka_record {
  std::int64_t partition = 0;     ///< of the topic
  std::int64_t offset = 0;        ///< in the partition
  std::int64_t timestamp_ms = 0;  ///< since 1970, by the clock of whoever sent it or of the server
  std::string key;                ///< "": none
  std::map<std::string, std::string> headers;  ///< the last of those with the same name
  nlohmann::json value;     ///< JSON as what it says, else text; null: no bytes
  bool is_base64 = false;   ///< of the value
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(kafka_record, partition, offset, timestamp_ms, key, headers, value,
                                                is_base64)

/// What was received.
struct kafka_batch {
  std::vector<kafka_record> messages;             ///< in the order of their partition, which are in no order to each other
  std::map<std::string, std::int64_t> positions;  ///< for what comes next, of all partitions
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(kafka_batch, messages, positions)

/// Sends a message, and gives its place once all replicas that are in sync have it. Every engine has it, a testing::environment
/// has not: replace it there. Fails with the types
///
/// - "KafkaUnavailable": the server can't be reached, or has not answered in time: nobody knows whether the message is there.
///   "KafkaBusy": too much waits to be written, or too many servers are used at once. Both are tried again.
/// - "KafkaTopicNotFound": create it, or correct its name. "KafkaRefused": the login, or what the server allows this user.
///   "KafkaMessageTooLarge": raise message.max.bytes (`properties`, and the topic's). None of these is tried again.
///
/// An attempt that is canceled or exceeds a limit may send all the same. As it is, the activity has no limits, and is tried again
/// without end: give it others by `with`.
inline constexpr activity<kafka_place(kafka_message)> kafka_send{.name = "kafka.send"};

/// Waits until there is at least one message, and gives what is there, and the next places. No message is ever confirmed to the
/// server, and no consumer group is used: who gives the same places gets the same messages. Messages of transactions come when
/// they are committed. Fails with the types of kafka_send, and with
///
/// - "KafkaPositionGone": the topic does not keep messages any more that were not received yet, or was made anew. Begin again with
///   other positions, and let the topic keep messages for longer (retention.ms). Not tried again.
///
/// While it waits, a server that is away is no failure. A process that stops does not wait for it: another one goes on.
inline constexpr activity<kafka_batch(kafka_reading)> kafka_receive{.name = "kafka.receive"};

}  // namespace evermill
