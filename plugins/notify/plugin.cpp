// The plugin "notify": what evermill/notify.hpp says.
#include "evermill/plugin.hpp"

#include "activities.hpp"

namespace {

void add(evermill::plugin_registry& to) {
  to.add_activity("telegram", evermill::notify::send_telegram);
  to.add_activity("telegram.human_task", evermill::notify::announce_by_telegram);
  to.add_activity("webhook", evermill::notify::call_webhook);
  to.add_activity("webhook.human_task", evermill::notify::announce_by_webhook);
}

}  // namespace

EVERMILL_PLUGIN("notify: Telegram and webhooks", add)
