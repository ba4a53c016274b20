#include "engine/names.hpp"

#include <string>

#include "base/text.hpp"
#include "evermill/engine.hpp"
#include "workflow/conversions.hpp"

namespace evermill {

void check_name(std::string_view what, std::string_view name) {
  if (const auto why = why_no_name(name)) {
    throw engine_error(engine_errc::invalid_argument, "the " + std::string(what) + " " + *why);
  }
}

void check_size(std::string_view what, const payload& value) {
  if (const auto why = workflow::too_large(value.data.size())) {
    throw engine_error(engine_errc::invalid_argument, "the " + std::string(what) + ": " + *why);
  }
}

}  // namespace evermill
