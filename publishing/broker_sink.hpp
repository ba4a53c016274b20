// Events in a stream of a broker: a Kafka topic in the CloudEvents Kafka binding's binary mode, a Redis stream with the same
// fields.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "evermill/broker.hpp"
#include "publishing/sink.hpp"

namespace evermill::publishing {

/// The stream is made with `partitions` partitions where there is none; a partition of evermill's always writes to the same
/// one. An event that is larger than the broker takes is published without its data, and a warning says so.
std::unique_ptr<sink> make_broker_sink(std::unique_ptr<queue::broker> broker, std::string stream, std::uint32_t partitions,
                                       log lines);

}  // namespace evermill::publishing
