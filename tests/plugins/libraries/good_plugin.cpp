// A plugin that adds queues: one that can't be opened, and says so in evermill's log.
#include "evermill/plugin.hpp"

namespace {

using namespace evermill;

void add(plugin_registry& to) {
  to.add_queue("nowhere", [](const std::string& address, const plugin_log& say) -> queue::broker_result<std::unique_ptr<queue::broker>> {
    say(log_level::warning, "nowhere was asked for");
    return unexpected(queue::broker_error{queue::broker_errc::invalid, address + " is nowhere"});
  });
}

}  // namespace

EVERMILL_PLUGIN("queues for tests", add)
