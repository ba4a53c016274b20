#include "storage/keys.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace evermill::tests {
namespace {

using namespace std::string_literals;

std::string number_key(std::uint64_t n) {
  std::string key;
  storage::append_number(key, n);
  return key;
}
std::string time_key(std::int64_t micros) {
  std::string key;
  storage::append_time(key, micros);
  return key;
}

/// Each power of two and its neighbours: every length, and every place where one byte carries into the next.
std::vector<std::uint64_t> telling_numbers() {
  std::vector<std::uint64_t> all{0};
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    for (const std::uint64_t n : {power - 1, power, power + 1}) {
      if (n > all.back()) all.push_back(n);
    }
  }
  all.push_back(std::numeric_limits<std::uint64_t>::max());
  return all;
}

TEST(Keys, DescendingTimesComeBackAndLieLatestFirst) {
  std::string before;
  for (const std::int64_t micros : {std::numeric_limits<std::int64_t>::max(), std::int64_t{256}, std::int64_t{255}, std::int64_t{1}, std::int64_t{0}}) {
    std::string key;
    storage::append_descending_time(key, micros);
    EXPECT_EQ(key.size(), 8U);
    EXPECT_LT(before, key) << micros;
    std::string_view rest = key;
    EXPECT_EQ(storage::take_descending_time(rest), micros);
    EXPECT_TRUE(rest.empty());
    before = key;
  }
  std::string_view early = "\x01\x02\x03\x04\x05\x06\x07\x08";
  EXPECT_EQ(storage::take_descending_time(early), std::nullopt) << "no time has its highest bit set";
}

TEST(Keys, NumbersComeBackAndLieInOrder) {
  std::string before;
  for (const std::uint64_t n : telling_numbers()) {
    const std::string key = number_key(n);
    std::string_view rest = key;
    EXPECT_EQ(storage::take_number(rest), n);
    EXPECT_TRUE(rest.empty());
    EXPECT_TRUE(n == 0 || before < key) << n;
    before = key;
  }
}

TEST(Keys, NumbersLieInOrderWhateverFollowsThem) {
  EXPECT_LT(number_key(255) + "\xff\xff\xff", number_key(256));
  EXPECT_LT(number_key(1) + number_key(std::numeric_limits<std::uint64_t>::max()), number_key(2) + number_key(0));
}

TEST(Keys, PartitionsAndTimesComeBackAndLieInOrder) {
  std::string before;
  for (const std::uint64_t n : telling_numbers()) {
    if (n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) break;
    const std::string key = time_key(static_cast<std::int64_t>(n));
    std::string_view rest = key;
    EXPECT_EQ(storage::take_time(rest), static_cast<std::int64_t>(n));
    EXPECT_TRUE(rest.empty());
    EXPECT_TRUE(n == 0 || before < key) << n;
    before = key;
  }
  before.clear();
  for (const int n : {0, 1, 255, 256, 65535}) {
    std::string key;
    storage::append_partition(key, partition_id(static_cast<std::uint16_t>(n)));
    std::string_view rest = key;
    EXPECT_EQ(storage::take_partition(rest), partition_id(static_cast<std::uint16_t>(n)));
    EXPECT_LT(before, key) << n;
    before = key;
  }
}

TEST(Keys, ATimeBefore1970IsStoredAs0) { EXPECT_EQ(time_key(-1), time_key(0)); }

TEST(Keys, LeavesWhatFollows) {
  std::string_view rest = "\x01\x05tail";
  EXPECT_EQ(storage::take_number(rest), 5U);
  EXPECT_EQ(rest, "tail");
}

TEST(Keys, RefusesWhatNoNumberLooksLike) {
  for (const std::string& bytes : {""s, "\x01"s, "\x08\x01\x02\x03\x04\x05\x06\x07"s, "\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09"s,
                                   "\x01\x00"s, "\x02\x00\x01"s, "\xff"s}) {
    std::string_view rest = bytes;
    EXPECT_EQ(storage::take_number(rest), std::nullopt) << testing::PrintToString(bytes);
  }
  std::string_view rest = "\x01";
  EXPECT_EQ(storage::take_partition(rest), std::nullopt);
  rest = "1234567";
  EXPECT_EQ(storage::take_time(rest), std::nullopt);
  rest = "\xff\xff\xff\xff\xff\xff\xff\xff";
  EXPECT_EQ(storage::take_time(rest), std::nullopt);
}

TEST(Keys, TheEndOfAPrefixIsBehindAllThatHasIt) {
  EXPECT_EQ(storage::end_of("ab"), "ac");
  EXPECT_EQ(storage::end_of("a\xff\xff"), "b");
  EXPECT_EQ(storage::end_of("\xff\xff"), "");
  EXPECT_EQ(storage::end_of(""), "");
}

}  // namespace
}  // namespace evermill::tests
