#include "plugins/task/backends.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "attempt_ends.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using tasks::backends;

struct Backends : testing::Test {
  tasks::backend_parts parts() {
    tasks::backend_parts made;
    made.definitions = &definitions;
    made.time = &time;
    made.report = ends.recorder();
    return made;
  }
  registry definitions;
  manual_clock time;
  attempt_ends ends;
};

TEST_F(Backends, AreMadeByName) {
  definitions.add(activity<int(int)>{.name = "own"}, [](int n) { return n; });
  const backends all(backends::names(), parts());
  std::set<std::string> names;
  for (tasks::task_backend* const each : all.all()) {
    names.emplace(each->name());
    EXPECT_EQ(each->serves("own"), each == all.native());
    const bool serves_others = each == all.native() || each->name() == "plugins";  // names of others' choice
    const bool serves_several = each->name() == "kafka" && each->serves("kafka.send") && each->serves("kafka.receive");
    EXPECT_TRUE(serves_others || serves_several || each->serves(each->name())) << each->name();
    EXPECT_FALSE(each->serves("nothing"));
  }
  EXPECT_EQ(names.size(), backends::names().size());
  for (const char* const name : {"native", "shell", "script", "docker", "http", "lambda", "grpc", "kafka", "plugins"}) EXPECT_TRUE(names.contains(name)) << name;
  const backends some({"http"}, parts());
  EXPECT_EQ(some.all().size(), 1U);
  EXPECT_EQ(some.native(), nullptr);
}

TEST_F(Backends, OtherNamesAreToldWithThoseThereAre) {
  EXPECT_EQ(backends::why_not({"http", "native"}), "");
  const std::string why = backends::why_not({"http", "htp"});
  EXPECT_TRUE(why.starts_with("there is no backend \"htp\"; there are native, shell, ")) << why;
  for (const std::string& name : backends::names()) EXPECT_NE(why.find(name), std::string::npos) << name;
}

TEST_F(Backends, StopTakesNothingMore) {
  backends all(backends::names(), parts());
  all.stop(std::chrono::milliseconds(0));
  std::uint64_t seq = 0;
  for (tasks::task_backend* const each : all.all()) each->run({make_task("any", json_payload("null"), ++seq)});
  EXPECT_TRUE(ends.reports().empty());
}

}  // namespace
}  // namespace evermill::tests
