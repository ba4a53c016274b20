#include "base/fifo.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <utility>

namespace evermill {
namespace {

TEST(Fifo, IsAsADeque) {
  std::mt19937 random(1);
  fifo<int> tried;
  std::deque<int> model;
  for (int i = 0; i < 100'000; ++i) {
    const unsigned what = random() % 100;
    if (what < 51 || model.empty()) {
      tried.push_back(i);
      model.push_back(i);
    } else if (what < 95) {
      ASSERT_EQ(tried.front(), model.front());
      tried.pop_front();
      model.pop_front();
    } else if (what < 99) {
      const auto at = static_cast<std::ptrdiff_t>(random() % model.size());
      tried.erase(tried.begin() + at);
      model.erase(model.begin() + at);
    } else if (i % 7 == 0) {
      tried.clear();
      model.clear();
    }
    ASSERT_EQ(tried.empty(), model.empty());
    ASSERT_EQ(tried.size(), model.size());
    ASSERT_TRUE(std::equal(tried.begin(), tried.end(), model.begin(), model.end()));
    if (model.empty()) continue;
    ASSERT_EQ(tried[model.size() / 2], model[model.size() / 2]);
  }
}

TEST(Fifo, LetsGoOfWhatIsTakenOut) {
  fifo<std::shared_ptr<int>> all;
  const auto kept = std::make_shared<int>(1);
  all.push_back(kept);
  all.push_back(nullptr);
  all.push_back(nullptr);
  all.pop_front();
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(Fifo, IsEmptyWhenWhatItHeldWasTaken) {
  fifo<int> all;
  for (int i = 0; i < 5; ++i) all.push_back(i);
  all.pop_front();
  const fifo<int> taken = std::exchange(all, {});
  EXPECT_EQ(taken.size(), 4U);
  EXPECT_TRUE(all.empty());
  all.push_back(7);
  EXPECT_EQ(all.front(), 7);
}

}  // namespace
}  // namespace evermill
