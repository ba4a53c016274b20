// An engine that publishes what it journals.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

inline constexpr activity<int(int)> twice{.name = "twice"};
inline constexpr signal<int> go{.name = "go"};

task<int> doubles(context ctx, int n) {
  const int result = co_await ctx.call(twice, n);
  co_return result;
}

task<int> waits(context ctx) {
  const int n = co_await ctx.wait(go);
  co_return n;
}

task<int> locks(context ctx) {
  auto held = co_await ctx.lock("desk");
  co_return 1;
}

class Publishing : public testing::Test {
 protected:
  Publishing() {
    registry_.add("doubles", doubles);
    registry_.add("waits", waits);
    registry_.add("locks", locks);
    registry_.add(twice, [](int n) { return 2 * n; });
  }
  engine_options options(const std::string& to = "", engine_mode mode = engine_mode::run) const {
    engine_options with{.mode = mode, .data_directory = directory_.path() / "data"};
    with.publish.to = to == "file" ? "file:" + file().string() : to;
    return with;
  }
  std::filesystem::path file() const { return directory_.path() / "events.jsonl"; }
  std::vector<nlohmann::json> events() const {
    std::vector<nlohmann::json> all;
    std::ifstream in(file());
    for (std::string line; std::getline(in, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }
  /// "SUBJECT TYPE" of each.
  std::vector<std::string> told() const {
    std::vector<std::string> all;
    for (const nlohmann::json& each : events()) {
      all.push_back(each["subject"].get<std::string>() + ' ' + each["type"].get<std::string>().substr(9));
    }
    return all;
  }
  std::string refusal(engine_options with) {
    try {
      engine refused(registry_, std::move(with));
    } catch (const engine_error& error) {
      EXPECT_EQ(error.code(), engine_errc::invalid_argument);
      return error.what();
    }
    return "";
  }

  const tests::temporary_directory directory_;
  registry registry_;
};

TEST_F(Publishing, TellsWhatHistoriesSay) {
  std::vector<std::string> history;
  {
    engine e(registry_, options("file"));
    EXPECT_EQ(e.start(doubles, 21, {.id = "w"}).result(), 42);
    for (const auto& each : e.history("w")) history.push_back(each.json);
    while (e.statistics().events_published < history.size()) std::this_thread::yield();
    EXPECT_EQ(e.statistics().events_lost, 0U);
  }
  const auto published = events();
  ASSERT_EQ(published.size(), history.size());
  for (std::size_t n = 0; n < history.size(); ++n) EXPECT_EQ(published[n]["data"], nlohmann::json::parse(history[n]));
}

TEST_F(Publishing, RepeatsNothingAfterAnOrderlyStop) {
  for (const char* id : {"a", "b"}) {
    engine e(registry_, options("file"));
    e.start(doubles, 1, {.id = id}).result();
  }
  EXPECT_EQ(events().size(), 8U);
}

TEST_F(Publishing, KeepsForLaterWhatAnotherEngineJournals) {
  { engine(registry_, options("file")).start(waits, {.id = "w"}); }
  { engine(registry_, options("", engine_mode::record)).signal("w", "go", codec<int>::encode(1)); }
  { engine(registry_, options()).start(doubles, 1, {.id = "x"}).result(); }
  EXPECT_THAT(told(), ElementsAre("w WorkflowExecutionStarted"));
  { engine e(registry_, options("file")); }
  EXPECT_THAT(told(), testing::UnorderedElementsAre(
                          "w WorkflowExecutionStarted", "w WorkflowExecutionSignaled", "w WorkflowExecutionCompleted",
                          "x WorkflowExecutionStarted", "x ActivityTaskScheduled", "x ActivityTaskCompleted",
                          "x WorkflowExecutionCompleted"));
}

TEST_F(Publishing, EndsWhereItIsToldTo) {
  { engine(registry_, options("file")).start(waits, {.id = "w"}); }
  { engine e(registry_, options("none")); }
  { engine(registry_, options()).start(doubles, 1, {.id = "x"}).result(); }
  { engine e(registry_, options("file")); }
  EXPECT_THAT(told(), ElementsAre("w WorkflowExecutionStarted"));
}

TEST_F(Publishing, LeavesLocksOut) {
  {
    engine e(registry_, options("file"));
    e.start(locks, {.id = "w"}).result();
  }
  for (const nlohmann::json& each : events()) EXPECT_EQ(each["subject"], "w");
  EXPECT_EQ(events().size(), 5U);
}

TEST_F(Publishing, RefusesWhatCannotBe) {
  EXPECT_THAT(refusal(options("nowhere")), HasSubstr("file:PATH"));
  EXPECT_THAT(refusal(options("file:")), HasSubstr("needs a path"));
  EXPECT_THAT(refusal(options("queue:")), HasSubstr("this engine has none"));
  EXPECT_THAT(refusal(options("file", engine_mode::record)), HasSubstr("only an engine that runs"));
  EXPECT_THAT(refusal(options("redis://localhost?stream=inbox")), HasSubstr("choose another name"));
  EXPECT_THAT(refusal(options("redis://localhost?wrong=1")), HasSubstr("no such option"));
  engine_options with = options("file");
  with.publish.types = {"WorkflowExecutionStarted", "Nothing"};
  EXPECT_THAT(refusal(with), HasSubstr("\"Nothing\""));
  with.publish.types.clear();
  with.publish.workflows = {""};
  EXPECT_THAT(refusal(with), HasSubstr("is empty"));
  with.publish.workflows.clear();
  with.publish.limit = 0;
  EXPECT_THAT(refusal(with), HasSubstr("limit of 0"));
}

}  // namespace
}  // namespace evermill
