#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "storage/key_value_store.hpp"

namespace evermill::tests {
namespace {

using storage::family;
using storage::write_batch;
using namespace std::string_literals;

using operation = std::tuple<char, family, std::string, std::string>;

std::vector<operation> operations_of(const write_batch& batch) {
  struct {
    std::vector<operation> all;
    void put(family f, std::string_view key, std::string_view value) {
      all.emplace_back('p', f, std::string(key), std::string(value));
    }
    void erase(family f, std::string_view key) { all.emplace_back('e', f, std::string(key), ""); }
  } visitor;
  batch.for_each(visitor);
  return visitor.all;
}

TEST(WriteBatch, GivesEveryOperationBackInOrder) {
  write_batch batch;
  const std::string large(300'000, 'v');  // its length takes three bytes
  batch.put(family::inbox, "\0k"s, large);
  batch.erase(family::inbox, "");
  batch.put(family::description, std::string(128, 'k'), "");
  EXPECT_EQ(operations_of(batch), (std::vector<operation>{{'p', family::inbox, "\0k"s, large},
                                                          {'e', family::inbox, "", ""},
                                                          {'p', family::description, std::string(128, 'k'), ""}}));
  EXPECT_EQ(batch.count(), 3U);
  EXPECT_GT(batch.bytes(), large.size());
}

TEST(WriteBatch, AppendsAnotherOneBehindItsOwn) {
  write_batch first;
  write_batch second;
  first.put(family::timers, "a", "1");
  second.erase(family::timers, "a");
  first.append(second);
  EXPECT_EQ(operations_of(first), (std::vector<operation>{{'p', family::timers, "a", "1"}, {'e', family::timers, "a", ""}}));
  EXPECT_EQ(first.count(), 2U);
  EXPECT_EQ(second.count(), 1U);
}

TEST(WriteBatch, IsEmptyAfterClear) {
  write_batch batch;
  batch.put(family::timers, "a", "1");
  batch.clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.bytes(), 0U);
  EXPECT_TRUE(operations_of(batch).empty());
}

}  // namespace
}  // namespace evermill::tests
