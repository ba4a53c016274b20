// A plugin that adds what is there already.
#include "evermill/plugin.hpp"

namespace {
void add(evermill::plugin_registry& to) { to.add_queue("redis", nullptr); }
}  // namespace

EVERMILL_PLUGIN("another redis", add)
