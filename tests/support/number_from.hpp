// Numbers that whoever runs a test may give it.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace evermill::tests {

/// The number in an environment variable, or `otherwise`.
inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace evermill::tests
