// Where records lie in the files that RocksDB writes as logs.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace evermill::tests {

inline std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Where the last record of a log begins: blocks of 32 KiB, in which a record is a checksum of four bytes, a length of two, a type
/// of one, and the data. https://github.com/facebook/rocksdb/wiki/Write-Ahead-Log-File-Format
inline std::size_t last_record(const std::string& log) {
  constexpr std::size_t block_bytes = 32u << 10;
  constexpr std::size_t header_bytes = 7;
  std::size_t last = 0;
  for (std::size_t at = 0; at + header_bytes <= log.size();) {
    const std::size_t left = block_bytes - at % block_bytes;
    if (left >= header_bytes) last = at;
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(log[at + i])); };
    at += left < header_bytes ? left : header_bytes + byte(4) + 256 * byte(5);
  }
  return last;
}

}  // namespace evermill::tests
