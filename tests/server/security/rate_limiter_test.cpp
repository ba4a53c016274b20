#include "server/security/rate_limiter.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/manual_clock.hpp"

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;

namespace {

int taken_at_once(rate_limiter& from, std::string_view key, const rate& limit, int tries) {
  int taken = 0;
  for (int i = 0; i < tries; ++i) taken += from.take(key, limit) ? 0 : 1;
  return taken;
}

}  // namespace

TEST(RateLimiter, GivesABurstAndThenSoManyASecond) {
  tests::manual_clock clock;
  rate_limiter limiter(clock);
  const rate limit{10, 5};
  EXPECT_EQ(taken_at_once(limiter, "a", limit, 20), 5);
  EXPECT_EQ(limiter.take("a", limit), 100ms);
  clock.advance(99'999us);
  EXPECT_EQ(limiter.take("a", limit), 1us);
  clock.advance(1us);
  EXPECT_FALSE(limiter.take("a", limit));
  clock.advance(10s);
  EXPECT_EQ(taken_at_once(limiter, "a", limit, 20), 5) << "what was not used is no more than a burst";
}

TEST(RateLimiter, KeysAreApart) {
  tests::manual_clock clock;
  rate_limiter limiter(clock);
  EXPECT_EQ(taken_at_once(limiter, "a", {1, 1}, 5), 1);
  EXPECT_EQ(taken_at_once(limiter, "b", {1, 1}, 5), 1);
}

TEST(RateLimiter, WithoutALimitNothingIsKept) {
  tests::manual_clock clock;
  rate_limiter limiter(clock);
  EXPECT_EQ(taken_at_once(limiter, "a", {}, 1000), 1000);
  EXPECT_EQ(limiter.keys(), 0U);
}

TEST(RateLimiter, WhatIsGivenBackCanBeTakenAgain) {
  tests::manual_clock clock;
  rate_limiter limiter(clock);
  EXPECT_FALSE(limiter.take("a", {1, 1}));
  EXPECT_TRUE(limiter.would_wait("a", {1, 1}));
  limiter.give_back("a", {1, 1});
  EXPECT_FALSE(limiter.would_wait("a", {1, 1}));
  EXPECT_FALSE(limiter.take("a", {1, 1}));
}

TEST(RateLimiter, ToLookTakesNothing) {
  tests::manual_clock clock;
  rate_limiter limiter(clock);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(limiter.would_wait("a", {1, 1}));
  EXPECT_EQ(limiter.keys(), 0U);
}

TEST(RateLimiter, StrangersNeitherFillTheMemoryNorEscape) {
  tests::manual_clock clock;
  rate_limiter limiter(clock, 640);
  const rate limit{1, 2};
  int taken = 0;
  for (int i = 0; i < 100'000; ++i) taken += limiter.take("stranger-" + std::to_string(i), limit) ? 0 : 1;
  EXPECT_LE(limiter.keys(), 640U);
  EXPECT_LE(taken, 640 + 64 * 2) << "those without a bucket of their own share one per shard";
  clock.advance(10s);
  EXPECT_EQ(taken_at_once(limiter, "somebody else", limit, 5), 2) << "buckets that are full again make room";
  EXPECT_LE(limiter.keys(), 640U);
}

TEST(RateLimiter, AClockThatIsSetBackLocksNobodyOut) {
  tests::manual_clock clock(from_micros(2'000'000'000'000'000));
  tests::manual_clock back(from_micros(1'000'000'000'000'000));
  struct switched final : evermill::clock {
    const evermill::clock* now_from = nullptr;
    timestamp now() const override { return now_from->now(); }
    alarm_id set_alarm(timestamp, std::function<void()>) override { return 0; }
    void cancel_alarm(alarm_id) override {}
  } time;
  time.now_from = &clock;
  rate_limiter limiter(time);
  EXPECT_EQ(taken_at_once(limiter, "a", {1, 3}, 10), 3);
  time.now_from = &back;
  EXPECT_LE(limiter.take("a", {1, 3}).value_or(0us), 1s);
  EXPECT_LE(limiter.would_wait("a", {1, 3}).value_or(0us), 1s);
}

TEST(RateLimiter, ManyAtOnceGetNoMoreThanThereIs) {
  tests::manual_clock clock;
  rate_limiter limiter(clock);
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { taken += taken_at_once(limiter, "a", {1, 1000}, 1000); });
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(taken, 1000);
}

TEST(StreamCounter, CountsWhatIsOpen) {
  stream_counter streams;
  auto first = streams.open("a", 2), second = streams.open("a", 2);
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(streams.open("a", 2));
  EXPECT_TRUE(streams.open("b", 2));
  first.reset();
  first.reset();
  EXPECT_EQ(streams.open_streams("a"), 1U);
  stream_counter::permit moved = std::move(second);
  EXPECT_TRUE(streams.open("a", 2));
  moved = {};
  EXPECT_EQ(streams.open_streams("a"), 0U);
}
