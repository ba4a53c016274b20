// What is exported comes back byte for byte, goes on where it was, and is refused where it is not whole.
#include "evermill/journals.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <thread>

#include "actors/node.hpp"
#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/verify.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rows.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using namespace std::chrono_literals;
using storage::family;
using ::testing::HasSubstr;

inline constexpr activity<int(int)> add_one{.name = "add_one"};
inline constexpr activity<int()> fails_at_first{.name = "fails_at_first", .options = {.retry = {.initial_interval = 1h}}};
inline constexpr signal<int> go{.name = "go"};
inline constexpr child_workflow<int()> waits_child{.name = "waits"};

task<int> calls(context ctx, int n) {
  const int one = co_await ctx.call(add_one, n);
  const int two = co_await ctx.call(add_one, one);
  co_return two;
}
task<int> calls_once(context ctx, int n) {
  const int one = co_await ctx.call(add_one, n);
  co_return one;
}
task<int> waits(context ctx) {
  const int n = co_await ctx.wait(go);
  co_return n;
}
task<int> sleeps(context ctx) {
  co_await ctx.sleep(1h);
  co_return 1;
}
task<int> retries(context ctx) {
  const int n = co_await ctx.call(fails_at_first);
  co_return n;
}
task<int> has_child(context ctx) {
  const int n = co_await ctx.start(waits_child);
  co_return n + 1;
}
task<int> continues(context ctx, int left) {
  if (left > 0) co_await ctx.continue_as_new(left - 1);
  const int n = co_await ctx.wait(go);
  co_return n;
}
task<std::string> text(context, std::string s) { co_return s + s; }
task<std::vector<std::byte>> bytes(context, std::vector<std::byte> b) { co_return b; }

class Journals : public testing::Test {
 protected:
  Journals() {
    definitions_.add("calls", calls);
    definitions_.add("waits", waits);
    definitions_.add("sleeps", sleeps);
    definitions_.add("retries", retries);
    definitions_.add("has_child", has_child);
    definitions_.add("continues", continues);
    definitions_.add("text", text);
    definitions_.add("bytes", bytes);
    add_activities(definitions_);
  }
  void add_activities(registry& to) {
    to.add(add_one, [](int n) { return n + 1; });
    to.add(fails_at_first, [this]() -> int {
      if (!works_) throw application_error("NotYet", "not at the first attempt");
      return 5;
    });
  }

  std::filesystem::path in(const char* name) const { return directory_.path() / name; }
  void run(const std::filesystem::path& data, const std::function<void(engine&)>& use) {
    engine e(definitions_, {.data_directory = data});
    use(e);
  }
  void run_all(engine& e) {
    EXPECT_EQ(e.start(calls, 1, {.id = "calls"}).result(), 3);
    e.start(text, "\"\\ \xc3\xa9 \n", {.id = "text"}).result();
    e.start(bytes, std::vector<std::byte>{std::byte{0}, std::byte{0xff}}, {.id = "bytes"}).result();
    e.start(sleeps, {.id = "terminated"}).terminate("enough");
    e.start(waits, {.id = "waits"});
    e.start(sleeps, {.id = "sleeps"});
    e.start(retries, {.id = "retries"});
    while (e.describe("retries").activities.empty() || e.describe("retries").activities[0].attempt < 2) std::this_thread::yield();
    e.start(continues, 2, {.id = "continues"});
    e.start(has_child, {.id = "parent"});
    while (e.list("", 100).size() < 10) std::this_thread::yield();
  }
  static std::string exported(const std::filesystem::path& data, const std::vector<std::string>& ids = {}) {
    std::ostringstream out;
    export_journals(data, ids, out);
    return out.str();
  }
  std::filesystem::path file(const char* name, const std::string& content) const {
    std::ofstream(in(name), std::ios::binary) << content;
    return in(name);
  }
  static std::map<std::string, std::string> rows(const std::filesystem::path& data, family f) {
    const auto store = storage::open_rocksdb_store({.directory = data, .read_only = true});
    std::map<std::string, std::string> found;
    for (const auto walk = (*store)->scan(f, "", ""); walk->valid(); walk->next()) found.emplace(walk->key(), walk->value());
    return found;
  }
  static std::string problems(const std::filesystem::path& data) {
    std::string text;
    verify(data, [&](const verify_problem& each) { text += each.workflow_id + ": " + each.what + "\n"; });
    return text;
  }
  std::string refusal(const std::string& content) const {
    try {
      import_journals(in("refused"), {file("refused.jsonl", content)});
    } catch (const engine_error& error) {
      return error.what();
    }
    return "it was imported";
  }

  tests::temporary_directory directory_;
  registry definitions_;
  std::atomic<bool> works_{false};
};

TEST_F(Journals, ComeBackByteForByte) {
  run(in("a"), [&](engine& e) { run_all(e); });
  const std::string lines = exported(in("a"));
  const journal_counts counts = import_journals(in("b"), {file("all.jsonl", lines)});
  EXPECT_EQ(counts.executions, 10U);
  EXPECT_EQ(counts.open, 6U);
  EXPECT_EQ(counts.runs, 12U);
  EXPECT_EQ(exported(in("b")), lines);
  EXPECT_EQ(rows(in("b"), family::journal), rows(in("a"), family::journal));
  EXPECT_EQ(rows(in("b"), family::timers), rows(in("a"), family::timers));
  EXPECT_EQ(rows(in("b"), family::instances), rows(in("a"), family::instances));
  EXPECT_EQ(problems(in("b")), "");
}

TEST_F(Journals, GoOnInAnotherDirectory) {
  run(in("a"), [&](engine& e) { run_all(e); });
  import_journals(in("b"), {file("all.jsonl", exported(in("a")))});
  works_ = true;
  run(in("b"), [&](engine& e) {
    EXPECT_EQ(e.find<int>("calls").result(), 3);
    e.signal("waits", "go", json_payload("7"));
    EXPECT_EQ(e.find<int>("waits").result(), 7);
    e.signal("continues", "go", json_payload("8"));
    EXPECT_EQ(e.find<int>("continues").result(), 8);
    ASSERT_EQ(e.describe("sleeps").timers.size(), 1U);
    ASSERT_EQ(e.describe("retries").activities.size(), 1U);
    EXPECT_GE(e.describe("retries").activities[0].attempt, 2U);
    for (const auto& each : e.list("", 100)) {
      if (each.workflow_type == "waits" && each.status == execution_status::running) {
        e.signal(each.workflow_id, "go", json_payload("9"));
      }
    }
    EXPECT_EQ(e.find<int>("parent").result(), 10);
    EXPECT_TRUE(e.start(calls, 1, {.id = "calls"}).existed()) << "a repeated start finds it";
    EXPECT_EQ(e.start(calls, 5, {.id = "new"}).result(), 7);
  });
  EXPECT_EQ(problems(in("b")), "");
}

TEST_F(Journals, KeepParkedEventsOfAnExecutionThatIsStuck) {
  run(in("a"), [&](engine& e) { e.start("waits", payload{}, {.id = "w"}); });
  registry changed;
  changed.add("waits", sleeps);
  {
    engine e(changed, {.data_directory = in("a")});
    e.taint("w");
    while (e.describe("w").blocked != "stuck") std::this_thread::yield();
    e.signal("w", "go", json_payload("4"));
  }
  import_journals(in("b"), {file("w.jsonl", exported(in("a"), {"w"}))});
  EXPECT_EQ(problems(in("b")), "");
  run(in("b"), [&](engine& e) { EXPECT_EQ(e.find<int>("w").result(), 4); });
}

TEST_F(Journals, AreExportedById) {
  run(in("a"), [&](engine& e) {
    e.start(calls, 1, {.id = "one"}).result();
    e.start(calls, 1, {.id = "two"}).result();
  });
  EXPECT_THAT(exported(in("a"), {"two"}), HasSubstr("\"workflow_id\":\"two\""));
  EXPECT_THAT(exported(in("a"), {"two"}), Not(HasSubstr("\"one\"")));
  std::ostringstream out;
  EXPECT_THROW(export_journals(in("a"), {"one", "three"}, out), engine_error);
  EXPECT_EQ(out.str(), "");
}

TEST_F(Journals, AreImportedBesideOthersOnlyWhereTheirNumbersAreFree) {
  run(in("a"), [&](engine& e) { e.start(calls, 1, {.id = "x"}).result(); });
  run(in("b"), [&](engine& e) { e.start(calls, 1, {.id = "x"}).result(); });
  const auto from_a = file("a.jsonl", exported(in("a")));
  try {
    import_journals(in("b"), {from_a});
    FAIL() << "the id was taken";
  } catch (const engine_error& error) {
    EXPECT_EQ(error.code(), engine_errc::already_exists);
    EXPECT_THAT(error.what(), HasSubstr("\"x\""));
  }
  const auto before = rows(in("b"), family::journal);
  std::string neighbour = "a";  // an id of the same partition
  while (actors::partition_of(neighbour, storage::default_partitions) != actors::partition_of("x", storage::default_partitions)) {
    ++neighbour[0];
  }
  std::string renamed = exported(in("a"));
  for (std::size_t at = 0; (at = renamed.find("\"workflow_id\":\"x\"", at)) != std::string::npos; ++at) {
    renamed.replace(at, 17, "\"workflow_id\":\"" + neighbour + "\"");
  }
  try {
    import_journals(in("b"), {file("renamed.jsonl", renamed)});
    FAIL() << "the run's number was taken";
  } catch (const engine_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("is taken here"));
  }
  EXPECT_EQ(rows(in("b"), family::journal), before);
}

TEST_F(Journals, OfAParentAreRefusedWithoutItsChild) {
  run(in("a"), [&](engine& e) {
    e.start(has_child, {.id = "parent"});
    while (e.list("", 100).size() < 2) std::this_thread::yield();
  });
  EXPECT_THAT(refusal(exported(in("a"), {"parent"})), HasSubstr("waits for its child"));
  EXPECT_EQ(rows(in("refused"), family::journal).size(), 0U);
}

TEST_F(Journals, ThatAreNotWholeAreRefusedByFileAndLine) {
  run(in("a"), [&](engine& e) { e.start(calls, 1, {.id = "x"}).result(); });
  const std::string whole = exported(in("a"));
  std::vector<std::string> lines;
  std::istringstream split(whole);
  for (std::string line; std::getline(split, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 8U) << "the run, six events, the end";
  const auto joined = [](const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& line : all) text += line + "\n";
    return text;
  };
  const auto with = [&](std::size_t at, const std::string& what, const std::string& instead) {
    auto changed = lines;
    const std::size_t found = changed[at].find(what);
    if (found == std::string::npos) throw std::runtime_error(what + " is not in " + changed[at]);
    changed[at].replace(found, what.size(), instead);
    return refusal(joined(changed));
  };
  const auto without = [&](std::size_t at) {
    auto changed = lines;
    changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(at));
    return refusal(joined(changed));
  };
  EXPECT_THAT(without(0), HasSubstr("refused.jsonl:1: it does not begin a run"));
  EXPECT_THAT(without(1), HasSubstr("refused.jsonl:2: event 2 where event 1 is expected"));
  EXPECT_THAT(without(6), HasSubstr("refused.jsonl:7: lines of the run are missing"));
  EXPECT_THAT(without(7), HasSubstr("refused.jsonl:7: the file ends inside of a run"));
  EXPECT_THAT(with(0, "\"evermill_journal\":1", "\"evermill_journal\":2"), HasSubstr(":1: format 2 is that of a newer"));
  EXPECT_THAT(with(0, "COMPLETED", "RUNNING"), HasSubstr(":1: the status is RUNNING, but the events say COMPLETED"));
  EXPECT_THAT(with(1, "{", "nonsense"), HasSubstr(":2: it is not a JSON object"));
  EXPECT_THAT(with(2, "ActivityTaskScheduled", "Nonsense"), HasSubstr(":3: \"Nonsense\" is no kind of event"));
  EXPECT_THAT(with(2, "activity_type", "activity_kind"), HasSubstr(":3: \"activity_kind\" is not known"));
  EXPECT_THAT(with(3, "\"scheduled_seq\":2", "\"scheduled_seq\":9"), HasSubstr("which is not an open activity"));
  EXPECT_THAT(with(3, "\"scheduled_seq\":2", "\"scheduled_seq\":-2"), HasSubstr("\"scheduled_seq\" is not a whole number"));
  EXPECT_THAT(refusal(whole + whole), HasSubstr("the run does not continue the one before it"));
  EXPECT_FALSE(std::filesystem::exists(in("refused"))) << "a directory was made for nothing";
  EXPECT_EQ(refusal(whole), "it was imported");
}

TEST_F(Journals, ReplayAgainstTheCodeOfToday) {
  run(in("a"), [&](engine& e) { run_all(e); });
  const auto exported_file = file("all.jsonl", exported(in("a")));
  for (const auto& journals : {in("a"), exported_file, directory_.path()}) {
    const replay_report report = replay(definitions_, journals, [](const replay_difference& d) { ADD_FAILURE() << d.what; });
    EXPECT_EQ(report.runs, 12U) << journals;
    EXPECT_EQ(report.differences, 0U);
    EXPECT_EQ(report.argument_mismatches, 0U);
    EXPECT_GT(report.events, 25U);
  }
}

TEST_F(Journals, ThatDifferAreNamedWithTheFirstDifference) {
  run(in("a"), [&](engine& e) {
    e.start(calls, 1, {.id = "calls"}).result();
    e.start(waits, {.id = "waits"});
    e.start(text, std::string("x"), {.id = "text"}).result();
  });
  registry changed;
  changed.add("calls", calls_once);
  changed.add("waits", sleeps);
  add_activities(changed);
  std::map<std::string, replay_difference> found;
  const auto exported_file = file("all.jsonl", exported(in("a")));
  const replay_report report = replay(changed, exported_file, [&](const replay_difference& d) { found[d.workflow_id] = d; });
  EXPECT_EQ(report.differences, 3U);
  EXPECT_EQ(found["calls"].event, 4U);
  EXPECT_EQ(found["calls"].what,
            "the journal has ActivityTaskScheduled \"add_one\", the code asked for WorkflowExecutionCompleted");
  EXPECT_EQ(found["calls"].file, exported_file.string());
  EXPECT_EQ(found["waits"].event, 2U);
  EXPECT_THAT(found["waits"].what, HasSubstr("TimerStarted"));
  EXPECT_THAT(found["text"].what, HasSubstr("no workflow named \"text\" is registered"));
}

TEST_F(Journals, ThatCanNotBeReadAreNoDifference) {
  EXPECT_THROW(replay(definitions_, in("nothing")), engine_error);
  EXPECT_THROW(replay(definitions_, directory_.path()), engine_error) << "there is nothing in it";
  EXPECT_THROW(replay(definitions_, file("bad.jsonl", "{}\n")), engine_error);
}

}  // namespace
}  // namespace evermill
