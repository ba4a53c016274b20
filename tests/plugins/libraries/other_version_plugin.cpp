// A plugin of another version of the interface.
#include <cstdlib>

#include "evermill/plugin.hpp"

namespace {
void add(evermill::plugin_registry&) { std::abort(); }
}  // namespace

extern "C" __attribute__((visibility("default"))) const evermill::plugin_description evermill_plugin = {
    evermill::plugin_interface_version + 1, _GLIBCXX_USE_CXX11_ABI, "from the future", add};
