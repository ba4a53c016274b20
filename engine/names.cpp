#include "engine/names.hpp"

#include <string>

#include "evermill/engine.hpp"

namespace evermill {
namespace {

constexpr std::size_t max_id_bytes = 512;

/// Length of the UTF-8 sequence that starts `text`, 0 where it is none (RFC 3629).
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (length == 3 && ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f))) return 0;
  if (length == 4 && ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f))) return 0;
  return length;
}

}  // namespace

void check_name(std::string_view what, std::string_view name) {
  const auto refuse = [&](const std::string& why) {
    throw engine_error(engine_errc::invalid_argument, "the " + std::string(what) + " " + why);
  };
  if (name.empty()) refuse("is empty");
  if (name.size() > max_id_bytes) {
    refuse("has " + std::to_string(name.size()) + " bytes; at most " + std::to_string(max_id_bytes) + " are allowed");
  }
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t length = utf8_sequence(rest);
    if (length == 0) refuse("is not valid UTF-8");
    if (length == 1 && (static_cast<unsigned char>(rest[0]) < 0x20 || rest[0] == 0x7f)) {
      refuse("holds a control character");
    }
    rest.remove_prefix(length);
  }
}

}  // namespace evermill
