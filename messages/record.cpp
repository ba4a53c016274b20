#include "messages/record.hpp"

#include <google/protobuf/message_lite.h>
#include <xxhash.h>

#include <cstdint>
#include <cstring>

#include "base/planted.hpp"

namespace evermill {
namespace {

constexpr std::size_t header_bytes = 5;

std::uint32_t checksum(std::string_view key, unsigned char version, std::string_view content) {
  const std::uint64_t seed = XXH3_64bits_withSeed(key.data(), key.size(), version);
  return static_cast<std::uint32_t>(XXH3_64bits_withSeed(content.data(), content.size(), seed));
}

}  // namespace

std::string_view to_string(record_error error) noexcept {
  switch (error) {
    case record_error::truncated: return "truncated";
    case record_error::newer_version: return "written by a newer version of evermill";
    case record_error::checksum: return "checksum mismatch";
    case record_error::malformed: return "malformed";
  }
  return "unknown";
}

void append_record(std::string& out, std::string_view key, const google::protobuf::MessageLite& content) {
  const std::size_t start = out.size();
  const std::size_t size = content.ByteSizeLong();
  out.resize(start + header_bytes + size);
  auto* bytes = reinterpret_cast<unsigned char*>(out.data() + start);
  bytes[0] = record_format_version;
  content.SerializeWithCachedSizesToArray(bytes + header_bytes);
  const std::uint32_t sum = checksum(key, record_format_version, std::string_view(out).substr(start + header_bytes));
  for (int i = 0; i < 4; ++i) bytes[1 + i] = static_cast<unsigned char>(sum >> (8 * i));
}

result<void, record_error> parse_record(std::string_view key, std::string_view record,
                                        google::protobuf::MessageLite& content) {
  if (record.size() < header_bytes) return unexpected(record_error::truncated);
  const auto* bytes = reinterpret_cast<const unsigned char*>(record.data());
  if (bytes[0] > record_format_version) return unexpected(record_error::newer_version);
  std::uint32_t expected = 0;
  for (int i = 0; i < 4; ++i) expected |= std::uint32_t{bytes[1 + i]} << (8 * i);
  const std::string_view body = record.substr(header_bytes);
  const bool good = checksum(key, bytes[0], body) == expected || planted(bug::ignore_checksums);
  if (!good) return unexpected(record_error::checksum);
  if (!content.ParseFromArray(body.data(), static_cast<int>(body.size()))) return unexpected(record_error::malformed);
  return {};
}

}  // namespace evermill
