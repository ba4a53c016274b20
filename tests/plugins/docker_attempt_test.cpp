// What an attempt in a container does while its engine is there.
#include <algorithm>

#include "docker_rig.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DockerAttempt : public DockerRig {};

TEST_F(DockerAttempt, GivesTheOutputOfAContainerApart) {
  says("out", 0, "err");
  const container_result result = result_of_run(tool());
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.stdout_text, "out");
  EXPECT_EQ(result.stderr_text, "err");
  EXPECT_FALSE(result.stdout_truncated);
  EXPECT_EQ(engine.count("DELETE /containers/" + result.container), 1U);
}

TEST_F(DockerAttempt, OutputIsHeardWhileItRuns) {
  const auto backend = make();
  backend->run({attempt(tool())});
  wait_until_running();
  const std::string id = engine.container().id;
  engine.write(id, 1, "first");
  wait_until_heard("first");
  EXPECT_TRUE(ends.reports().empty());
  engine.write(id, 1, " second");
  engine.finish(id, 0);
  EXPECT_EQ(result_of<container_result>(ends.of(1)).stdout_text, "first second");
  EXPECT_EQ(heard, "first second");
}

TEST_F(DockerAttempt, TheLastLinesCanBeSeenWhileItRuns) {
  const auto backend = make();
  backend->run({attempt(tool())});
  wait_until_running();
  const std::string id = engine.container().id;
  engine.write(id, 1, "layer 1\nlayer 2\n");
  engine.write(id, 2, "slow\n");
  wait_until_heard("slow");
  const auto seen = tails.of("order-1", 2);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_THAT(seen[0].lines, testing::ElementsAre("layer 2", "slow"));
  engine.finish(id, 0);
  ends.wait_for(1, 1);
  EXPECT_TRUE(tails.of("order-1", 2).empty());
}

TEST_F(DockerAttempt, KeepsTheFirstPartOfItsOutput) {
  container_command command = tool();
  command.max_output_bytes = 3;
  says("abcdef", 0, "abc");
  const container_result result = result_of_run(command);
  EXPECT_EQ(result.stdout_text, "abc");
  EXPECT_TRUE(result.stdout_truncated);
  EXPECT_FALSE(result.stderr_truncated);
  EXPECT_EQ(heard, "abcdefabc");
}

TEST_F(DockerAttempt, MakesUtf8OfBinaryOutput) {
  says(
      "a\xFF"
      "b");
  EXPECT_EQ(result_of_run(tool()).stdout_text,
            "a\xEF\xBF\xBD"
            "b");
}

TEST_F(DockerAttempt, WritesAndEndsItsInput) {
  container_command command = tool();
  command.name = "reader";
  command.stdin_text = std::string(1'000'000, 'x') + "end";
  const auto backend = make();
  backend->run({attempt(command)});
  engine.wait_until([](const auto& all) { return !all.empty() && all.front().input_ended; });
  const fake_container container = engine.container();
  EXPECT_EQ(container.input, command.stdin_text);
  EXPECT_TRUE(container.asked["StdinOnce"]);
  engine.wait_until([](const auto& all) { return all.front().name == "reader"; });
  EXPECT_EQ(engine.count("create?name=reader.feeding"), 1U);
  engine.finish(container.id, 0);
  EXPECT_EQ(result_of<container_result>(ends.of(1)).exit_code, 0);
}

TEST_F(DockerAttempt, AnExitCodeIsAFailureUnlessItIsNotChecked) {
  says("out", 3, "why\n");
  container_command command = tool();
  const failure why = failure_to(attempt(command));
  EXPECT_EQ(why.type, "NonZeroExit");
  EXPECT_EQ(why.message, "exit code 3: why");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_EQ(codec<container_result>::decode(why.details.value()).stdout_text, "out");
  command.check = false;
  EXPECT_EQ(result_of<container_result>(end_of(attempt(command, 1, 0, 2))).exit_code, 3);
}

TEST_F(DockerAttempt, SaysWhichSignalEndedIt) {
  says("", 128 + 11);
  container_command command = tool();
  const failure why = failure_to(attempt(command));
  EXPECT_EQ(why.type, "KilledBySignal");
  EXPECT_EQ(why.message, "the container was ended by signal 11");
  command.check = false;
  EXPECT_EQ(result_of<container_result>(end_of(attempt(command, 1, 0, 2))).exit_code, 139) << "it may have said so itself";
}

TEST_F(DockerAttempt, TellsThatItRanOutOfMemory) {
  engine.on_start([](fake_docker& docker, const std::string& id) { docker.finish(id, 137, true); });
  container_command command = tool();
  command.memory_bytes = 1 << 20;
  command.check = false;
  const failure why = failure_to(attempt(command));
  EXPECT_EQ(why.type, "OutOfMemory");
  EXPECT_EQ(why.message, "the container needed more than its 1048576 bytes of memory");
  EXPECT_FALSE(why.non_retryable);
}

TEST_F(DockerAttempt, AContainerThatCopesIsNotOutOfMemory) {
  engine.on_start([](fake_docker& docker, const std::string& id) { docker.finish(id, 0, true); });
  EXPECT_EQ(result_of_run(tool()).exit_code, 0);
}

TEST_F(DockerAttempt, RefusesInputThatIsNoCommandBeforeAnythingIsAsked) {
  const failure why = failure_to(attempt({}));
  EXPECT_EQ(why.kind, failure_kind::invalid_payload);
  EXPECT_TRUE(why.non_retryable);
  EXPECT_THAT(engine.requests(), IsEmpty());
}

// --- images

TEST_F(DockerAttempt, PullsWhatIsNotThere) {
  says("x");
  container_command command = tool();
  result_of_run(command);
  EXPECT_EQ(engine.count("/images/create"), 0U);
  command.image = "localhost:5000/other:2";
  engine.on_pull("{\"status\":\"Pulling\"}\n{\"status\":\"done\"}\n", true);
  result_of<container_result>(end_of(attempt(command, 1, 0, 2)));
  EXPECT_EQ(engine.count("/images/create"), 1U);
  command.pull_policy = "always";
  result_of<container_result>(end_of(attempt(command, 1, 0, 3)));
  EXPECT_EQ(engine.count("/images/create"), 2U);
}

TEST_F(DockerAttempt, DoesNotPullWhereItMayNot) {
  container_command command = tool();
  command.image = "other";
  command.pull_policy = "never";
  const failure why = failure_to(attempt(command));
  EXPECT_EQ(why.type, "NoSuchImage");
  EXPECT_TRUE(why.non_retryable);
  EXPECT_THAT(why.message, AllOf(HasSubstr("\"other\""), HasSubstr("pull policy")));
  EXPECT_EQ(engine.count("/images/create"), 0U);
}

TEST_F(DockerAttempt, TellsAnImageThatIsNowhereFromARegistryThatFails) {
  container_command command = tool();
  command.image = "other";
  engine.on_pull("{\"errorDetail\":{\"message\":\"x\"},\"error\":\"pull access denied for other, repository does not exist\"}",
                 false);
  failure why = failure_to(attempt(command));
  EXPECT_EQ(why.type, "NoSuchImage");
  EXPECT_TRUE(why.non_retryable);
  engine.on_pull("{\"status\":\"Pulling\"}\n{\"errorDetail\":{\"message\":\"connection reset by peer\"}}\n", false);
  why = failure_to(attempt(command, 1, 0, 2));
  EXPECT_EQ(why.type, "PullFailed");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_THAT(why.message, HasSubstr("connection reset by peer"));
}

class one_secret final : public tasks::secret_source {
 public:
  std::optional<json> find(const std::string& name) const override {
    if (name != "registry") return std::nullopt;
    json value;
    value["password"] = "hunter-of-2";
    return value;
  }
  std::string place() const override { return "a test"; }
};

TEST_F(DockerAttempt, ShowsTheRegistryASecretThatNobodySees) {
  options.secrets = std::make_shared<one_secret>();
  container_command command = tool();
  command.image = "registry.example/other";
  const std::string password = std::string(secret_prefix) + "registry.password" + std::string(secret_suffix);
  command.registry_auth = {"me", password, ""};
  command.environment = {{"TOKEN", password}};
  command.lifetime.cleanup = "never";
  says("the token is hunter-of-2", 1);
  const failure why = failure_to(attempt(command));
  ASSERT_EQ(why.type, "NonZeroExit") << why.message;
  EXPECT_EQ(engine.header_of_pull(),
            "eyJwYXNzd29yZCI6Imh1bnRlci1vZi0yIiwic2VydmVyYWRkcmVzcyI6InJlZ2lzdHJ5LmV4YW1wbGUiLCJ1c2VybmFtZSI6Im1lIn0=");
  const fake_container container = engine.container();
  EXPECT_THAT(container.asked["Env"], testing::Contains("TOKEN=hunter-of-2"));
  EXPECT_THAT(container.asked["Labels"].dump(), Not(HasSubstr("hunter")));
  EXPECT_EQ(codec<container_result>::decode(why.details.value()).stdout_text, "the token is ***");
}

TEST_F(DockerAttempt, ASecretThatIsNotThereIsNotTriedAgain) {
  options.secrets = std::make_shared<one_secret>();
  container_command command = tool();
  command.stdin_text = std::string(secret_prefix) + "nothing" + std::string(secret_suffix);
  EXPECT_TRUE(failure_to(attempt(command)).non_retryable);
  EXPECT_THAT(engine.requests(), IsEmpty());
}

// --- ends that others bring about

TEST_F(DockerAttempt, StopsTheContainerOfACanceledAttempt) {
  const auto backend = make();
  const auto task = attempt(tool());
  backend->run({task});
  wait_until_running();
  backend->cancel(tasks::dispatch_id_of(*task));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
  EXPECT_EQ(engine.count("/stop?t=7"), 1U);
  EXPECT_EQ(engine.container().status, "exited");
  time.advance(5s);
  engine.wait_until([](const auto& all) { return all.empty(); });
}

TEST_F(DockerAttempt, AnAttemptThatIsAskedToStopMayGiveAResult) {
  const auto backend = make();
  const auto task = attempt(tool());
  backend->run({task});
  wait_until_running();
  engine.write(engine.container().id, 1, "as far as it came");
  engine.finish(engine.container().id, 0);
  backend->request_stop(tasks::dispatch_id_of(*task));
  EXPECT_EQ(result_of<container_result>(ends.of(1)).stdout_text, "as far as it came");
}

TEST_F(DockerAttempt, AnAttemptThatIsAskedToStopAndIsEndedByThatIsCanceled) {
  const auto backend = make();
  const auto task = attempt(tool());
  backend->run({task});
  wait_until_running();
  backend->request_stop(tasks::dispatch_id_of(*task));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
}

TEST_F(DockerAttempt, StopsTheContainerThatRunsTooLong) {
  const auto backend = make();
  const auto task = attempt(tool());
  task->mutable_options()->set_start_to_close_us(5'000'000);
  backend->run({task});
  wait_until_running();
  time.advance(5s);
  EXPECT_TRUE(std::holds_alternative<tasks::timed_out>(ends.of(1).how));
  EXPECT_EQ(engine.container().status, "exited");
}

TEST_F(DockerAttempt, OutputIsASignOfLife) {
  const auto backend = make();
  const auto task = attempt(tool());
  task->mutable_options()->set_heartbeat_us(10'000'000);
  backend->run({task});
  wait_until_running();
  time.advance(8s);
  engine.write(engine.container().id, 1, "alive");
  wait_until_heard("alive");
  time.advance(8s);
  EXPECT_TRUE(ends.reports().empty());
  time.advance(2s);
  const tasks::attempt_end end = ends.of(1);
  const auto* how = std::get_if<tasks::timed_out>(&end.how);
  ASSERT_NE(how, nullptr);
  EXPECT_EQ(how->which, tasks::timed_out::limit::heartbeat);
}

TEST_F(DockerAttempt, AContainerThatSomebodyRemovesIsMissed) {
  const auto backend = make();
  backend->run({attempt(tool())});
  wait_until_running();
  const std::string id = engine.container().id;
  engine.wait_for_request("/logs");
  engine.remove(id);
  const failure why = failure_of(ends.of(1));
  EXPECT_EQ(why.type, "ContainerGone");
  EXPECT_FALSE(why.non_retryable);
}

TEST_F(DockerAttempt, RunsAtMostAsManyContainersAsAllowed) {
  options.max_containers = 2;
  const auto backend = make();
  backend->run({attempt(tool(), 1, 0, 1), attempt(tool(), 1, 0, 2), attempt(tool(), 1, 0, 3)});
  engine.wait_until(
      [](const auto& all) { return all.size() == 2 && all[0].status == "running" && all[1].status == "running"; });
  backend->expire(tasks::dispatch_id_of(*attempt(tool(), 1, 0, 3)));
  EXPECT_TRUE(std::holds_alternative<tasks::timed_out>(ends.of(3).how)) << "it waited";
  EXPECT_THAT(engine.containers(), SizeIs(2));
}

// --- names

TEST_F(DockerAttempt, ANameThatAnotherHasIsNotTaken) {
  engine.add_container("mine", {{"owner", "somebody"}}, "exited");
  container_command command = tool();
  command.name = "mine";
  const failure why = failure_to(attempt(command));
  EXPECT_EQ(why.type, "NameTaken");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_THAT(why.message, HasSubstr("\"mine\""));
  command.stdin_text = "x";
  EXPECT_EQ(failure_to(attempt(command, 1, 0, 2)).type, "NameTaken") << "before it runs";
  EXPECT_THAT(engine.containers(), SizeIs(1));
}

TEST_F(DockerAttempt, ANameOfAnAttemptBeforeIsGivenOn) {
  container_command command = tool();
  command.name = "mine";
  command.lifetime.cleanup = "never";
  says("", 1);
  EXPECT_EQ(failure_to(attempt(command, 1)).type, "NonZeroExit");
  EXPECT_EQ(failure_to(attempt(command, 2)).type, "NonZeroExit");
  ASSERT_THAT(engine.containers(), SizeIs(2));
  EXPECT_EQ(engine.containers()[0].name, "mine.attempt-1");
  EXPECT_EQ(engine.containers()[1].name, "mine");
}

// --- what becomes of containers

TEST_F(DockerAttempt, AContainerIsRemovedALittleLater) {
  says("x");
  const auto backend = make();
  backend->run({attempt(tool())});
  ends.of(1);
  time.advance(4s);
  EXPECT_THAT(engine.containers(), SizeIs(1)) << "a crash could make somebody ask for it again";
  time.advance(1s);
  engine.wait_until([](const auto& all) { return all.empty(); });
}

TEST_F(DockerAttempt, AContainerIsRemovedWhenTheProcessEnds) {
  says("x");
  result_of_run(tool());
  EXPECT_THAT(engine.containers(), IsEmpty());
}

TEST_F(DockerAttempt, AContainerStaysForGoodOrForAWhile) {
  says("x");
  container_command stays = tool();
  stays.lifetime.cleanup = "never";
  container_command goes = tool();
  goes.lifetime = {"eventually", 60'000};
  const auto backend = make();
  backend->run({attempt(stays, 1, 0, 1)});
  ends.of(1);
  backend->run({attempt(goes, 1, 0, 2)});
  ends.of(2);
  time.advance(59s);
  EXPECT_THAT(engine.containers(), SizeIs(2));
  time.advance(1s);
  engine.wait_until([](const auto& all) { return all.size() == 1; });
  time.advance(1h);
  EXPECT_EQ(engine.container().asked["Labels"]["dev.evermill.dispatch"], "1.2.1.1.4");
}

TEST_F(DockerAttempt, WhatOtherProcessesLeftIsRemovedWhenItsTimeIsOver) {
  time.advance(std::chrono::microseconds(to_micros(from_micros(1'767'225'600'000'000)) - to_micros(time.now())));  // 2026-01-01
  container_command eventually = tool();
  eventually.lifetime = {"eventually", 1'800'000};
  container_command never = tool();
  never.lifetime.cleanup = "never";
  const std::string unfetched = left_behind(tool(), 5, "exited");
  const std::string created = left_behind(tool(), 6, "created");
  const std::string runs = left_behind(tool(), 7, "running");
  const std::string kept = left_behind(eventually, 8, "exited");
  const std::string for_good = left_behind(never, 9, "exited");
  const std::string foreign =
      left_behind(tool(), 10, "exited", [](json& labels) { labels["dev.evermill.engine"] = "another"; });
  const auto ids = [](const auto& all) {
    std::vector<std::string> some;
    for (const fake_container& each : all) some.push_back(each.id);
    return some;
  };
  const auto backend = make();
  const auto mine = attempt(tool(), 1, 0, 2);
  backend->run({mine});
  engine.wait_until([](const auto& all) { return all.size() == 7 && all.back().status == "running"; });
  const std::string own = engine.containers().back().id;
  time.advance(599s);
  EXPECT_EQ(engine.count("GET /containers/json"), 0U) << "who wants them asks first";
  time.advance(1s);
  engine.wait_for_request("GET /containers/json", 1);
  for (int i = 0; i < 20; ++i) {
    time.advance(60s);
    engine.wait_for_request("GET /containers/json", static_cast<std::size_t>(i) + 2);
  }
  engine.wait_until([&](const auto& all) { return ids(all) == std::vector{unfetched, created, runs, for_good, foreign, own}; });
  for (int i = 20; i < 50; ++i) {
    time.advance(60s);
    engine.wait_for_request("GET /containers/json", static_cast<std::size_t>(i) + 2);
  }
  engine.wait_until([&](const auto& all) { return ids(all) == std::vector{runs, for_good, foreign, own}; });
  backend->cancel(tasks::dispatch_id_of(*mine));
  ends.of(2);
}

}  // namespace
}  // namespace evermill::tests
