// Randomness behind an interface so that a simulation can seed it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace evermill {

/// Thread-safe.
class random_source {
 public:
  virtual ~random_source() = default;
  virtual std::uint64_t next() = 0;
};

/// Seeded from the operating system. For ids, never for secrets.
std::unique_ptr<random_source> make_system_random();
/// The same sequence for the same seed (SplitMix64, Steele, Lea and Flood 2014).
std::unique_ptr<random_source> make_seeded_random(std::uint64_t seed);

/// A random UUID (RFC 9562 version 4) in its 36-character text form.
std::string make_uuid(random_source& random);

}  // namespace evermill
