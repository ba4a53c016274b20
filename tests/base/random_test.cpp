#include "base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <thread>
#include <vector>

namespace evermill::tests {
namespace {

TEST(SeededRandom, IsSplitMix64) {
  // The published sequence for the seed 1234567.
  const auto random = make_seeded_random(1234567);
  EXPECT_EQ(random->next(), 6457827717110365317U);
  EXPECT_EQ(random->next(), 3203168211198807973U);
  EXPECT_EQ(random->next(), 9817491932198370423U);
  EXPECT_EQ(random->next(), 4593380528125082431U);
}

TEST(SeededRandom, GivesNothingTwiceToThreads) {
  const auto random = make_seeded_random(1);
  std::vector<std::vector<std::uint64_t>> drawn(4);
  std::vector<std::thread> threads;
  for (auto& mine : drawn) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) mine.push_back(random->next());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::uint64_t> all;
  for (const auto& mine : drawn) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 40'000U);  // SplitMix64 repeats nothing in 2^64 steps
}

TEST(SystemRandom, DiffersFromOneSourceToTheNext) { EXPECT_NE(make_system_random()->next(), make_system_random()->next()); }

TEST(Uuid, IsOfVersion4) {
  const auto random = make_seeded_random(7);
  const std::string shape = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx";
  const auto fits = [](char place, char c) {
    if (place == 'x') return std::string_view("0123456789abcdef").find(c) != std::string_view::npos;
    if (place == 'v') return std::string_view("89ab").find(c) != std::string_view::npos;
    return place == c;
  };
  std::set<std::string> all;
  for (int i = 0; i < 1'000; ++i) {
    const std::string uuid = make_uuid(*random);
    ASSERT_TRUE(std::equal(shape.begin(), shape.end(), uuid.begin(), uuid.end(), fits)) << uuid;
    all.insert(uuid);
  }
  EXPECT_EQ(all.size(), 1'000U);
}

TEST(Uuid, FollowsFromTheSeed) {
  EXPECT_EQ(make_uuid(*make_seeded_random(7)), make_uuid(*make_seeded_random(7)));
  EXPECT_NE(make_uuid(*make_seeded_random(7)), make_uuid(*make_seeded_random(8)));
}

}  // namespace
}  // namespace evermill::tests
