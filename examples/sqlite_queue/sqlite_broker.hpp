// The broker that evermill sees: docs/plugins.md and <evermill/broker.hpp> say what it promises.
#pragma once

#include <evermill/plugin.hpp>

#include "address.hpp"

namespace sqlite_queue {

/// invalid: the address. unavailable or refused: the file can't be opened.
broker_result<std::unique_ptr<broker>> open_sqlite_broker(const std::string& address, const evermill::plugin_log& say);

}  // namespace sqlite_queue
