#include "plugins/task/attempt_metrics.hpp"

#include <gmock/gmock.h>

#include "attempt_ends.hpp"
#include "evermill/registry.hpp"
#include "evermill/shell.hpp"
#include "plugins/task/native/native_backend.hpp"
#include "plugins/task/shell/shell_backend.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/permits.hpp"

namespace evermill::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr activity<void()> holds{.name = "holds"};

struct AttemptMetrics : testing::Test {
  tasks::on_attempt_end counting() {
    return [this, record = ends.recorder()](tasks::attempt_end&& end) {
      counts.ended(end, time.now());
      record(std::move(end));
    };
  }
  std::string scraped() const {
    metrics::scrape all;
    counts.collect(all);
    return all.text();
  }
  static auto shows(const std::string& name, int value) {
    return HasSubstr("evermill_activity_attempts_" + name + " " + std::to_string(value) + "\n");
  }
  template <class Backend>
  void run(Backend& backend, const std::vector<task_ptr>& tasks) {
    for (const task_ptr& each : tasks) counts.dispatched(*each);
    backend.run(tasks);
  }

  manual_clock time;
  attempt_ends ends;
  tasks::attempt_metrics counts;
  permits holding, release;
};

TEST_F(AttemptMetrics, FollowAnAttemptOfANativeActivity) {
  registry known;
  known.add(holds, [this] {
    holding.release();
    release.acquire();
  });
  tasks::native_options options{.threads = 1, .time = &time};
  options.on_start = [this](const messages::ActivityTask& task) { counts.started(task, time.now()); };
  const auto backend = tasks::make_native_backend(known, options, counting());
  std::vector<task_ptr> tasks;
  for (const std::uint64_t seq : {1, 2, 3}) tasks.push_back(make_task("holds", {}, seq));
  run(*backend, tasks);
  holding.acquire();
  EXPECT_THAT(scraped(), AllOf(shows("running{task_queue=\"default\"}", 1), shows("waiting{task_queue=\"default\"}", 2),
                               shows("started_total{task_queue=\"default\"}", 1)));
  backend->cancel(tasks::dispatch_id_of(*tasks[2]));
  ends.of(3);
  EXPECT_THAT(scraped(), AllOf(shows("running{task_queue=\"default\"}", 1), shows("waiting{task_queue=\"default\"}", 1),
                               shows("ended_total{task_queue=\"default\",outcome=\"canceled\"}", 1)));
  release.release();
  release.release();
  ends.wait_for(3);
  EXPECT_THAT(scraped(), AllOf(shows("running{task_queue=\"default\"}", 0), shows("waiting{task_queue=\"default\"}", 0),
                               shows("started_total{task_queue=\"default\"}", 2),
                               shows("ended_total{task_queue=\"default\",outcome=\"completed\"}", 2)));
}

TEST_F(AttemptMetrics, FollowAnAttemptOfAProcess) {
  tasks::shell_options options{.time = &time};
  options.on_start = [this](const messages::ActivityTask& task) { counts.started(task, time.now()); };
  const auto backend = tasks::make_shell_backend(options, counting());
  shell_command command;
  command.argv = {"/no/such/program"};
  auto task = std::make_shared<messages::ActivityTask>(*make_task("shell", codec<shell_command>::encode(command), 1));
  task->mutable_options()->set_task_queue("machines");
  run(*backend, {task});
  ends.of(1);
  EXPECT_THAT(scraped(), AllOf(shows("running{task_queue=\"machines\"}", 0), shows("waiting{task_queue=\"machines\"}", 0),
                               shows("started_total{task_queue=\"machines\"}", 1),
                               shows("ended_total{task_queue=\"machines\",outcome=\"failed\"}", 1)));
}

TEST_F(AttemptMetrics, NothingWaitsOrRunsOnceTheBackendsAreGone) {
  counts.dispatched(*make_task("any", {}, 1));
  counts.dispatched(*make_task("any", {}, 2));
  counts.started(*make_task("any", {}, 2), time.now());
  EXPECT_THAT(scraped(), AllOf(shows("running{task_queue=\"default\"}", 1), shows("waiting{task_queue=\"default\"}", 1)));
  counts.gone();
  EXPECT_THAT(scraped(), AllOf(shows("running{task_queue=\"default\"}", 0), shows("waiting{task_queue=\"default\"}", 0)));
}

}  // namespace
}  // namespace evermill::tests
