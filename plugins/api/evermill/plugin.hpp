/// @file
/// Plugins: what a shared library, or a program of your own, adds to evermill.
///
/// A shared library has one EVERMILL_PLUGIN, and is loaded by `evermill --plugin libx.so …` or load_plugin:
///
///     void add(evermill::plugin_registry& to) {
///       to.add_queue("sqlite", [](const std::string& address, const evermill::plugin_log& say) { return open(address, say); });
///     }
///     EVERMILL_PLUGIN("sqlite queue", add)
///
/// A program that links what it needs adds it to `plugins()` by itself, before it opens an engine.
///
/// Plugins are C++: a library must be built with the same standard library as the program, and against headers of the same
/// plugin_interface_version; others are refused before anything in them runs. They are never unloaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "evermill/activity_plugin.hpp"
#include "evermill/broker.hpp"

namespace evermill {

/// Grows whenever this header, or one that it includes, changes so that a library built before could not be used any more.
inline constexpr std::uint32_t plugin_interface_version = 2;

/// A plugin could not be loaded, or added what can't be used. what() says which one, why, and what to do.
class plugin_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Opens a broker by its address, "SCHEME://…", which it may find `invalid`. The server need not be there yet.
using open_queue =
    std::function<queue::broker_result<std::unique_ptr<queue::broker>>(const std::string& address, const plugin_log& say)>;

/// What can be added. Thread-safe.
class plugin_registry {
 public:
  /// Brokers whose addresses begin with "SCHEME://": for `--queue`, engine_options::queue, and as a place to publish to.
  /// `scheme`: lower-case letters and digits, a letter first. Throws plugin_error: it is none, or is there already.
  virtual void add_queue(const std::string& scheme, open_queue open) = 0;
  /// Attempts of activities of this type are run by the plugin, in each engine and worker that is opened afterwards (a worker:
  /// whose backends have "plugins"). An activity of the same type that a program registers goes before. Throws plugin_error: the
  /// type is empty, longer than 512 bytes or no UTF-8, is evermill's own, or is there already.
  virtual void add_activity(const std::string& type, run_activity run) = 0;

 protected:
  ~plugin_registry() = default;
};

/// What this process has.
plugin_registry& plugins();

/// Loads a shared library and lets it add what it has; one that is loaded already adds nothing again. A name without a slash is
/// looked for where the system looks for libraries. Throws plugin_error.
void load_plugin(const std::filesystem::path& file);

/// What EVERMILL_PLUGIN puts into a library.
struct plugin_description {
  std::uint32_t interface_version;  ///< plugin_interface_version, when it was built
  std::uint32_t new_strings;  ///< libstdc++'s _GLIBCXX_USE_CXX11_ABI
  const char* name;           ///< for people
  void (*add_to)(plugin_registry& registry);  ///< adds what it has
};

}  // namespace evermill

#ifndef _GLIBCXX_USE_CXX11_ABI
#error "evermill is built with libstdc++"
#endif

/// Once in a library: its name, for people, and a function `void add(evermill::plugin_registry&)`, which may throw.
#define EVERMILL_PLUGIN(name_for_people, add_function)                                                                    \
  extern "C" __attribute__((visibility("default"))) const ::evermill::plugin_description evermill_plugin = {              \
      ::evermill::plugin_interface_version, _GLIBCXX_USE_CXX11_ABI, name_for_people, add_function};
