// The system clock's promises that need no waiting: alarms that are due, or never come.
#include "base/clock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/permits.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;

struct SystemClock : testing::Test {
  timestamp due() const { return time->now() - 1h; }
  timestamp never() const { return time->now() + 24h * 365; }
  std::unique_ptr<clock> time = make_system_clock();
};

TEST_F(SystemClock, MicrosecondsComeBack) {
  EXPECT_EQ(to_micros(from_micros(1'700'000'000'000'001)), 1'700'000'000'000'001);
  EXPECT_EQ(to_micros(timestamp{}), 0);
}

TEST_F(SystemClock, RingsWhatIsDueOnAThreadOfItsOwn) {
  permits rung;
  std::thread::id on;
  time->set_alarm(due(), [&] {
    on = std::this_thread::get_id();
    rung.release();
  });
  rung.acquire();
  EXPECT_NE(on, std::this_thread::get_id());
}

TEST_F(SystemClock, RingsInTheOrderOfTheTimes) {
  permits blocked;
  permits go_on;
  permits rung;
  std::vector<int> order;
  time->set_alarm(due(), [&] {
    blocked.release();
    go_on.acquire();
  });
  blocked.acquire();
  const timestamp base = due();
  for (const int n : {3, 1, 2}) {
    time->set_alarm(base + std::chrono::seconds(n), [&, n] {
      order.push_back(n);
      rung.release();
    });
  }
  go_on.release();
  for (int i = 0; i < 3; ++i) rung.acquire();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(SystemClock, AnEarlierAlarmOvertakesOneThatIsWaitedFor) {
  time->set_alarm(never(), [] { ADD_FAILURE() << "it is not due"; });
  permits rung;
  time->set_alarm(due(), [&] { rung.release(); });
  rung.acquire();
}

TEST_F(SystemClock, ACanceledAlarmDoesNotRing) {
  permits blocked;
  permits go_on;
  permits last;
  time->set_alarm(due(), [&] {
    blocked.release();
    go_on.acquire();
  });
  blocked.acquire();
  const auto canceled = time->set_alarm(due(), [] { ADD_FAILURE() << "it was canceled"; });
  time->set_alarm(time->now(), [&] { last.release(); });
  time->cancel_alarm(canceled);
  time->cancel_alarm(canceled + 1'000);  // unknown: ignored
  go_on.release();
  last.acquire();
}

TEST_F(SystemClock, CancelWaitsForARingThatHasBegun) {
  permits in_ring;
  permits go_on;
  std::atomic<bool> over = false;
  const auto id = time->set_alarm(due(), [&] {
    in_ring.release();
    go_on.acquire();
    over = true;
  });
  in_ring.acquire();
  std::thread canceler([&] {
    time->cancel_alarm(id);
    EXPECT_TRUE(over);
  });
  go_on.release();
  canceler.join();
}

TEST_F(SystemClock, ARingMaySetAndCancelAlarmsAlsoItsOwn) {
  permits rung;
  const auto other = time->set_alarm(never(), [] {});
  std::atomic<clock::alarm_id> mine = 0;
  permits known;
  mine = time->set_alarm(due(), [&] {
    known.acquire();
    time->cancel_alarm(mine);
    time->cancel_alarm(other);
    time->set_alarm(due(), [&] { rung.release(); });
  });
  known.release();
  rung.acquire();
}

TEST_F(SystemClock, EndsWithAlarmsPending) {
  const auto held = std::make_shared<int>(1);
  time->set_alarm(never(), [held] { ADD_FAILURE() << "it is not due"; });
  time.reset();
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace evermill::tests
