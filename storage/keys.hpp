// How keys are written. Byte order is the order of the numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"

namespace evermill::storage {

/// Two bytes, most significant first.
void append_partition(std::string& key, partition_id partition);
/// A byte that counts the bytes that follow, then those, most significant first, without leading zeros: short for small
/// numbers, and ordered.
void append_number(std::string& key, std::uint64_t number);
/// Eight bytes, most significant first. Times before 1970 are not stored.
void append_time(std::string& key, std::int64_t micros);
/// The same, the latest first.
void append_descending_time(std::string& key, std::int64_t micros);

/// Each takes what it reads off the front; nothing where the key is too short or no such number.
std::optional<partition_id> take_partition(std::string_view& key);
std::optional<std::uint64_t> take_number(std::string_view& key);
std::optional<std::int64_t> take_time(std::string_view& key);
std::optional<std::int64_t> take_descending_time(std::string_view& key);

/// The smallest key that does not start with `prefix`; "" (no bound) where there is none.
std::string end_of(std::string prefix);

}  // namespace evermill::storage
