#include "storage/keys.hpp"

#include <limits>

namespace evermill::storage {
namespace {

void append_big_endian(std::string& key, std::uint64_t number, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) key.push_back(static_cast<char>(number >> (8 * i)));
}

std::optional<std::uint64_t> take_big_endian(std::string_view& key, std::size_t bytes) {
  if (key.size() < bytes) return std::nullopt;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes; ++i) number = number << 8 | static_cast<unsigned char>(key[i]);
  key.remove_prefix(bytes);
  return number;
}

}  // namespace

void append_partition(std::string& key, partition_id partition) { append_big_endian(key, partition.value, 2); }

void append_number(std::string& key, std::uint64_t number) {
  int bytes = 0;
  for (std::uint64_t rest = number; rest != 0; rest >>= 8) ++bytes;
  key.push_back(static_cast<char>(bytes));
  append_big_endian(key, number, bytes);
}

void append_time(std::string& key, std::int64_t micros) {
  append_big_endian(key, static_cast<std::uint64_t>(micros < 0 ? 0 : micros), 8);
}

void append_descending_time(std::string& key, std::int64_t micros) {
  append_big_endian(key, ~static_cast<std::uint64_t>(micros < 0 ? 0 : micros), 8);
}

std::optional<partition_id> take_partition(std::string_view& key) {
  const auto number = take_big_endian(key, 2);
  if (!number) return std::nullopt;
  return partition_id(static_cast<std::uint16_t>(*number));
}

std::optional<std::uint64_t> take_number(std::string_view& key) {
  const auto bytes = take_big_endian(key, 1);
  if (!bytes || *bytes > 8) return std::nullopt;
  const bool leading_zero = *bytes > 0 && !key.empty() && key.front() == '\0';
  if (leading_zero) return std::nullopt;  // a number has one form
  return take_big_endian(key, *bytes);
}

std::optional<std::int64_t> take_time(std::string_view& key) {
  const auto number = take_big_endian(key, 8);
  if (!number || *number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

std::optional<std::int64_t> take_descending_time(std::string_view& key) {
  const auto number = take_big_endian(key, 8);
  if (!number || ~*number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return static_cast<std::int64_t>(~*number);
}

std::string end_of(std::string prefix) {
  while (!prefix.empty()) {
    const auto last = static_cast<unsigned char>(prefix.back());
    prefix.pop_back();
    if (last == 0xff) continue;
    prefix.push_back(static_cast<char>(last + 1));
    return prefix;
  }
  return prefix;
}

}  // namespace evermill::storage
