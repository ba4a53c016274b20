// The broker that an address names. A further kind of broker is one line in open_broker.cpp, or a plugin (evermill/plugin.hpp).
#pragma once

#include <memory>
#include <string>

#include "base/log.hpp"
#include "evermill/broker.hpp"

namespace evermill::queue {

/// Is there a broker whose addresses begin like this one?
bool is_broker_address(const std::string& address);

/// kafka://… or redis://…, as kafka/kafka_broker.hpp and redis/redis_broker.hpp say, or what a plugin has added. invalid: something is wrong with the address.
/// The server need not be there yet.
broker_result<std::unique_ptr<broker>> open_broker(const std::string& address, const log& lines);

}  // namespace evermill::queue
