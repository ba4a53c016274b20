// What makes a shared library a plugin: a function that adds what it has, and one EVERMILL_PLUGIN.
#include <evermill/plugin.hpp>

#include "sqlite_broker.hpp"

namespace {

void add(evermill::plugin_registry& to) { to.add_queue("sqlite", sqlite_queue::open_sqlite_broker); }

}  // namespace

EVERMILL_PLUGIN("sqlite queue", add)
