// What becomes of attempts whose engine fails, or whose process does: which containers are found again, and which are not.
#include "docker_rig.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using fault = fake_docker::fault;

class DockerFault : public DockerRig {
 protected:
  static bool goes_on(const tasks::attempt_end& end) { return std::get<tasks::failed>(end.how).failure.goes_on(); }
};

// --- the engine fails

TEST_F(DockerFault, WithoutAnEngineAnAttemptIsTriedAgain) {
  engine.go_away();
  const tasks::attempt_end end = end_of(attempt(tool()));
  const failure why = failure_of(end);
  EXPECT_EQ(why.type, "DockerUnavailable");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_THAT(why.message, AllOf(HasSubstr(engine.address()), HasSubstr("--docker")));
  EXPECT_TRUE(goes_on(end));
}

TEST_F(DockerFault, AnAddressThatIsNoneIsSaid) {
  options.host.problem = "\"ssh://x\" is no address of a Docker engine";
  EXPECT_THAT(failure_to(attempt(tool())).message, HasSubstr("ssh://x"));
}

TEST_F(DockerFault, OutputThatBreaksOffIsReadOn) {
  engine.fail("/logs", {.how = fault::kind::cut_body, .body_bytes = 11});  // within the second frame's header
  engine.fail("/logs", {.how = fault::kind::cut_body, .body_bytes = 26});  // within its content
  const auto backend = make();
  backend->run({attempt(tool())});
  wait_until_running();
  const std::string id = engine.container().id;
  engine.write(id, 1, "abc");
  engine.write(id, 2, "defgh");
  engine.write(id, 1, "ijk");
  engine.wait_for_request("/logs", 3);
  engine.finish(id, 0);
  const auto result = result_of<container_result>(ends.of(1));
  EXPECT_EQ(result.stdout_text, "abcijk");
  EXPECT_EQ(result.stderr_text, "defgh");
  EXPECT_EQ(heard.size(), 11U) << "nothing is heard twice: " << heard;
}

TEST_F(DockerFault, GarbageInPlaceOfOutputIsAskedForAgain) {
  engine.fail("/logs", {.how = fault::kind::status, .status = 200, .message = "this is no output"});
  says("x");
  EXPECT_EQ(result_of_run(tool()).stdout_text, "x");
}

TEST_F(DockerFault, AnEngineThatComesBackIsWaitedFor) {
  const auto backend = make();
  backend->run({attempt(tool())});
  wait_until_running();
  const std::string id = engine.container().id;
  engine.write(id, 1, "before ");
  wait_until_heard("before");
  engine.go_away();
  engine.write(id, 1, "meanwhile ");
  engine.finish(id, 0);
  engine.come_back();
  EXPECT_EQ(result_of<container_result>(ends.of(1)).stdout_text, "before meanwhile ");
  EXPECT_EQ(engine.count("/start"), 1U);
}

TEST_F(DockerFault, EachRequestOfAnAttemptMayFailOnce) {
  says("x");
  for (const char* words : {"/logs", "/wait", "GET /containers/c"}) {
    for (const auto how : {fault::kind::status, fault::kind::cut_before, fault::kind::cut_after}) {
      engine.fail(words, {.how = how});
      EXPECT_EQ(result_of_run(tool()).stdout_text, "x") << words << static_cast<int>(how);
      reported.clear();
      ends.forget();
    }
  }
}

TEST_F(DockerFault, AnEngineThatStaysAwayIsGivenUpAndTheNextAttemptGoesOn) {
  options.patience = 0ms;
  const auto backend = make();
  backend->run({attempt(tool())});
  wait_until_running();
  const std::string id = engine.container().id;
  engine.wait_for_request("/logs");
  engine.go_away();
  const tasks::attempt_end end = ends.of(1);
  EXPECT_EQ(failure_of(end).type, "DockerUnavailable");
  EXPECT_TRUE(goes_on(end));
  engine.come_back();
  ends.forget();
  engine.write(id, 1, "still here");
  engine.finish(id, 0);
  backend->run({attempt(tool(), 2, 1)});
  EXPECT_EQ(result_of<container_result>(ends.of(1)).stdout_text, "still here");
  EXPECT_EQ(engine.count("/create"), 1U);
}

TEST_F(DockerFault, AnErrorOfTheEngineIsTriedAgainAndARefusalIsNot) {
  engine.fail("/create", {.how = fault::kind::status, .status = 500, .message = "no space left on device"});
  failure why = failure_to(attempt(tool()));
  EXPECT_EQ(why.type, "DockerError");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_THAT(why.message, HasSubstr("no space left on device"));
  engine.fail("/create", {.how = fault::kind::status, .status = 400, .message = "invalid mount"});
  why = failure_to(attempt(tool(), 2));
  EXPECT_EQ(why.type, "DockerRefused");
  EXPECT_TRUE(why.non_retryable);
  EXPECT_THAT(why.message, HasSubstr("invalid mount"));
  engine.fail("/create", {.how = fault::kind::status, .status = 404, .message = "No such image: tool"});
  why = failure_to(attempt(tool(), 3));
  EXPECT_EQ(why.type, "NoSuchImage") << "somebody has removed it meanwhile";
}

TEST_F(DockerFault, AContainerThatCantStartIsRemoved) {
  engine.fail("/start", {.how = fault::kind::status, .status = 400, .message = "exec: \"nothing\": executable file not found"});
  failure why = failure_to(attempt(tool()));
  EXPECT_EQ(why.type, "CannotStart");
  EXPECT_TRUE(why.non_retryable);
  EXPECT_THAT(why.message, HasSubstr("executable file not found"));
  EXPECT_THAT(engine.containers(), IsEmpty());
  engine.fail("/start", {.how = fault::kind::status, .status = 500, .message = "port is already allocated"});
  why = failure_to(attempt(tool(), 2));
  EXPECT_EQ(why.type, "DockerError");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_THAT(engine.containers(), IsEmpty());
}

TEST_F(DockerFault, ACanceledAttemptEndsAlsoWithoutAnEngine) {
  options.patience = 0ms;
  const auto backend = make();
  const auto task = attempt(tool());
  engine.fail("/stop", {.how = fault::kind::status, .status = 500, .message = "broken"});
  backend->run({task});
  wait_until_running();
  backend->cancel(tasks::dispatch_id_of(*task));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
}

// --- an attempt's end was not seen

TEST_F(DockerFault, AContainerWhoseCreationWasNotSeenIsStartedOnce) {
  engine.fail("/create", {.how = fault::kind::cut_after});
  const tasks::attempt_end end = end_of(attempt(tool(), 1));
  EXPECT_EQ(failure_of(end).type, "DockerUnavailable");
  EXPECT_TRUE(goes_on(end));
  EXPECT_EQ(engine.container().status, "created");
  says("x");
  EXPECT_EQ(result_of<container_result>(end_of(attempt(tool(), 2, 1))).stdout_text, "x");
  EXPECT_EQ(engine.count("/create"), 1U);
  EXPECT_EQ(engine.count("/start"), 1U);
}

TEST_F(DockerFault, AContainerWhoseStartWasNotSeenIsNotStartedTwice) {
  engine.fail("/start", {.how = fault::kind::cut_after});
  const tasks::attempt_end end = end_of(attempt(tool(), 1));
  EXPECT_EQ(failure_of(end).type, "DockerUnavailable");
  EXPECT_TRUE(goes_on(end));
  engine.write(engine.container().id, 1, "x");
  engine.finish(engine.container().id, 0);
  EXPECT_EQ(result_of<container_result>(end_of(attempt(tool(), 2, 1))).stdout_text, "x");
  EXPECT_EQ(engine.count("/start"), 1U);
}

TEST_F(DockerFault, TheContainerOfALostAttemptIsWaitedForInEachState) {
  for (const std::string status : {"running", "exited"}) {
    const std::string id = left_behind(tool(), 4, status);
    engine.write(id, 1, status);
    const auto backend = make();
    backend->run({attempt(tool(), 5, 4)});
    wait_until_heard(status);
    engine.finish(id, 0);
    EXPECT_EQ(result_of<container_result>(ends.of(1)).stdout_text, status);
    EXPECT_EQ(result_of<container_result>(ends.of(1)).container, id);
    EXPECT_EQ(engine.count("/create"), 0U);
    ends.forget();
  }
}

TEST_F(DockerFault, TheContainerOfAnAttemptWhoseEndWasSeenIsNot) {
  const std::string failed_before = left_behind(tool(), 1, "exited");
  says("new");
  EXPECT_EQ(result_of<container_result>(end_of(attempt(tool(), 2))).stdout_text, "new");
  const std::string lost = left_behind(tool(), 3, "exited");
  engine.write(lost, 1, "of 3");
  EXPECT_EQ(result_of<container_result>(end_of(attempt(tool(), 4, 3))).stdout_text, "of 3") << "not of 1";
  EXPECT_EQ(engine.count("/create"), 1U);
}

TEST_F(DockerFault, OfSeveralLostAttemptsTheNewestCounts) {
  const std::string older = left_behind(tool(), 3, "running");
  const std::string newer = left_behind(tool(), 4, "exited");
  engine.write(newer, 1, "of 4");
  EXPECT_EQ(result_of<container_result>(end_of(attempt(tool(), 5, 2))).stdout_text, "of 4");
  EXPECT_EQ(engine.count("DELETE /containers/" + older), 1U) << "there is one at most";
}

TEST_F(DockerFault, WhatIsNotThisActivitysIsLeftAlone) {
  container_command other = tool();
  other.command = "something else";
  left_behind(other, 1, "running");
  left_behind(tool(), 1, "running", [](json& labels) { labels["dev.evermill.engine"] = "another"; });
  left_behind(tool(), 1, "running", [](json& labels) { labels["dev.evermill.activity"] = "1.2.99"; });
  left_behind(tool(), 1, "running", [](json& labels) { labels["dev.evermill.attempt"] = "x"; });
  left_behind(tool(), 7, "running");  // of an attempt to come: of a history that was set back
  says("new");
  EXPECT_EQ(result_of<container_result>(end_of(attempt(tool(), 2, 1))).stdout_text, "new");
  EXPECT_THAT(engine.containers(), SizeIs(5)) << "all but its own, which it has removed";
}

TEST_F(DockerFault, AContainerThatMayLackInputIsReplaced) {
  container_command command = tool();
  command.stdin_text = "all of it";
  for (const std::string status : {"running+feeding", "exited+feeding"}) {
    const std::string id = left_behind(command, 1, status);
    const auto backend = make();
    backend->run({attempt(command, 2, 1)});
    engine.wait_until([](const auto& all) { return all.size() == 1 && all.front().input_ended; });
    const fake_container made = engine.container();
    EXPECT_NE(made.id, id);
    EXPECT_EQ(made.input, "all of it");
    engine.finish(made.id, 0);
    result_of<container_result>(ends.of(1));
    ends.forget();
  }
}

TEST_F(DockerFault, AContainerThatHasAllOfItsInputIsNot) {
  container_command command = tool();
  command.stdin_text = "all of it";
  const std::string has_it = left_behind(command, 1, "exited");
  EXPECT_EQ(result_of<container_result>(end_of(attempt(command, 2, 1))).container, has_it);
}

TEST_F(DockerFault, AContainerThatWasNotStartedGetsItsInput) {
  container_command command = tool();
  command.name = "reader";
  command.stdin_text = "all of it";
  const std::string id = left_behind(command, 1, "created+feeding");
  const auto backend = make();
  backend->run({attempt(command, 2, 1)});
  engine.wait_until([](const auto& all) { return all.front().input_ended && all.front().name == "reader"; });
  EXPECT_EQ(engine.container().input, "all of it");
  engine.finish(id, 0);
  EXPECT_EQ(result_of<container_result>(ends.of(1)).container, id);
}

TEST_F(DockerFault, AnEngineThatIsLostWhileItsInputIsWrittenGivesNoResult) {
  container_command command = tool();
  command.stdin_text = "all of it";
  options.patience = 0ms;
  engine.fail("/rename", {.how = fault::kind::cut_before});
  const tasks::attempt_end end = end_of(attempt(command));
  EXPECT_EQ(failure_of(end).type, "DockerUnavailable");
  EXPECT_THAT(failure_of(end).message, HasSubstr("standard input"));
  EXPECT_THAT(engine.containers(), IsEmpty()) << "what it would make of a part is of no use";
}

// --- the process ends

TEST_F(DockerFault, AContainerOutlivesTheProcessAndIsWaitedForByTheNext) {
  const auto first = make();
  first->run({attempt(tool(), 1)});
  wait_until_running();
  const std::string id = engine.container().id;
  engine.write(id, 1, "before ");
  wait_until_heard("before");
  first->stop(10s);
  EXPECT_THAT(ends.reports(), IsEmpty()) << "the next process finds it lost";
  EXPECT_EQ(engine.container().status, "running");
  EXPECT_EQ(engine.count("/stop"), 0U);
  const auto next = make();
  next->run({attempt(tool(), 2, 1)});
  engine.wait_for_request("/logs", 2);
  engine.write(id, 1, "after");
  engine.finish(id, 0);
  EXPECT_EQ(result_of<container_result>(ends.of(1)).stdout_text, "before after");
  EXPECT_EQ(engine.count("/create"), 1U);
}

TEST_F(DockerFault, AnEndThatWasSeenButNotKeptIsFoundAgain) {
  says("x", 3);
  const auto first = make();
  first->run({attempt(tool(), 1)});
  EXPECT_EQ(failure_of(ends.of(1)).type, "NonZeroExit");
  ends.forget();  // the process has died before the end was durable
  const auto next = make();
  next->run({attempt(tool(), 2, 1)});
  EXPECT_EQ(failure_of(ends.of(1)).type, "NonZeroExit");
  EXPECT_EQ(engine.count("/create"), 1U);
}

TEST_F(DockerFault, AContainerWithAPartOfItsInputDoesNotOutliveTheProcess) {
  container_command command = tool();
  command.stdin_text = std::string(16u << 20, 'x');
  engine.hold_input();
  const auto backend = make();
  backend->run({attempt(command)});
  engine.wait_for_request("/attach");
  backend->stop(10s);
  EXPECT_THAT(engine.containers(), IsEmpty());
  EXPECT_THAT(ends.reports(), IsEmpty());
}

}  // namespace
}  // namespace evermill::tests
