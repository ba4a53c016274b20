// Filtered lists and counts of executions on a real engine: what they find, in which order, and that pages neither repeat nor skip.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/testing/environment.hpp"
#include "evermill/verify.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rows.hpp"
#include "tests/support/dropped_family.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

inline constexpr signal<> go{.name = "go"};

task<int> doubles(context, int n) { co_return 2 * n; }
task<void> refuses(context) {
  throw application_error("No", "never");
  co_return;
}
task<void> waits(context ctx) { co_await ctx.wait(go); }
task<void> other_waits(context ctx) { co_await ctx.wait(go); }
task<void> counts_down(context ctx, int n) {
  co_await ctx.wait(go);
  if (n > 0) co_await ctx.continue_as_new(n - 1);
}
task<void> locks(context ctx) {
  auto held = co_await ctx.lock("printer");
  co_await ctx.wait(go);
}

class ExecutionLists : public ::testing::Test {
 protected:
  ExecutionLists() {
    for (registry* const each : {&definitions_, &with_other_}) {
      each->add("doubles", doubles);
      each->add("refuses", refuses);
      each->add("waits", waits);
      each->add("counts_down", counts_down);
      each->add("locks", locks);
    }
    with_other_.add("other_waits", other_waits);
  }

  engine_options options(engine_mode mode = engine_mode::run) const {
    engine_options how;
    how.mode = mode;
    how.data_directory = directory_.path() / "data";
    return how;
  }
  /// Executions of every kind; those that are blocked, too: their code is known to `with_other_` only.
  void fill() {
    engine e(with_other_, options());
    for (int i = 0; i < 5; ++i) e.start(doubles, i, {.id = "done-" + std::to_string(i)}).result();
    for (int i = 0; i < 3; ++i) e.start("refuses", {}, {.id = "failed-" + std::to_string(i)});
    for (int i = 0; i < 3; ++i) e.wait("failed-" + std::to_string(i));
    for (int i = 0; i < 4; ++i) e.start(waits, {.id = "waits-" + std::to_string(i)});
    e.start(waits, {.id = "canceled"});
    e.cancel("canceled");
    e.wait("canceled");
    e.start(waits, {.id = "terminated"}).terminate("enough");
    e.start(waits, {.id = "late", .execution_timeout = 1ms});
    e.wait("late");
    for (int i = 0; i < 3; ++i) e.start(other_waits, {.id = "other-" + std::to_string(i)});
    e.start(locks, {.id = "locks"});
    while (e.locks().empty()) std::this_thread::yield();
  }
  /// Blocks two of them.
  static void block_some(engine& without_other) {
    for (const char* const id : {"other-0", "other-1"}) {
      without_other.signal(id, "go", {});
      while (without_other.describe(id).blocked.empty()) std::this_thread::yield();
    }
  }

  static bool passes(const execution_filter& filter, const listed_execution& each) {
    const bool right_status = filter.statuses.empty() ||
                              std::count(filter.statuses.begin(), filter.statuses.end(), each.status) > 0;
    const bool right_type = filter.workflow_type.empty() || filter.workflow_type == each.workflow_type;
    const bool early_enough = filter.started_before == decltype(filter.started_before){} || each.execution_started_at < filter.started_before;
    const bool right_blocked = !filter.blocked || *filter.blocked == !each.blocked.empty();
    return right_status && right_type && early_enough && each.execution_started_at >= filter.started_from && right_blocked &&
           each.workflow_id.starts_with(filter.workflow_id_prefix);
  }
  /// What the filter lets pass of all that there is.
  static std::vector<std::string> expected(const engine& e, const execution_filter& filter) {
    std::vector<listed_execution> found;
    for (const listed_execution& each : e.list("", 100'000)) {
      if (passes(filter, each)) found.push_back(each);
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::tie(b.execution_started_at, a.workflow_id) < std::tie(a.execution_started_at, b.workflow_id);
    });
    return ids(found);
  }
  static std::vector<std::string> ids(const std::vector<listed_execution>& of) {
    std::vector<std::string> all;
    for (const listed_execution& each : of) all.push_back(each.workflow_id);
    return all;
  }
  static std::vector<std::string> paged(const engine& e, const execution_filter& filter, std::size_t limit,
                                        const std::function<void()>& between = [] {}) {
    std::vector<std::string> all;
    std::string token;
    do {
      const execution_page page = e.list(filter, token, limit);
      EXPECT_LE(page.executions.size(), limit);
      for (const listed_execution& each : page.executions) all.push_back(each.workflow_id);
      token = page.next_page_token;
      between();
    } while (!token.empty());
    return all;
  }
  static engine_errc code_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const engine_error& error) {
      EXPECT_EQ(error.code(), engine_errc::invalid_argument) << error.what();
      return error.code();
    }
    return engine_errc::unavailable;
  }
  std::string problems() const {
    std::string text;
    verify(directory_.path() / "data", [&](const verify_problem& each) { text += each.workflow_id + ": " + each.what + "\n"; });
    return text;
  }

  tests::temporary_directory directory_;
  registry definitions_;
  registry with_other_;
};

void for_each_combination(const std::vector<listed_execution>& all,
                             const std::function<void(const execution_filter&)>& check) {
  using status = execution_status;
  const auto middle = all[all.size() / 2].execution_started_at;
  for (const auto& statuses : std::vector<std::vector<status>>{{}, {status::running}, {status::completed, status::failed},
                                                              {status::canceled}, {status::terminated}, {status::timed_out},
                                                              {status::continued_as_new}}) {
    for (const char* const type : {"", "waits", "other_waits", "doubles", "nothing"}) {
      for (int time = 0; time < 3; ++time) {
        for (const char* const prefix : {"", "waits-", "done-1", "x"}) {
          for (const std::optional<bool> blocked : {std::optional<bool>(), std::optional(true), std::optional(false)}) {
            execution_filter filter{.statuses = statuses, .workflow_type = type, .workflow_id_prefix = prefix, .blocked = blocked};
            if (time == 1) filter.started_from = middle;
            if (time == 2) filter.started_before = middle;
            check(filter);
          }
        }
      }
    }
  }
}

TEST_F(ExecutionLists, FilterByEachThingAloneAndTogether) {
  fill();
  engine e(definitions_, options());
  block_some(e);
  EXPECT_EQ(e.count({}), 19U);
  EXPECT_EQ(e.list({}, "", 1000).executions.size(), 19U) << "without the lock, which is evermill's own";
  EXPECT_THAT(ids(e.list({.blocked = true}, "", 10).executions), ElementsAre("other-1", "other-0"));
  EXPECT_THAT(ids(e.list({.statuses = {execution_status::timed_out}}, "", 10).executions), ElementsAre("late"));
  std::size_t found = 0;
  for_each_combination(e.list("", 1000), [&](const execution_filter& filter) {
    const auto wanted = expected(e, filter);
    found += wanted.size();
    EXPECT_THAT(paged(e, filter, 3), ElementsAreArray(wanted));
    EXPECT_EQ(ids(e.list(filter, "", 0).executions), wanted);
    EXPECT_EQ(e.count(filter), wanted.size());
  });
  EXPECT_GT(found, 300U) << "or little was compared";
}

TEST_F(ExecutionLists, AreCountedByStatus) {
  fill();
  engine e(definitions_, options());
  block_some(e);
  const execution_counts all = e.counts({});
  EXPECT_EQ(all.total, 19U);
  EXPECT_EQ(all.blocked, 2U);
  EXPECT_EQ(all.by_status, (std::map<execution_status, std::uint64_t>{{execution_status::running, 8},
                                                                     {execution_status::completed, 5},
                                                                     {execution_status::failed, 3},
                                                                     {execution_status::canceled, 1},
                                                                     {execution_status::terminated, 1},
                                                                     {execution_status::timed_out, 1}}));
  EXPECT_EQ(e.counts({.workflow_type = "other_waits", .blocked = false}).total, 1U);
}

TEST_F(ExecutionLists, TellWhatDescribeTells) {
  fill();
  engine e(definitions_, options(engine_mode::inspect));
  for (const listed_execution& each : e.list({}, "", 100).executions) {
    const execution_description about = e.describe(each.workflow_id);
    EXPECT_EQ(each.run_id, about.run_id);
    EXPECT_EQ(each.workflow_type, about.workflow_type);
    EXPECT_EQ(each.status, about.status);
    EXPECT_EQ(each.started_at, about.started_at);
    EXPECT_EQ(each.execution_started_at, about.started_at);
    EXPECT_EQ(each.closed_at, about.closed_at);
  }
}

TEST_F(ExecutionLists, PagesNeitherRepeatNorSkipWhileOthersStartAndEnd) {
  engine e(definitions_, options());
  std::set<std::string> throughout;
  for (int i = 0; i < 60; ++i) {
    const std::string id = "e" + std::to_string(i);
    i % 2 == 0 ? static_cast<void>(e.start(waits, {.id = id})) : static_cast<void>(e.start(doubles, i, {.id = id}).result());
    throughout.insert(id);
  }
  int next = 0;
  // Between any two pages one starts, one that was there ends, and one starts and ends.
  const auto change = [&] {
    const std::string n = std::to_string(next);
    e.start(waits, {.id = "new" + n});
    e.start(doubles, 1, {.id = "short" + n}).result();
    if (next < 30) {
      e.signal("e" + std::to_string(2 * next), "go", {});
      e.wait("e" + std::to_string(2 * next));
    }
    ++next;
  };
  const std::vector<std::string> all = paged(e, {}, 4, change);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()), throughout) << "what started later comes before the first page";
  EXPECT_EQ(all.size(), throughout.size());
  // While several threads change things all the time.
  std::atomic<bool> enough{false};
  std::vector<std::thread> others;
  for (const char* const name : {"a", "b"}) {
    others.emplace_back([&, name] {
      for (int i = 0; !enough; ++i) {
        const std::string id = name + std::to_string(i);
        e.start(waits, {.id = id});
        e.signal(id, "go", {});
        e.wait(id);
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    const std::vector<std::string> found = paged(e, {}, 7);
    const std::set<std::string> once(found.begin(), found.end());
    EXPECT_EQ(once.size(), found.size());
    EXPECT_TRUE(std::includes(once.begin(), once.end(), throughout.begin(), throughout.end()));
  }
  enough = true;
  for (std::thread& each : others) each.join();
}

TEST_F(ExecutionLists, AnExecutionThatContinuesAsNewKeepsItsPlace) {
  {
    engine e(definitions_, options());
    e.start(counts_down, 2, {.id = "oldest"});
    e.start(waits, {.id = "newer"});
    const auto before = e.list({}, "", 10).executions;
    for (int runs = 0; runs < 2; ++runs) {
      const std::string run = e.describe("oldest").run_id;
      e.signal("oldest", "go", {});
      while (e.describe("oldest").run_id == run) std::this_thread::yield();
    }
    const auto now = e.list({.statuses = {execution_status::running}}, "", 10).executions;
    ASSERT_THAT(ids(now), ElementsAre("newer", "oldest"));
    EXPECT_EQ(now[1].execution_started_at, before[1].started_at);
    EXPECT_GT(now[1].started_at, now[1].execution_started_at);
    EXPECT_THAT(ids(e.list({.started_before = now[1].started_at, .workflow_id_prefix = "o"}, "", 10).executions), ElementsAre("oldest"));
    e.signal("oldest", "go", {});
    e.wait("oldest");
    EXPECT_THAT(ids(e.list({.statuses = {execution_status::completed}}, "", 10).executions), ElementsAre("oldest"));
    EXPECT_EQ(e.count({}), 2U);
  }
  EXPECT_EQ(problems(), "");
}

TEST_F(ExecutionLists, ANewExecutionTakesThePlaceOfTheOneBefore) {
  {
    engine e(definitions_, options());
    e.start(doubles, 1, {.id = "again"}).result();
    e.start(waits, {.id = "between"});
    e.start(waits, {.id = "again", .reuse = workflow_id_reuse::allow});
    EXPECT_THAT(ids(e.list({}, "", 10).executions), ElementsAre("again", "between"));
    EXPECT_THAT(e.list({.workflow_type = "doubles"}, "", 10).executions, IsEmpty());
    e.start(waits, {.id = "again", .reuse = workflow_id_reuse::terminate_existing});
    EXPECT_EQ(e.counts({}).by_status, (std::map<execution_status, std::uint64_t>{{execution_status::running, 2}}));
  }
  EXPECT_EQ(problems(), "");
}

TEST_F(ExecutionLists, RefuseTokensOfOtherLists) {
  engine e(definitions_, options());
  for (int i = 0; i < 3; ++i) e.start(waits, {.id = "w" + std::to_string(i)});
  const std::string token = e.list({}, "", 1).next_page_token;
  EXPECT_THAT(ids(e.list({}, token, 10).executions), ElementsAre("w1", "w0"));
  EXPECT_EQ(code_of([&] { e.list({.workflow_type = "waits"}, token, 1); }), engine_errc::invalid_argument);
  for (const std::string& bad : {std::string("x"), std::string("w2"), token + "A", token.substr(1), std::string("!"), std::string(3000, 'A')}) {
    EXPECT_EQ(code_of([&] { e.list({}, bad, 1); }), engine_errc::invalid_argument) << bad;
  }
  std::string changed = token;
  changed[changed.size() / 2] = changed[changed.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_EQ(code_of([&] { e.list({}, changed, 1); }), engine_errc::invalid_argument);
  engine other(definitions_, {.data_directory = directory_.path() / "other"});
  EXPECT_EQ(code_of([&] { other.list({}, token, 1); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { e.list({.workflow_type = "a\nb"}, "", 1); }), engine_errc::invalid_argument);
  EXPECT_EQ(code_of([&] { e.count({.workflow_id_prefix = std::string(513, 'x')}); }), engine_errc::invalid_argument);
}

TEST_F(ExecutionLists, OfADirectoryThatWasNeverUsedAreEmpty) {
  std::filesystem::create_directories(directory_.path() / "data");
  engine e(definitions_, options());
  EXPECT_THAT(e.list({}, "", 10).executions, IsEmpty());
  EXPECT_EQ(e.list({}, "", 10).next_page_token, "");
  EXPECT_EQ(e.count({}), 0U);
}

/// Makes the directory one of an evermill that knew no index.
void forget_index(const std::filesystem::path& data) {
  {
    const auto store = storage::open_rocksdb_store({.directory = data});
    storage::write_batch batch;
    for (std::uint16_t n = 0; n < storage::default_partitions; ++n) {
      auto state = *storage::load_partition_state(**store, partition_id(n));
      if (state.commit_number() == 0) continue;
      state.clear_execution_index();
      storage::put_partition_state(batch, partition_id(n), state);
    }
    ASSERT_TRUE((*store)->write(batch).has_value());
  }
  tests::drop_family(data, "executions");
}

TEST_F(ExecutionLists, OfADirectoryOfAnOlderEvermillAreMadeWhenItIsOpened) {
  fill();
  forget_index(directory_.path() / "data");
  EXPECT_EQ(problems(), "");
  std::vector<std::string> all;
  {
    const engine looks(definitions_, options(engine_mode::inspect));
    all = expected(looks, {});
    EXPECT_EQ(all.size(), 19U);
    EXPECT_EQ(paged(looks, {}, 4), all);
    EXPECT_EQ(looks.counts({}).by_status.at(execution_status::completed), 5U);
    const execution_filter some{.statuses = {execution_status::running}, .workflow_type = "waits"};
    EXPECT_EQ(paged(looks, some, 2), expected(looks, some));
  }
  {
    engine e(with_other_, options());
    EXPECT_EQ(paged(e, {}, 4), all);
    for (int i = 0; i < 4; ++i) e.signal("waits-" + std::to_string(i), "go", {});
    for (int i = 0; i < 4; ++i) e.wait("waits-" + std::to_string(i));
    EXPECT_EQ(e.count({.statuses = {execution_status::completed}}), 9U);
  }
  EXPECT_EQ(problems(), "");
  const auto store = storage::open_rocksdb_store({.directory = directory_.path() / "data", .read_only = true});
  std::size_t rows = 0;
  for (auto walk = (*store)->scan(storage::family::executions, "", ""); walk->valid(); walk->next()) ++rows;
  EXPECT_EQ(rows, 19U) << "the lock's is not in it";
}

/// The process dies after each of its commits in turn.
TEST_F(ExecutionLists, AgreeWithTheHeadersAfterACrashAnywhere) {
  for (std::uint64_t commit = 1;; ++commit) {
    tests::temporary_directory data;
    bool crashed = false;
    {
      evermill::testing::environment_options how;
      how.data_directory = data.path();
      evermill::testing::environment env(definitions_, how);
      env.crash_after_commit(commit);
      env.start(counts_down, 1, {.id = "runs"});
      env.start(doubles, 1, {.id = "again"});
      env.settle();
      env.start(doubles, 2, {.id = "again", .reuse = workflow_id_reuse::allow});
      env.signal("runs", "go", {}, "first");
      env.settle();
      env.terminate("runs");
      env.settle();
      crashed = env.crashes() > 0;
    }
    std::string text;
    verify(data.path(), [&](const verify_problem& each) { text += each.workflow_id + ": " + each.what + "\n"; });
    EXPECT_EQ(text, "") << "after commit " << commit;
    engine e(definitions_, {.mode = engine_mode::inspect, .data_directory = data.path()});
    EXPECT_EQ(paged(e, {}, 1), expected(e, {}));
    if (!crashed) break;
  }
}

}  // namespace
}  // namespace evermill
