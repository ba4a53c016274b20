#include <dlfcn.h>

#include <exception>
#include <mutex>
#include <set>
#include <string>

#include "evermill/plugin.hpp"

namespace evermill {
namespace {

[[noreturn]] void refuse(const std::string& file, const std::string& why) {
  throw plugin_error("plugin \"" + file + "\": " + why);
}

/// Checked before anything in the library runs but its static constructors.
const plugin_description& checked_description(void* library, const std::string& file) {
  const void* const symbol = ::dlsym(library, "evermill_plugin");
  if (symbol == nullptr) refuse(file, "the library is no evermill plugin: it has no EVERMILL_PLUGIN");
  const auto& description = *static_cast<const plugin_description*>(symbol);
  if (description.interface_version != plugin_interface_version) {
    refuse(file, "it was built for version " + std::to_string(description.interface_version) +
                     " of the plugin interface, and this program has version " + std::to_string(plugin_interface_version) +
                     ": build it against the headers of this evermill");
  }
  if (description.new_strings != _GLIBCXX_USE_CXX11_ABI) {
    refuse(file, "it was built with another value of _GLIBCXX_USE_CXX11_ABI than this program");
  }
  return description;
}

}  // namespace

void load_plugin(const std::filesystem::path& file) {
  static std::mutex mutex;
  static std::set<void*> loaded;
  const std::lock_guard lock(mutex);
  void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed: what it made may live for ever
  if (library == nullptr) refuse(file.string(), std::string("it can't be loaded: ") + ::dlerror());
  if (loaded.contains(library)) return;
  const plugin_description& description = checked_description(library, file.string());
  try {
    description.add_to(plugins());
  } catch (const std::exception& error) {
    refuse(file.string(), error.what());
  }
  loaded.insert(library);
}

}  // namespace evermill
