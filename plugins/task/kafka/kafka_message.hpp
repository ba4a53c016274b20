// What of sending and receiving knows no server: what activities are given and give.
#pragma once

#include <map>

#include "evermill/kafka.hpp"
#include "plugins/queue/kafka/settings.hpp"
#include "plugins/task/kafka/shared_reading.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// Both throw payload_error.
kafka_message kafka_message_of(const messages::ActivityTask& task);
kafka_reading kafka_reading_of(const messages::ActivityTask& task);

/// Throws payload_error.
queue::kafka::settings kafka_settings_of(const kafka_server& server);

/// As it is sent. Throws payload_error.
queue::record kafka_record_of(const kafka_message& message, const dispatch_id& id);

/// Nothing is waited for yet. Throws payload_error.
kafka_wait kafka_wait_of(const kafka_reading& reading);
/// Where what begins that has no positions yet.
kafka_batch kafka_beginning(const kafka_reading& reading, const std::map<std::uint32_t, queue::stream_bounds>& of);
/// What it has taken.
kafka_batch kafka_batch_of(const kafka_receive_wait& what);

failed kafka_failure(const queue::broker_error& why);

}  // namespace evermill::tasks
