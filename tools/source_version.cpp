// Prints a C++ header with a version made from sources: the MurmurHash3 (x64, 128 bits) of all their bytes.
//
//   evermill_source_version NAME FILE…     a header that defines NAME_version
//
// The order of the files does not matter, nor where they lie: their contents do, each with its length. So the version
// changes with the sources and with nothing else.
#include <murmurhash.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace {

using hash = std::array<std::uint64_t, 2>;

hash hash_of(const std::string& bytes) {
  hash value{};
  lmmh_x64_128(bytes.data(), static_cast<unsigned>(bytes.size()), 0, value.data());
  return value;
}

std::optional<std::string> contents_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in.is_open() || in.bad()) return std::nullopt;
  return bytes;
}

std::string text_of(const hash& value) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(value[0]),
                static_cast<unsigned long long>(value[1]));
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: " << argv[0] << " NAME FILE…\n";
    return 2;
  }
  std::vector<std::string> hashes;
  for (int i = 2; i < argc; ++i) {
    const auto bytes = contents_of(argv[i]);
    if (!bytes) {
      std::cerr << argv[0] << ": can't read " << argv[i] << '\n';
      return 1;
    }
    hashes.push_back(std::to_string(bytes->size()) + ' ' + text_of(hash_of(*bytes)) + '\n');
  }
  std::sort(hashes.begin(), hashes.end());
  std::string all;
  for (const std::string& each : hashes) all += each;
  std::cout << "// Made of the sources by evermill_source_version; changes with them.\n#pragma once\n\n"
            << "inline constexpr const char* " << argv[1] << "_version = \"" << text_of(hash_of(all)) << "\";\n";
}
