// A broker that is Apache Kafka. Streams are topics, positions are offsets + 1, a membership is a consumer group.
#pragma once

#include <memory>
#include <string>

#include "base/log.hpp"
#include "evermill/broker.hpp"

namespace evermill::queue {

/// `address`: kafka://host:port[,host:port…][?option=value&…], values %-encoded. Options of evermill's own:
///
///   prefix         of the names of topics and consumer groups (evermill): the stream "decisions" is the topic PREFIX.decisions
///   replication    of topics that are created (the server's default)
///   insecure       yes: servers beyond this machine are used without TLS, which is refused otherwise
///   operation-timeout-ms  how long what blocks waits for the server (15000)
///   password-file  a file that holds sasl.password in its first line
///   password-env   the environment variable that holds sasl.password
///
/// Every other option is a property of librdkafka (security.protocol, sasl.mechanism, ssl.ca.location, message.timeout.ms, …).
/// invalid: something is wrong with the address or an option. The server need not be there yet.
broker_result<std::unique_ptr<broker>> make_kafka_broker(const std::string& address, const log& to = {});

}  // namespace evermill::queue
