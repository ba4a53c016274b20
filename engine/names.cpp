#include "engine/names.hpp"

#include <string>

#include "base/text.hpp"
#include "evermill/engine.hpp"

namespace evermill {

void check_name(std::string_view what, std::string_view name) {
  if (const auto why = why_no_name(name)) {
    throw engine_error(engine_errc::invalid_argument, "the " + std::string(what) + " " + *why);
  }
}

}  // namespace evermill
