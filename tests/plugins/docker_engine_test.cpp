// Containers of a real engine.
#include <fstream>

#include "real_docker_rig.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DockerEngine : public RealDockerRig {};

TEST_F(DockerEngine, RunsACommandWithItsStreamsApart) {
  container_command command = shell("echo \"$1 $2 $NAME\"; echo late >&2; pwd; cat", {"a b", "c"});
  command.environment = {{"NAME", "value"}};
  command.working_directory = "/tmp";
  command.stdin_text = "given";
  const container_result result = run(command);
  EXPECT_EQ(result.stdout_text, "a b c value\n/tmp\ngiven");
  EXPECT_EQ(result.stderr_text, "late\n");
  EXPECT_THAT(containers(), SizeIs(0)) << "it is removed";
}

TEST_F(DockerEngine, RunsAProgramWithoutAShell) {
  container_command command = shell("");
  command.entrypoint = {"/bin/cat"};
  command.arguments = {"-", "/etc/hostname"};
  command.stdin_text = "first\n";
  EXPECT_THAT(run(command).stdout_text, HasSubstr("first\n"));
}

TEST_F(DockerEngine, WritesMoreInputThanAnyBufferHoldsWhileItReadsOutput) {
  container_command command = shell("cat");
  command.stdin_text = std::string(3'000'000, 'x') + "end";
  command.max_output_bytes = 4'000'000;
  EXPECT_EQ(run(command).stdout_text, command.stdin_text);
}

TEST_F(DockerEngine, SurvivesAContainerThatDoesNotReadItsInput) {
  container_command command = shell("echo done");
  command.stdin_text = std::string(3'000'000, 'x');
  EXPECT_EQ(run(command).stdout_text, "done\n");
}

TEST_F(DockerEngine, GivesEachByteOfAFloodOnce) {
  container_command command = shell("head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2; echo end; echo end >&2; echo last; echo last >&2");
  command.max_output_bytes = 1'000;
  const container_result result = run(command);
  EXPECT_EQ(result.stdout_text.size(), 1'000U);
  EXPECT_TRUE(result.stdout_truncated);
  EXPECT_TRUE(result.stderr_truncated);
  EXPECT_EQ(out.size(), 3'000'009U);
  EXPECT_EQ(err.size(), 2'000'009U);
  EXPECT_TRUE(out.ends_with("end\nlast\n")) << "lines end also where they are longer than what the engine logs at once";
  EXPECT_TRUE(err.ends_with("end\nlast\n"));
}

TEST_F(DockerEngine, OutputIsHeardWhileItRunsAndAStopIsHeardToo) {
  const auto backend = make();
  const auto task = attempt(shell("trap 'echo bye; exit 0' TERM; echo go; while :; do sleep 0.05; done"));
  backend->run({task});
  wait_until_heard("go");
  backend->request_stop(tasks::dispatch_id_of(*task));
  EXPECT_EQ(result_of<container_result>(ends.of(1)).stdout_text, "go\nbye\n");
}

TEST_F(DockerEngine, AContainerThatDoesNotListenIsKilled) {
  const auto backend = make();
  const auto task = attempt(shell("trap '' TERM; echo go; while :; do sleep 0.05; done"));
  backend->run({task});
  wait_until_heard("go");
  backend->cancel(tasks::dispatch_id_of(*task));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
  EXPECT_EQ(containers().at(0).at("State"), "exited");
}

TEST_F(DockerEngine, TellsExitCodesAndSignalsApart) {
  const failure code = failure_of(end_of(shell("echo why >&2; exit 3")));
  EXPECT_EQ(code.type, "NonZeroExit");
  EXPECT_EQ(code.message, "exit code 3: why");
  ends.forget();
  const auto backend = make();
  backend->run({attempt(shell("echo go; sleep 1000"))});
  wait_until_heard("go");
  const std::string id = containers().at(0).at("Id");
  docker_service::shared().ask("POST", "/containers/" + id + "/kill?signal=KILL");
  EXPECT_EQ(failure_of(ends.of(1)).type, "KilledBySignal");
  EXPECT_EQ(failure_of(ends.of(1)).message, "the container was ended by signal 9");
}

TEST_F(DockerEngine, TellsThatItRanOutOfMemory) {
  container_command command = shell("echo go; x=xxxxxxxx; while :; do x=$x$x; done");
  command.memory_bytes = 32 << 20;
  const failure why = failure_of(end_of(command));
  EXPECT_EQ(why.type, "OutOfMemory") << why.message;
  EXPECT_EQ(codec<container_result>::decode(why.details.value()).stdout_text, "go\n");
}

TEST_F(DockerEngine, LimitsItsProcesses) {
  container_command command = shell("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo enough");
  command.max_processes = 4;
  const failure why = failure_of(end_of(command));
  EXPECT_EQ(why.type, "NonZeroExit");
  EXPECT_THAT(why.message, HasSubstr("fork"));
}

TEST_F(DockerEngine, SharesAFolderAndPublishesAPort) {
  const std::filesystem::path shared = directory.path() / "shared";
  std::filesystem::create_directory(shared);
  container_command command = shell("cat /shared/given >/shared/made; echo x >/fixed/x || echo refused");
  std::ofstream(shared / "given") << "text";
  command.volumes = {{shared.string(), "/shared"}, {directory.path().string(), "/fixed:ro"}};
  command.network = "";
  command.ports = {{"127.0.0.1:18080", 80}};
  command.cpus = 0.5;
  EXPECT_EQ(run(command).stdout_text, "refused\n");
  std::string made;
  std::getline(std::ifstream(shared / "made"), made);
  EXPECT_EQ(made, "text");
}

TEST_F(DockerEngine, SaysWhatCantBeRun) {
  container_command command = shell("");
  command.entrypoint = {"/no/such/program"};
  failure why = failure_of(end_of(command));
  EXPECT_EQ(why.type, "CannotStart") << why.message;
  EXPECT_TRUE(why.non_retryable);
  EXPECT_THAT(why.message, HasSubstr("/no/such/program"));
  EXPECT_THAT(containers(), SizeIs(0));
  ends.forget();
  command = shell("true");
  command.image = "no-such-image";
  why = failure_of(end_of(command));
  EXPECT_EQ(why.type, "NoSuchImage") << why.message;
  ends.forget();
  command.pull_policy = "ifNotPresent";
  why = failure_of(end_of(command));
  EXPECT_EQ(why.type, "PullFailed") << "this engine reaches no registry: " << why.message;
  EXPECT_FALSE(why.non_retryable);
  ends.forget();
  command = shell("true");
  command.network = "no-such-network";
  why = failure_of(end_of(command));
  EXPECT_TRUE(why.type == "CannotStart" || why.type == "DockerRefused") << why.type << ": " << why.message;
  EXPECT_THAT(why.message, HasSubstr("no-such-network"));
}

TEST_F(DockerEngine, TheNameOfAFailedAttemptIsGivenToTheNext) {
  container_command command = shell("exit 1");
  command.name = "named-" + std::to_string(::getpid());
  command.lifetime.cleanup = "never";
  const auto backend = make();
  backend->run({attempt(command, 1)});
  ends.wait_for(1, 1);
  backend->run({attempt(command, 2)});
  ends.wait_for(1, 2);
  EXPECT_EQ(failure_of(ends.of(1)).type, "NonZeroExit") << failure_of(ends.of(1)).message;
  const auto all = containers();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all.at(0).at("Names").at(0), "/" + command.name);
  EXPECT_EQ(all.at(1).at("Names").at(0), "/" + command.name + ".attempt-1");
}

}  // namespace
}  // namespace evermill::tests
