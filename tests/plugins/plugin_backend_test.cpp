// Activities that a shared library adds.
#include "plugins/task/plugin/plugin_backend.hpp"

#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

#include "attempt_ends.hpp"
#include "evermill/plugin.hpp"
#include "plugins/api/added_plugins.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class PluginBackend : public testing::Test {
 protected:
  void SetUp() override { load_plugin(std::string(EVERMILL_PLUGIN_LIBRARIES) + "/activity_plugin.so"); }
  std::unique_ptr<tasks::task_backend> make() {
    tasks::plugin_backend_options options;
    options.activities = plugin_activities();
    options.time = &time;
    options.lines = log(std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
    options.secrets = secrets;
    options.on_heartbeat = ends.heartbeat_recorder();
    return tasks::make_plugin_backend(options, ends.recorder());
  }
  tasks::attempt_end end_of(const std::string& type, const std::string& json) {
    const auto backend = make();
    backend->run({make_task(type, json_payload(std::string(json)), 1)});
    return ends.of(1);
  }

  manual_clock time;
  attempt_ends ends;
  std::ostringstream lines;
  std::shared_ptr<const tasks::secret_source> secrets;
};

TEST_F(PluginBackend, ServesWhatWasAdded) {
  const auto backend = make();
  EXPECT_TRUE(backend->serves("test.tell"));
  EXPECT_FALSE(backend->serves("test.other"));
  EXPECT_EQ(backend->name(), "plugins");
}

TEST_F(PluginBackend, AnAttemptIsToldWhatItIs) {
  auto task = std::make_shared<messages::ActivityTask>(*make_task("test.tell", json_payload("{\"x\":1}"), 1));
  task->mutable_heartbeat_details()->set_data("{\"done\":1}");
  const auto backend = make();
  backend->run({task});
  EXPECT_EQ(result_of<nlohmann::json>(ends.of(1)).dump(), R"([{"x":1},"order-1","1.2.1.3.4","1.2.1",3,{"done":1}])");
  EXPECT_THAT(lines.str(), HasSubstr("activity test.tell: it was asked"));
}

TEST_F(PluginBackend, FailuresAreWhatThePluginSays) {
  failure why = failure_of(end_of("test.fail", "\"for good\""));
  EXPECT_EQ(why.type, "Refused");
  EXPECT_TRUE(why.non_retryable);
  EXPECT_EQ(why.details->data, "{\"code\":7}");
  ends.forget();
  why = failure_of(end_of("test.fail", "\"later\""));
  EXPECT_FALSE(why.non_retryable);
  EXPECT_EQ(why.next_retry_delay, 9s);
  for (const char* how : {"\"somehow\"", "\"strangely\""}) {
    ends.forget();
    why = failure_of(end_of("test.fail", how));
    EXPECT_EQ(why.type, "PluginError");
    EXPECT_FALSE(why.non_retryable);
  }
  ends.forget();
  why = failure_of(end_of("test.fail", "\"\""));
  EXPECT_EQ(why.kind, failure_kind::invalid_payload);
  EXPECT_THAT(why.message, HasSubstr("no JSON"));
}

TEST_F(PluginBackend, AnAttemptThatIsToldToStopEnds) {
  const auto backend = make();
  const auto canceled = make_task("test.wait", json_payload("\"\""), 1);
  const auto asked = make_task("test.wait", json_payload("\"result\""), 2);
  backend->run({canceled, asked});
  EXPECT_EQ(ends.heartbeats(1, 1).front(), "{\"done\":1}");
  ends.heartbeats(2, 1);
  backend->request_stop(tasks::dispatch_id_of(*canceled));
  backend->request_stop(tasks::dispatch_id_of(*asked));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
  EXPECT_EQ(result_of<std::string>(ends.of(2)), "as far as it came");
}

class test_secret final : public tasks::secret_source {
 public:
  std::optional<nlohmann::json> find(const std::string&) const override { return nlohmann::json("hunter-of-2"); }
  std::string place() const override { return "a test"; }
};

TEST_F(PluginBackend, SecretsReachThePluginAndNothingElse) {
  secrets = std::make_shared<test_secret>();
  const std::string input = nlohmann::json(std::string(secret_prefix) + "name" + std::string(secret_suffix)).dump();
  EXPECT_EQ(result_of<nlohmann::json>(end_of("test.tell", input)).at(0), "***");
}

TEST(PluginActivity, ATypeIsNotTakenTwice) {
  const auto run = [](const plugin_attempt&) { return std::string("1"); };
  plugins().add_activity("test.once", run);
  EXPECT_THROW(plugins().add_activity("test.once", run), plugin_error);
  EXPECT_THROW(plugins().add_activity("shell", run), plugin_error);
  EXPECT_THROW(plugins().add_activity("", run), plugin_error);
}

}  // namespace
}  // namespace evermill::tests
