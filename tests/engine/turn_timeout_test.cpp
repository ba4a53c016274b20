// Code that does not come back from its turn, on real threads: the others go on, and so does it when it comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;

inline constexpr signal<> go{.name = "go"};
inline constexpr query<std::string()> looks{.name = "looks"};

/// Where the code of a test blocks, and until when.
struct gate {
  std::atomic<int> entered{0};
  std::promise<void> opened;
  std::shared_future<void> open = opened.get_future().share();
  void pass() {
    ++entered;
    entered.notify_all();
    open.wait();
  }
  void await_entered(int count) {
    for (int now = entered; now < count; now = entered) entered.wait(now);
  }
};
std::shared_ptr<gate> the_gate;  // the test's thread alone looks at it without the mutex
std::mutex the_gates_mutex;

std::shared_ptr<gate> gate_of_now() {
  const std::lock_guard lock(the_gates_mutex);
  return the_gate;
}
void use_gate(std::shared_ptr<gate> next) {
  const std::lock_guard lock(the_gates_mutex);
  the_gate = std::move(next);
}

task<int> blocks(context ctx) {
  ctx.on_query(looks, [] { return std::string("waits"); }).keep();
  co_await ctx.wait(go);
  const std::shared_ptr<gate> mine = gate_of_now();
  if (mine) mine->pass();
  co_return 7;
}

task<int> twice(context ctx, int n) {
  co_await ctx.sleep(1ms);
  co_return 2 * n;
}

class TurnTimeout : public testing::Test {
 protected:
  TurnTimeout() {
    all_.add("blocks", blocks);
    all_.add("twice", twice);
    use_gate(std::make_shared<gate>());
  }
  ~TurnTimeout() override { use_gate(nullptr); }

  engine_options options() const {
    engine_options how;
    how.data_directory = folder_.path() / "data";
    how.workflow_threads = 1;
    how.turn_timeout = 20ms;
    how.stop_grace = 100ms;
    return how;
  }
  static void start_blocking(engine& in, const std::string& id) {
    in.start(blocks, {.id = id});
    in.signal(id, go.name, {});
  }
  /// Returns when the execution is set aside: that does come.
  static void await_blocked(engine& in, const std::string& id, const std::string& as) {
    while (in.describe(id).blocked != as) std::this_thread::yield();
  }

  tests::temporary_directory folder_;
  registry all_;
};

TEST_F(TurnTimeout, OthersGoOnAndItsTurnCountsWhenItComesBack) {
  engine e(all_, options());
  start_blocking(e, "b");
  the_gate->await_entered(1);
  EXPECT_EQ(e.start(twice, 21, {.id = "t"}).result(), 42) << "the only thread for workflows is taken";
  await_blocked(e, "b", "turn_timeout");
  EXPECT_THAT(e.describe("b").blocked_message, testing::HasSubstr("for 20 ms"));
  e.signal("b", "more", {});
  try {
    e.query("b", looks.name, {});
    ADD_FAILURE() << "its code can't answer";
  } catch (const engine_error& error) {
    EXPECT_EQ(error.code(), engine_errc::blocked);
  }
  the_gate->opened.set_value();
  const execution_end end = e.wait("b");
  EXPECT_EQ(end.status, execution_status::completed);
  EXPECT_EQ(the_gate->entered, 1) << "nothing was done again";
  EXPECT_EQ(e.describe("b").blocked, "");
}

TEST_F(TurnTimeout, SeveralMayHangAtOnce) {
  engine e(all_, options());
  constexpr int hanging = 4;
  for (int n = 0; n < hanging; ++n) {
    start_blocking(e, "b" + std::to_string(n));
    the_gate->await_entered(n + 1);
    EXPECT_EQ(e.start(twice, n, {.id = "t" + std::to_string(n)}).result(), 2 * n);
  }
  for (int n = 0; n < hanging; ++n) await_blocked(e, "b" + std::to_string(n), "turn_timeout");
  the_gate->opened.set_value();
  for (int n = 0; n < hanging; ++n) EXPECT_EQ(e.wait("b" + std::to_string(n)).status, execution_status::completed);
  // The threads sleep again, and can be used again.
  use_gate(std::make_shared<gate>());
  start_blocking(e, "again");
  the_gate->await_entered(1);
  EXPECT_EQ(e.start(twice, 5, {.id = "after"}).result(), 10);
  the_gate->opened.set_value();
  EXPECT_EQ(e.wait("again").status, execution_status::completed);
}

TEST_F(TurnTimeout, ItCanBeTerminated) {
  engine e(all_, options());
  start_blocking(e, "b");
  await_blocked(e, "b", "turn_timeout");
  e.terminate("b", "it spins");
  EXPECT_EQ(e.wait("b").status, execution_status::terminated);
  the_gate->opened.set_value();
}

TEST_F(TurnTimeout, TheEngineClosesWithoutItAndTheNextOneTriesItAnew) {
  const std::shared_ptr<gate> first = the_gate;
  {
    engine e(all_, options());
    start_blocking(e, "b");
    await_blocked(e, "b", "turn_timeout");
  }
  use_gate(nullptr);  // what comes now does not block
  {
    engine e(all_, options());
    EXPECT_EQ(e.wait("b").status, execution_status::completed);
  }
  first->opened.set_value();
}

TEST_F(TurnTimeout, ANegativeOneIsRefused) {
  engine_options how = options();
  how.turn_timeout = -1ms;
  try {
    const engine e(all_, how);
    ADD_FAILURE() << "it was taken";
  } catch (const engine_error& error) {
    EXPECT_EQ(error.code(), engine_errc::invalid_argument);
  }
}

}  // namespace
}  // namespace evermill
