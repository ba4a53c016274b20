#include <evermill/plugin.hpp>

namespace {

std::string greet(const evermill::plugin_attempt& attempt) { return "\"hello " + attempt.input.substr(1); }
void add(evermill::plugin_registry& to) { to.add_activity("greet", greet); }

}  // namespace

EVERMILL_PLUGIN("greetings", add)
