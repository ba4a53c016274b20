#include <xxhash.h>

#include "fuzz_input.hpp"

namespace evermill::fuzz {

std::string framed(std::uint8_t family, std::string_view key, std::string_view content) {
  constexpr char version = 1;
  const std::string whole = static_cast<char>(family) + std::string(key);
  const std::uint64_t seed = XXH3_64bits_withSeed(whole.data(), whole.size(), version);
  const auto sum = static_cast<std::uint32_t>(XXH3_64bits_withSeed(content.data(), content.size(), seed));
  std::string value(1, version);
  for (int i = 0; i < 4; ++i) value.push_back(static_cast<char>(sum >> (8 * i)));
  return value.append(content);
}

}  // namespace evermill::fuzz
