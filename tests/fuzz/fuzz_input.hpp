// What every fuzz target shares.
#pragma once

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

/// libFuzzer calls it with each input, the corpus driver with each file of the corpus.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace evermill::fuzz {

/// Protobuf would write a line for each input that it refuses.
inline const auto protobuf_lines = google::protobuf::SetLogHandler(nullptr);

/// Takes parts off the front of an input; what is not there is zero or empty.
class input {
 public:
  input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    const std::string_view one = take(1);
    return one.empty() ? 0 : static_cast<std::uint8_t>(one.front());
  }
  /// Up to 255 bytes, behind a byte that counts them.
  std::string_view short_text() {
    const std::size_t size = byte();
    return take(size);
  }
  /// Up to 65,535 bytes, behind two bytes that count them.
  std::string_view text() {
    const std::size_t high = byte();
    const std::size_t low = byte();
    return take(high << 8 | low);
  }
  std::string_view rest() { return take(rest_.size()); }

 private:
  std::string_view take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, std::min(size, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
};

/// What must hold for every input. Ends the process, so that the fuzzer keeps the input.
inline void expect(bool holds, std::string_view what) {
  if (holds) return;
  std::cerr << "fuzz: does not hold: " << what << '\n';
  std::abort();
}

/// A value as the store frames it, with the right checksum, so that mutated content gets behind the check.
std::string framed(std::uint8_t family, std::string_view key, std::string_view content);

}  // namespace evermill::fuzz
