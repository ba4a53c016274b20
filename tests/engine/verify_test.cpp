// A directory that an engine left, whatever was going on in it, is clean; each kind of damage is found and named.
#include "evermill/verify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <memory>

#include "actors/node.hpp"
#include "engine/verification.hpp"
#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "storage/executions.hpp"
#include "storage/journal.hpp"
#include "storage/keys.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rows.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using storage::family;
using ::testing::HasSubstr;

inline constexpr activity<int(int)> add_one{.name = "add_one"};
inline constexpr activity<int()> never_works{.name = "never_works", .options = {.retry = {.initial_interval = 1h}}};
inline constexpr activity<int()> gives_up{.name = "gives_up", .options = {.retry = {.max_attempts = 1}}};
inline constexpr signal<int> go{.name = "go"};
inline constexpr child_workflow<int()> waits_child{.name = "waits"};
inline constexpr child_workflow<int()> elsewhere{.name = "elsewhere"};

task<int> completes(context ctx, int n) {
  const int one = co_await ctx.call(add_one, n);
  const int two = co_await ctx.call(add_one, one);
  co_return two;
}
task<int> fails(context ctx) {
  const int n = co_await ctx.call(gives_up);
  co_return n;
}
task<int> waits(context ctx) {
  const int n = co_await ctx.wait(go);
  co_return n;
}
task<int> sleeps(context ctx) {
  co_await ctx.sleep(24h);
  co_return 1;
}
task<int> retries(context ctx) {
  const int n = co_await ctx.call(never_works);
  co_return n;
}
task<int> waits_then_calls(context ctx) {
  const int n = co_await ctx.wait(go);
  const int m = co_await ctx.call(add_one, n);
  co_return m;
}
task<int> waits_then_steps(context ctx) {
  const int n = co_await ctx.wait(go);
  auto one = [] { return 1; };
  const int m = co_await ctx.step("one", one);
  co_return n + m;
}
task<int> has_child(context ctx) {
  const int n = co_await ctx.start(waits_child);
  co_return n;
}
task<int> has_unserved_child(context ctx) {
  const int n = co_await ctx.start(elsewhere);
  co_return n;
}
task<int> continues(context ctx, int left) {
  if (left > 0) co_await ctx.continue_as_new(left - 1);
  const int n = co_await ctx.wait(go);
  co_return n;
}
task<int> calls_then_waits(context ctx) {
  const int n = co_await ctx.call(add_one, 1);
  const int m = co_await ctx.wait(go);
  co_return n + m;
}

class Verify : public testing::Test {
 protected:
  Verify() {
    definitions_.add("completes", completes);
    definitions_.add("fails", fails);
    definitions_.add("waits", waits);
    definitions_.add("sleeps", sleeps);
    definitions_.add("retries", retries);
    definitions_.add("waits_then_calls", waits_then_calls);
    definitions_.add("waits_then_steps", waits_then_steps);
    definitions_.add("has_child", has_child);
    definitions_.add("has_unserved_child", has_unserved_child);
    definitions_.add("continues", continues);
    definitions_.add("changes", waits);
    add_activities(definitions_);
  }

  static void add_activities(registry& to) {
    to.add(add_one, [](int n) { return n + 1; });
    to.add(never_works, []() -> int { throw application_error("NotYet", "not at the first attempt"); });
    to.add(gives_up, []() -> int { throw application_error("Never", "it never works"); });
  }

  engine_options options(engine_mode mode = engine_mode::run) const {
    return {.mode = mode, .data_directory = directory_.path()};
  }
  void run(const std::function<void(engine&)>& use) {
    engine e(definitions_, options());
    use(e);
  }
  /// Until the execution looks so; what it waits for always comes.
  static void until(engine& e, const char* id, const std::function<bool(const execution_description&)>& so) {
    while (!so(e.describe(id))) std::this_thread::yield();
  }

  std::vector<verify_problem> problems() {
    std::vector<verify_problem> found;
    report_ = verify(directory_.path(), [&](const verify_problem& problem) { found.push_back(problem); });
    EXPECT_EQ(report_.problems, found.size());
    return found;
  }
  static std::string text_of(const std::vector<verify_problem>& problems) {
    std::string text;
    for (const verify_problem& each : problems) {
      text += "\"" + each.workflow_id + "\" run " + std::to_string(each.run) + " event " + std::to_string(each.event) +
              " row " + each.row + ": " + each.what + " -> " + each.advice + "\n";
    }
    return text;
  }
  void expect_clean() { EXPECT_EQ(text_of(problems()), ""); }

  std::unique_ptr<storage::key_value_store> open() const {
    auto store = storage::open_rocksdb_store({.directory = directory_.path()});
    if (!store) throw std::runtime_error(store.error().message);
    return std::move(*store);
  }
  partition_id partition_of(const std::string& id) const { return actors::partition_of(id, storage::default_partitions); }
  run_number run_of(const storage::key_value_store& store, const std::string& id) const {
    return run_number(storage::find_header(store, partition_of(id), id)->value().run_number());
  }
  std::string turn_key(partition_id partition, run_number run, std::uint64_t first) const {
    std::string key;
    storage::append_partition(key, partition);
    storage::append_number(key, run.value);
    storage::append_number(key, first);
    return key;
  }
  /// Writes what `change` puts into the batch, and expects a problem that says `what` about `id`.
  void expect_found(const std::string& id, const std::string& what,
                    const std::function<void(storage::write_batch&, const storage::key_value_store&, run_number)>& change) {
    {
      const auto store = open();
      storage::write_batch batch;
      change(batch, *store, id.empty() ? run_number() : run_of(*store, id));
      ASSERT_FALSE(batch.empty());
      ASSERT_TRUE(store->write(batch).has_value());
    }
    const auto found = problems();
    const bool named = std::any_of(found.begin(), found.end(), [&](const verify_problem& each) {
      return each.workflow_id == id && each.what.find(what) != std::string::npos && !each.advice.empty();
    });
    EXPECT_TRUE(named) << "nobody said \"" << what << "\" of \"" << id << "\":\n" << text_of(found);
  }

  tests::temporary_directory directory_;
  registry definitions_;
  verify_report report_;
};

// --- clean

TEST_F(Verify, FindsNothingInDirectoriesWhereEverythingHasEnded) {
  run([](engine& e) {
    EXPECT_EQ(e.start(completes, 1, {.id = "completed"}).result(), 3);
    EXPECT_THROW(e.start(fails, {.id = "failed"}).result(), workflow_failed);
    e.start(sleeps, {.id = "canceled"}).cancel("enough");
    e.start(retries, {.id = "terminated"}).terminate("enough");
    e.wait("canceled");
    e.wait("terminated");
    e.start(continues, 3, {.id = "continued"}).signal(go, 1);
    e.wait("continued");
    e.start(has_child, {.id = "parent"});
    while (e.list("", 100).size() < 7) std::this_thread::yield();
    for (const auto& each : e.list("", 100)) {
      if (each.status == execution_status::running && each.workflow_type == "waits") e.signal(each.workflow_id, "go", json_payload("1"));
    }
    e.wait("parent");
  });
  expect_clean();
  EXPECT_EQ(report_.instances, 7U);
  EXPECT_EQ(report_.open, 0U);
  EXPECT_EQ(report_.runs, 10U) << "one execution continued as new three times";
  EXPECT_GT(report_.events, 25U);
}

TEST_F(Verify, FindsNothingInADirectoryThatIsNew) {
  run([](engine&) {});
  expect_clean();
  EXPECT_EQ(report_.instances, 0U);
}

TEST_F(Verify, FindsNothingWhereExecutionsWait) {
  run([](engine& e) {
    e.start(waits, {.id = "signal"});
    e.start(sleeps, {.id = "timer"});
    e.start(retries, {.id = "retry"});
    until(e, "retry", [](const auto& about) { return !about.activities.empty() && about.activities[0].attempt == 2; });
    e.start(continues, 2, {.id = "continued"});
    e.start(has_child, {.id = "parent"});
    while (e.list("", 100).size() < 6) std::this_thread::yield();
  });
  expect_clean();
  EXPECT_EQ(report_.open, 6U);
}

TEST_F(Verify, FindsNothingWhereWorkWasRecordedAndNotStarted) {
  run([](engine& e) {
    e.start(waits_then_calls, {.id = "activity"});
    e.start(waits_then_steps, {.id = "step"});
  });
  {
    engine recorder(definitions_, options(engine_mode::record));
    recorder.signal("activity", "go", json_payload("1"));
    recorder.signal("step", "go", json_payload("1"));
  }
  expect_clean();
}

TEST_F(Verify, FindsNothingWhereAnExecutionIsStuckWithParkedEvents) {
  run([](engine& e) { e.start("changes", payload{}, {.id = "stuck"}); });
  registry changed;
  changed.add("changes", calls_then_waits);
  add_activities(changed);
  {
    engine e(changed, options());
    e.taint("stuck");
    until(e, "stuck", [](const auto& about) { return about.blocked == "stuck"; });
    e.signal("stuck", "go", json_payload("1"));
    e.signal("stuck", "go", json_payload("2"));
  }
  expect_clean();
}

TEST_F(Verify, FindsNothingWhereAChildHasNoCode) {
  run([](engine& e) {
    e.start(has_unserved_child, {.id = "parent"});
    while (e.list("", 100).size() < 2) std::this_thread::yield();
  });
  expect_clean();
}

TEST_F(Verify, RefusesADirectoryThatIsOpenOrDoesNotExist) {
  const auto code = [](const std::filesystem::path& directory) {
    try {
      verify(directory);
    } catch (const engine_error& error) {
      EXPECT_THAT(error.what(), HasSubstr(directory.string()));
      return error.code();
    }
    ADD_FAILURE() << "it was verified";
    return engine_errc::closed;
  };
  engine e(definitions_, options());
  EXPECT_EQ(code(directory_.path()), engine_errc::locked);
  EXPECT_EQ(code(directory_.path() / "nothing"), engine_errc::storage);
}

// --- damaged

class VerifyDamaged : public Verify {
 protected:
  VerifyDamaged() {
    run([](engine& e) {
      e.start(completes, 1, {.id = "done"}).result();
      e.start(sleeps, {.id = "timer"});
      e.start(retries, {.id = "retry"});
      until(e, "retry", [](const auto& about) { return !about.activities.empty() && about.activities[0].attempt == 2; });
      e.start(has_child, {.id = "parent"});
      while (e.list("", 100).size() < 5) std::this_thread::yield();
      for (const auto& each : e.list("", 100)) {
        if (each.workflow_type == "waits") child_id() = each.workflow_id;
      }
    });
  }
  static std::string& child_id() {
    static std::string id;
    return id;
  }
};

TEST_F(VerifyDamaged, FindsNothingBefore) { expect_clean(); }

TEST_F(VerifyDamaged, NamesMissingEvents) {
  expect_found("done", "events 3 to 4 are missing", [&](auto& batch, const auto&, run_number r) {
    batch.erase(family::journal, turn_key(partition_of("done"), r, 3));
  });
}

TEST_F(VerifyDamaged, NamesAJournalWithoutItsStart) {
  expect_found("", "the first event is ActivityTaskCompleted", [&](auto& batch, const auto& store, run_number) {
    const run_number r = run_of(store, "done");
    batch.erase(family::journal, turn_key(partition_of("done"), r, 1));
    messages::TurnRecord turn;
    turn.add_events()->mutable_activity_task_completed()->set_scheduled_seq(2);
    storage::append_turn(batch, partition_of("done"), r, event_seq(1), turn);
  });
}

TEST_F(VerifyDamaged, NamesAnEndOfNothing) {
  expect_found("timer", "TimerFired names event 7, which is not an open timer", [&](auto& batch, const auto&, run_number r) {
    messages::TurnRecord turn;
    turn.set_time_us(4'000'000'000'000'000);
    turn.add_events()->mutable_timer_fired()->set_started_seq(7);
    storage::append_turn(batch, partition_of("timer"), r, event_seq(3), turn);
  });
}

TEST_F(VerifyDamaged, NamesEventsBehindTheEndAndTimeThatGoesBack) {
  const auto add = [&](auto& batch, const auto&, run_number r) {
    messages::TurnRecord turn;
    turn.set_time_us(1);
    turn.add_events()->mutable_workflow_execution_signaled()->set_signal_name("go");
    storage::append_turn(batch, partition_of("done"), r, event_seq(7), turn);
  };
  expect_found("done", "follows the execution's end", add);
  expect_found("done", "its time lies before", add);
}

TEST_F(VerifyDamaged, NamesARowWithAnotherChecksum) {
  expect_found("", "checksum mismatch", [&](auto& batch, const auto& store, run_number) {
    const std::string key = turn_key(partition_of("done"), run_of(store, "done"), 1);
    std::string value;
    ASSERT_TRUE(*store.get(family::journal, key, value));
    value.back() ^= 1;
    batch.put(family::journal, key, value);
  });
}

TEST_F(VerifyDamaged, NamesARowOfALaterVersion) {
  expect_found("", "newer version", [&](auto& batch, const auto& store, run_number) {
    const std::string key = turn_key(partition_of("done"), run_of(store, "done"), 1);
    std::string value;
    ASSERT_TRUE(*store.get(family::journal, key, value));
    value.front() = 2;
    batch.put(family::journal, key, value);
  });
}

TEST_F(VerifyDamaged, NamesMalformedKeysInEveryFamily) {
  for (std::size_t f = 0; f < storage::family_count; ++f) {
    const bool any_key = static_cast<family>(f) == family::instances;  // a workflow id may be anything
    expect_found("", any_key ? "truncated" : "malformed key", [&](auto& batch, const auto&, run_number) {
      batch.put(static_cast<family>(f), std::string("\0\1\xff", 3), "x");
    });
  }
}

TEST_F(VerifyDamaged, NamesAMissingTimer) {
  expect_found("timer", "its timer's row is missing", [&](auto& batch, const auto& store, run_number) {
    const auto rows = storage::scan_timers(store, partition_of("timer"), {}, 10);
    ASSERT_EQ(rows->size(), 1U);
    storage::erase_timer(batch, partition_of("timer"), rows->front().fire_at, rows->front().run, rows->front().started);
  });
}

TEST_F(VerifyDamaged, NamesTimersThatNobodyAskedFor) {
  expect_found("timer", "a timer that the journal does not ask for", [&](auto& batch, const auto&, run_number r) {
    storage::put_timer(batch, partition_of("timer"), {timestamp(1s), r, event_seq(9), "timer"});
  });
  expect_found("timer", "a timer at another time", [&](auto& batch, const auto&, run_number r) {
    storage::put_timer(batch, partition_of("timer"), {timestamp(1s), r, event_seq(2), "timer"});
  });
  expect_found("done", "a timer of a run that has ended", [&](auto& batch, const auto&, run_number r) {
    storage::put_timer(batch, partition_of("done"), {timestamp(1s), r, event_seq(2), "done"});
  });
}

TEST_F(VerifyDamaged, NamesMissingOpenWork) {
  expect_found("retry", "its open-work row is missing", [&](auto& batch, const auto&, run_number r) {
    storage::erase_open_work(batch, partition_of("retry"), r);
  });
  EXPECT_THAT(text_of(problems()), HasSubstr("the run's open-work row is missing")) << "of the attempt's row";
}

TEST_F(VerifyDamaged, NamesOpenWorkThatDiffersFromTheJournal) {
  expect_found("retry", "differ in the open activities", [&](auto& batch, const auto&, run_number r) {
    messages::OpenWork work;
    work.set_workflow_id("retry");
    work.set_through_seq(2);
    storage::put_open_work(batch, partition_of("retry"), r, work);
  });
  expect_found("retry", "where no turn ends", [&](auto& batch, const auto&, run_number r) {
    messages::OpenWork work;
    work.set_workflow_id("retry");
    work.set_through_seq(1);
    storage::put_open_work(batch, partition_of("retry"), r, work);
  });
  expect_found("retry", "differ in the open steps", [&](auto& batch, const auto&, run_number r) {
    messages::OpenWork work;
    work.set_workflow_id("retry");
    work.set_through_seq(2);
    work.add_activities(2);
    work.add_activity_turns(1);
    work.add_steps(2);
    storage::put_open_work(batch, partition_of("retry"), r, work);
  });
}

TEST_F(VerifyDamaged, NamesOpenWorkOfNobody) {
  expect_found("done", "open work of a run that has ended", [&](auto& batch, const auto&, run_number r) {
    messages::OpenWork work;
    work.set_workflow_id("done");
    storage::put_open_work(batch, partition_of("done"), r, work);
  });
  expect_found("retry", "of an activity that is not open", [&](auto& batch, const auto&, run_number r) {
    messages::OpenActivity activity;
    activity.set_attempt(1);
    storage::put_open_activity(batch, partition_of("retry"), r, event_seq(1), activity);
  });
}

TEST_F(VerifyDamaged, NamesAJournalWithoutHeader) {
  expect_found("done", "a journal without a header", [&](auto& batch, const auto&, run_number) {
    std::string key;
    storage::append_partition(key, partition_of("done"));
    batch.erase(family::instances, key + "done");
  });
}

TEST_F(VerifyDamaged, NamesAHeaderThatDiffersFromItsJournal) {
  const auto change = [&](const char* id, const std::string& what, const std::function<void(messages::InstanceHeader&)>& how) {
    expect_found(id, what, [&](auto& batch, const auto& store, run_number) {
      messages::InstanceHeader header = storage::find_header(store, partition_of(id), id)->value();
      how(header);
      storage::put_header(batch, partition_of(id), id, header);
    });
  };
  change("timer", "the header says COMPLETED, the journal RUNNING", [](auto& h) { h.set_status(messages::COMPLETED); });
  change("done", "differ in the workflow type", [](auto& h) { h.set_workflow_type("other"); });
  change("done", "differ in the start of the first run", [](auto& h) { h.set_execution_started_us(1); });
  change("done", "differ in the run id", [](auto& h) { h.set_run_id("other"); });
  change("done", "differ in the input", [](auto& h) { h.set_input_hash(1); });
  change("done", "begins the last turn", [](auto& h) { h.set_closing_turn_seq(1); });
  change("parent", "its journal is missing", [](auto& h) { h.set_run_number(77); });
}

TEST_F(VerifyDamaged, NamesAHeaderInAnotherPartition) {
  expect_found("done", "where nobody looks for it", [&](auto& batch, const auto& store, run_number) {
    const messages::InstanceHeader header = storage::find_header(store, partition_of("done"), "done")->value();
    const partition_id other(static_cast<std::uint16_t>((partition_of("done").value + 1) % storage::default_partitions));
    storage::put_header(batch, other, "done", header);
  });
}

TEST_F(VerifyDamaged, NamesAnIndexThatDiffersFromTheHeaders) {
  const auto row_of = [this](const storage::key_value_store& store, const char* id) {
    return storage::execution_row_of(partition_of(id), id, storage::find_header(store, partition_of(id), id)->value());
  };
  expect_found("done", "lists would not show it", [&](auto& batch, const auto& store, run_number) {
    storage::erase_execution(batch, row_of(store, "done"));
  });
  expect_found("done", "lists would not show it", [&](auto& batch, const auto& store, run_number) {
    storage::execution_row row = row_of(store, "done");
    storage::erase_execution(batch, row);
    ++row.at.started_us;
    storage::put_execution(batch, row);
  });
  expect_found("timer", "says something else than the header", [&](auto& batch, const auto& store, run_number) {
    storage::execution_row row = row_of(store, "timer");
    row.is = storage::listed_state::blocked;
    storage::put_execution(batch, row);
  });
  {
    storage::write_batch batch;
    storage::put_execution(batch, {partition_of("nobody"), storage::listed_state::running, "type", {1, "nobody"}});
    ASSERT_TRUE(open()->write(batch).has_value());
  }
  EXPECT_THAT(text_of(problems()), HasSubstr("has one that does not exist"));
  expect_found("", "checksum mismatch", [&](auto& batch, const auto& store, run_number) {
    storage::write_batch one;
    storage::put_execution(one, row_of(store, "timer"));
    struct {
      storage::write_batch& to;
      void put(family f, std::string_view key, std::string_view value) { to.put(f, key, std::string(value.size(), '\1')); }
      void erase(family, std::string_view) {}
    } spoil{batch};
    one.for_each(spoil);
  });
}

TEST_F(VerifyDamaged, NamesAChildThatIsGone) {
  const std::string child = child_id();
  expect_found("parent", "which does not exist and which no message starts", [&](auto& batch, const auto& store, run_number) {
    batch.erase(family::journal, turn_key(partition_of(child), run_of(store, child), 1));
    std::string key;
    storage::append_partition(key, partition_of(child));
    batch.erase(family::instances, key + child);
  });
}

TEST_F(VerifyDamaged, NamesParkedEventsOfNobody) {
  messages::DecisionEvent event;
  event.mutable_event()->mutable_workflow_execution_signaled()->set_signal_name("go");
  expect_found("done", "a parked event of a run that has ended", [&](auto& batch, const auto&, run_number r) {
    event.set_workflow_id("done");
    event.set_run_number(r.value);
    storage::put_parked(batch, partition_of("done"), r, 1, event);
  });
  expect_found("timer", "nothing would hand over its parked events", [&](auto& batch, const auto&, run_number r) {
    event.set_workflow_id("timer");
    event.set_run_number(r.value);
    storage::put_parked(batch, partition_of("timer"), r, 1, event);
  });
}

TEST_F(VerifyDamaged, NamesMessagesThatNoLaneKnows) {
  const partition_id source = partition_of("parent");
  const partition_id destination = partition_of("done");
  expect_found("done", "message", [&](auto& batch, const auto&, run_number) {
    messages::DecisionEvent event;
    event.set_workflow_id("done");
    event.mutable_lane()->set_source_partition(source.value);
    event.mutable_lane()->set_number(900);
    storage::put_outbound(batch, source, destination, 900, event);
  });
}

TEST_F(VerifyDamaged, NamesAPartitionWhoseStateIsGone) {
  expect_found("", "whose last one is 0", [&](auto& batch, const auto&, run_number) {
    std::string key;
    storage::append_partition(key, partition_of("done"));
    batch.erase(family::partitions, key);
  });
}

TEST_F(VerifyDamaged, NamesPositionsOutOfOrder) {
  expect_found("", "are out of order", [&](auto& batch, const auto& store, run_number) {
    messages::PartitionState state = *storage::load_partition_state(store, partition_of("done"));
    auto& consumed = *state.add_consumed();
    consumed.set_source("memory");
    consumed.set_low_water(10);
    consumed.add_handled_ranges(9);
    consumed.add_handled_ranges(12);
    storage::put_partition_state(batch, partition_of("done"), state);
  });
}

TEST_F(VerifyDamaged, NamesAMissingDescription) {
  expect_found("", "the description of the store is missing",
               [&](auto& batch, const auto&, run_number) { batch.erase(family::description, "description"); });
}

TEST_F(VerifyDamaged, NamesADamagedTable) {
  ASSERT_TRUE(open()->compact().has_value());
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream bytes(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(20);
    bytes.put('\x55');
  }
  const std::string text = text_of(problems());
  EXPECT_THAT(text, HasSubstr("the store is damaged"));
  EXPECT_THAT(text, HasSubstr(".sst"));
}

TEST_F(VerifyDamaged, NamesAStoreThatCanNotBeOpened) {
  std::ofstream(directory_.path() / "CURRENT", std::ios::trunc) << "nonsense\n";
  EXPECT_THAT(text_of(problems()), HasSubstr("the store is damaged"));
}

}  // namespace
}  // namespace evermill
