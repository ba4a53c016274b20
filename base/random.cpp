#include "base/random.hpp"

#include <atomic>
#include <array>
#include <random>

namespace evermill {
namespace {

class seeded_random final : public random_source {
 public:
  explicit seeded_random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() override {
    constexpr std::uint64_t golden_gamma = 0x9e3779b97f4a7c15;
    std::uint64_t z = state_.fetch_add(golden_gamma, std::memory_order_relaxed) + golden_gamma;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::atomic<std::uint64_t> state_;
};

}  // namespace

std::unique_ptr<random_source> make_seeded_random(std::uint64_t seed) { return std::make_unique<seeded_random>(seed); }

std::unique_ptr<random_source> make_system_random() {
  std::random_device device;
  return make_seeded_random((std::uint64_t{device()} << 32) | device());
}

std::string make_uuid(random_source& random) {
  std::array<std::uint64_t, 2> bits{random.next(), random.next()};
  bits[0] = (bits[0] & 0xffffffffffff0fffULL) | 0x4000ULL;
  bits[1] = (bits[1] & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) text.push_back('-');
    text.push_back(digits[(bits[nibble / 16] >> (60 - 4 * (nibble % 16))) & 0xf]);
  }
  return text;
}

}  // namespace evermill
