#include "plugins/task/shell/shell_backend.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "attempt_ends.hpp"
#include "evermill/shell.hpp"
#include "plugins/task/shell/memory_group.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using tasks::dispatch_id_of;

struct ShellBackend : testing::Test {
  std::unique_ptr<tasks::task_backend> make(unsigned processes = 2, std::chrono::milliseconds kill_grace = 60s, bool cgroups = true) {
    tasks::shell_options options;
    options.cgroups = cgroups;
    options.max_processes = processes;
    options.time = &time;
    options.kill_grace = kill_grace;
    options.on_output = [this](const messages::ActivityTask& task, tasks::output_stream, std::string_view text) {
      std::lock_guard lock(mutex);
      (heard[task.scheduled_seq()] += text).resize(std::min<std::size_t>(heard[task.scheduled_seq()].size(), 1'000));
      changed.notify_all();
    };
    options.on_heartbeat = ends.heartbeat_recorder();
    options.tails = &tails;
    return tasks::make_shell_backend(options, ends.recorder());
  }
  static task_ptr task(const shell_command& command, std::uint64_t seq = 1, std::int64_t timeout_us = 0) {
    return make_task("shell", codec<shell_command>::encode(command), seq, timeout_us);
  }
  static task_ptr script(std::string text, std::uint64_t seq = 1, std::int64_t timeout_us = 0) {
    shell_command command;
    command.script = std::move(text);
    return task(command, seq, timeout_us);
  }
  /// The first line that the process printed, as soon as it did.
  std::string first_line(std::uint64_t seq = 1) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return heard[seq].find('\n') != std::string::npos; });
    return heard[seq].substr(0, heard[seq].find('\n'));
  }
  shell_result run(const shell_command& command) {
    const auto backend = make();
    backend->run({task(command)});
    return result_of<shell_result>(ends.of(1));
  }

  manual_clock time;
  tasks::output_tails tails;
  attempt_ends ends;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::uint64_t, std::string> heard;
};

/// Gone, or dead and waiting for whoever inherits it: it runs no more.
bool runs(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(status)), {});
  const std::size_t end = text.rfind(')');
  return end != std::string::npos && text[end + 2] != 'Z' && text[end + 2] != 'X';
}
void wait_until_gone(pid_t pid) {
  while (runs(pid)) std::this_thread::yield();  // ends at the test's time limit otherwise
}

TEST_F(ShellBackend, RunsAProgramWithItsStreams) {
  shell_command command;
  command.argv = {"sh", "-c", "cat; echo $1 $NAME >&2", "sh", "a b"};
  command.env = {{"NAME", "value"}};
  command.stdin_text = "given";
  const shell_result result = run(command);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.stdout_text, "given");
  EXPECT_EQ(result.stderr_text, "a b value\n");
  EXPECT_FALSE(result.stdout_truncated);
}

TEST_F(ShellBackend, ShowsTheLastLinesWhileTheProcessRuns) {
  const auto backend = make();
  const std::string gate = (std::filesystem::path(testing::TempDir()) / ("gate" + std::to_string(::getpid()))).string();
  ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
  backend->run({script("echo made 1 of 2; echo warning >&2; echo ready; read go < " + gate)});
  while (tails.of("order-1", 9).empty() || tails.of("order-1", 9)[0].lines.size() < 3) std::this_thread::yield();
  EXPECT_THAT(tails.of("order-1", 9)[0].lines, testing::UnorderedElementsAre("made 1 of 2", "warning", "ready"));
  std::ofstream(gate) << "go\n";
  result_of<shell_result>(ends.of(1));
  std::filesystem::remove(gate);
  EXPECT_TRUE(tails.of("order-1", 9).empty());
}

TEST_F(ShellBackend, TellsTheProcessWhichAttemptItIs) {
  shell_command command;
  command.script = "echo $EVERMILL_WORKFLOW_ID $EVERMILL_DISPATCH_ID $EVERMILL_IDEMPOTENCY_KEY $EVERMILL_ATTEMPT";
  EXPECT_EQ(run(command).stdout_text, "order-1 1.2.1.3.4 1.2.1 3\n");
}

TEST_F(ShellBackend, InheritsTheEnvironmentOnlyWhereAsked) {
  shell_command command;
  command.argv = {"/usr/bin/env"};
  EXPECT_NE(run(command).stdout_text.find("PATH="), std::string::npos);
}

TEST_F(ShellBackend, LeavesTheEnvironmentOutWhereToldSo) {
  shell_command command;
  command.argv = {"/usr/bin/env"};
  command.inherit_env = false;
  EXPECT_EQ(run(command).stdout_text.find("PATH="), std::string::npos);
}

TEST_F(ShellBackend, RunsInTheWorkingDirectoryAndOpensStdinByName) {
  shell_command command;
  command.script = "pwd; cat /dev/stdin";
  command.working_directory = "/";
  command.stdin_text = "again";
  EXPECT_EQ(run(command).stdout_text, "/\nagain");
}

/// Descriptors that this program itself was given and hands on, but for 3, which the process gets for its heartbeats.
int inherited_descriptors() {
  int count = 0;
  for (int fd = 4; fd < 1'024; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) ++count;
  }
  return count;
}

TEST_F(ShellBackend, LeaksNoDescriptorIntoTheProcess) {
  const int given = inherited_descriptors();
  shell_command command;
  command.script = "ls /proc/self/fd | wc -l";
  // Three streams, the one for heartbeats, and the directory that ls reads.
  EXPECT_EQ(run(command).stdout_text, std::to_string(5 + given) + "\n");
}

TEST_F(ShellBackend, FailsOnANonZeroExitWithTheResultAsDetails) {
  const auto backend = make();
  backend->run({script("echo out; echo one >&2; echo two >&2; exit 3")});
  const failure why = failure_of(ends.of(1));
  EXPECT_EQ(why.type, "NonZeroExit");
  EXPECT_EQ(why.message, "exit code 3: one\ntwo");
  EXPECT_FALSE(why.non_retryable);
  const auto result = codec<shell_result>::decode(why.details.value());
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.stdout_text, "out\n");
}

TEST_F(ShellBackend, GivesTheExitCodeWhereItIsNotChecked) {
  shell_command command;
  command.script = "exit 3";
  command.check = false;
  EXPECT_EQ(run(command).exit_code, 3);
}

TEST_F(ShellBackend, SaysWhichSignalEndedTheProcess) {
  const auto backend = make();
  backend->run({script("kill -USR1 $$")});
  EXPECT_EQ(failure_of(ends.of(1)).type, "KilledBySignal");
  EXPECT_NE(failure_of(ends.of(1)).message.find(std::to_string(SIGUSR1)), std::string::npos);
}

TEST_F(ShellBackend, SaysWhatCannotStart) {
  const auto backend = make();
  shell_command nothing;
  nothing.argv = {"no-such-program"};
  shell_command nowhere;
  nowhere.argv = {"true"};
  nowhere.working_directory = "/no/such/place";
  backend->run({task(nothing, 1), task(nowhere, 2)});
  EXPECT_EQ(failure_of(ends.of(1)).type, "CannotStart");
  EXPECT_EQ(failure_of(ends.of(1)).message, "cannot start \"no-such-program\": No such file or directory");
  EXPECT_TRUE(failure_of(ends.of(1)).non_retryable);
  EXPECT_NE(failure_of(ends.of(2)).message.find("/no/such/place"), std::string::npos);
}

TEST_F(ShellBackend, RefusesInputThatIsNoCommand) {
  const auto backend = make();
  shell_command both;
  both.argv = {"true"};
  both.script = "true";
  backend->run({make_task("shell", json_payload("[1]"), 1), make_task("shell", json_payload("{"), 2), task({}, 3),
                task(both, 4)});
  for (std::uint64_t seq = 1; seq <= 4; ++seq) {
    EXPECT_EQ(failure_of(ends.of(seq)).kind, failure_kind::invalid_payload) << seq;
    EXPECT_TRUE(failure_of(ends.of(seq)).non_retryable) << seq;
  }
}

TEST_F(ShellBackend, KeepsTheFirstPartOfAFloodAndReadsTheRest) {
  shell_command command;
  command.script = "head -c 5000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero | tr '\\0' y >&2; echo end >&2";
  command.max_output_bytes = 1'000;
  const shell_result result = run(command);
  EXPECT_EQ(result.stdout_text, std::string(1'000, 'x'));
  EXPECT_TRUE(result.stdout_truncated);
  EXPECT_EQ(result.stderr_text, std::string(1'000, 'y'));
  EXPECT_TRUE(result.stderr_truncated);
}

TEST_F(ShellBackend, LimitsTheMemoryOfTheProcess) {
  shell_command limited;
  limited.script = "ulimit -d";
  limited.memory_bytes = 64 << 20;
  const auto backend = make(1, 60s, false);
  backend->run({task(limited, 1)});
  EXPECT_EQ(result_of<shell_result>(ends.of(1)).stdout_text, "65536\n");
  limited.memory_bytes = -1;
  backend->run({task(limited, 2)});
  EXPECT_EQ(failure_of(ends.of(2)).kind, failure_kind::invalid_payload);
}

TEST_F(ShellBackend, TellsAProcessThatWasEndedForItsMemory) {
  if (!tasks::memory_group::make(1 << 20)) GTEST_SKIP() << "this process may make no control groups: docs/containers.md";
  shell_command hungry;
  hungry.argv = {"sh", "-c", "echo go; x=xxxxxxxx; while :; do x=$x$x; done"};
  hungry.memory_bytes = 16 << 20;
  const auto backend = make();
  backend->run({task(hungry)});
  const failure why = failure_of(ends.of(1));
  EXPECT_EQ(why.type, "OutOfMemory");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_EQ(codec<shell_result>::decode(why.details.value()).stdout_text, "go\n");
}

TEST_F(ShellBackend, MakesUtf8OfBinaryOutput) {
  shell_command command;
  command.script = "printf 'a\\377b'";
  EXPECT_EQ(run(command).stdout_text,
            "a\xEF\xBF\xBD"
            "b");
}

TEST_F(ShellBackend, SurvivesAProcessThatDoesNotReadItsInput) {
  shell_command command;
  command.script = "exec <&-; echo done";
  command.stdin_text = std::string(1'000'000, 'x');
  EXPECT_EQ(run(command).stdout_text, "done\n");
}

TEST_F(ShellBackend, FeedsAndReadsAtTheSameTime) {
  shell_command command;
  command.argv = {"cat"};
  command.stdin_text = std::string(1'000'000, 'x');
  EXPECT_EQ(run(command).stdout_text, command.stdin_text);
}

TEST_F(ShellBackend, EndsTheGroupOnATimeout) {
  const auto backend = make();
  backend->run({script("sleep 1000 & echo $!; wait", 1, 5'000'000)});
  const pid_t grandchild = std::stoi(first_line());
  EXPECT_TRUE(runs(grandchild));
  time.advance(4s);
  EXPECT_TRUE(ends.reports().empty());
  time.advance(1s);
  EXPECT_TRUE(std::holds_alternative<tasks::timed_out>(ends.of(1).how));
  wait_until_gone(grandchild);
}

TEST_F(ShellBackend, KillsAFloodThatIgnoresTheRequestToEnd) {
  const auto backend = make(1, 20ms);
  backend->run({script("trap '' TERM; echo $$; while :; do echo y; done")});
  first_line();
  backend->cancel(dispatch_id_of(*script("")));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(1).how));
}

TEST_F(ShellBackend, LinesOnTheHeartbeatDescriptorAreHeartbeats) {
  const auto backend = make();
  backend->run({script("echo '{\"done\": 1}' >&$EVERMILL_HEARTBEAT_FD; echo half-way \\\"there >&3; exec 3>&-; echo x")});
  const tasks::attempt_end end = ends.of(1);
  EXPECT_EQ(result_of<shell_result>(end).stdout_text, "x\n");
  EXPECT_EQ(ends.heartbeats(1, 1), std::vector<std::string>{"{\"done\": 1}"});
  EXPECT_EQ(end.heartbeat_details->data(), R"("half-way \"there")");
}

TEST_F(ShellBackend, TheNextAttemptFindsTheDetails) {
  auto next = std::make_shared<messages::ActivityTask>(*script("echo \"$EVERMILL_HEARTBEAT_DETAILS\""));
  next->mutable_heartbeat_details()->set_data("{\"done\":1}");
  const auto backend = make();
  backend->run({next, script("echo \"${EVERMILL_HEARTBEAT_DETAILS-none}\"", 2)});
  EXPECT_EQ(result_of<shell_result>(ends.of(1)).stdout_text, "{\"done\":1}\n");
  EXPECT_EQ(result_of<shell_result>(ends.of(2)).stdout_text, "none\n");
}

TEST_F(ShellBackend, ALineThatIsTooLongIsCut) {
  const auto backend = make();
  backend->run({script("head -c 40000 /dev/zero | tr '\\0' a >&3; echo >&3; echo 2 >&3")});
  ends.of(1);
  EXPECT_EQ(ends.heartbeats(1, 1).front().size(), 16 * 1024 + 2U);
  EXPECT_EQ(ends.of(1).heartbeat_details->data(), "2");
}

TEST_F(ShellBackend, EndsAProcessThatIsNotHeardOf) {
  auto silent = std::make_shared<messages::ActivityTask>(*script("echo 1 >&3; echo go; exec sleep 1000"));
  silent->mutable_options()->set_heartbeat_us(10'000'000);
  const auto backend = make();
  backend->run({silent});
  ends.heartbeats(1, 1);
  time.advance(10s);
  const tasks::attempt_end end = ends.of(1);
  const auto* how = std::get_if<tasks::timed_out>(&end.how);
  ASSERT_NE(how, nullptr);
  EXPECT_EQ(how->which, tasks::timed_out::limit::heartbeat);
}

TEST_F(ShellBackend, AProcessThatIsAskedToStopMayStillGiveAResult) {
  const auto backend = make();
  backend->run({script("trap 'echo last; exit 0' TERM; echo go; while :; do sleep 0.01; done", 1),
                script("echo go; exec sleep 1000", 2)});
  first_line(1);
  first_line(2);
  backend->request_stop(dispatch_id_of(*script("", 1)));
  backend->request_stop(dispatch_id_of(*script("", 2)));
  EXPECT_EQ(result_of<shell_result>(ends.of(1)).stdout_text, "go\nlast\n");
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how)) << "it was ended by the signal";
}

TEST_F(ShellBackend, OnlyWhatHasNotStartedExpires) {
  const auto backend = make(1);
  backend->run({script("trap 'exit 0' TERM; echo go; while :; do sleep 0.01; done", 1), script("true", 2)});
  first_line();
  backend->expire(dispatch_id_of(*script("", 1)));
  backend->expire(dispatch_id_of(*script("", 2)));
  const tasks::attempt_end end = ends.of(2);
  const auto* how = std::get_if<tasks::timed_out>(&end.how);
  ASSERT_NE(how, nullptr);
  EXPECT_EQ(how->which, tasks::timed_out::limit::schedule_to_start);
  EXPECT_EQ(ends.of(2).started_us, 0);
  EXPECT_EQ(ends.reports().size(), 1U);
  backend->request_stop(dispatch_id_of(*script("", 1)));
  EXPECT_TRUE(std::holds_alternative<tasks::completed>(ends.of(1).how));
}

TEST_F(ShellBackend, KillsWhatTheProcessLeavesBehind) {
  const auto backend = make();
  backend->run({script("sleep 1000 & echo $!")});
  ends.of(1);  // although the sleeper holds the other end of stdout
  wait_until_gone(std::stoi(first_line()));
}

TEST_F(ShellBackend, DropsACanceledTaskThatHasNotStarted) {
  const auto backend = make(1);
  backend->run({script("echo go; exec sleep 1000", 1), script("true", 2)});
  first_line();
  backend->cancel(dispatch_id_of(*script("", 2)));
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how));
  EXPECT_EQ(ends.of(2).started_us, 0);
}

TEST_F(ShellBackend, RunsAtMostAsManyProcessesAsAllowed) {
  const auto directory = std::filesystem::temp_directory_path() / ("evermill-shell-" + std::to_string(::getpid()));
  std::filesystem::create_directory(directory);
  const auto backend = make(2);
  std::vector<task_ptr> all;
  for (std::uint64_t seq = 1; seq <= 12; ++seq) {
    shell_command command;
    command.script = "touch $$; ls | wc -l; sleep 0.02; rm $$";
    command.working_directory = directory;
    all.push_back(task(command, seq));
  }
  backend->run(all);
  for (std::uint64_t seq = 1; seq <= 12; ++seq) {
    EXPECT_LE(std::stoi(result_of<shell_result>(ends.of(seq)).stdout_text), 2) << seq;
  }
  std::filesystem::remove_all(directory);
}

TEST_F(ShellBackend, StopEndsProcessesWithinItsGraceAndTellsWhatNeverStarted) {
  const auto backend = make(1);
  backend->run({script("trap '' TERM; sleep 1000 & echo $$; while :; do wait; done", 1), script("true", 2)});
  const pid_t child = std::stoi(first_line());
  backend->stop(10ms);
  EXPECT_FALSE(runs(child));
  EXPECT_EQ(ends.reports(), (std::map<std::uint64_t, int>{{2, 1}}));  // the first was abandoned
  EXPECT_TRUE(std::holds_alternative<tasks::canceled>(ends.of(2).how));
  EXPECT_EQ(ends.of(2).started_us, 0);
  backend->run({script("true", 3)});
  EXPECT_EQ(ends.reports().size(), 1U);
}

TEST_F(ShellBackend, ReportsEachAttemptOnceWhereCancelMeetsTheEnd) {
  constexpr std::uint64_t count = 100;
  const auto backend = make(4);
  std::vector<task_ptr> all;
  for (std::uint64_t seq = 1; seq <= count; ++seq) all.push_back(script("true", seq, 1'000'000));
  backend->run(all);
  std::thread ticker([&] {
    for (int i = 0; i < 20; ++i) time.advance(500ms);
  });
  for (const task_ptr& each : all) {
    if (each->scheduled_seq() % 2 == 0) ends.of(each->scheduled_seq() - 1);
    backend->cancel(dispatch_id_of(*each));
  }
  ends.wait_for(count);
  ticker.join();
  backend->stop(60s);
  for (const auto& [seq, times] : ends.reports()) EXPECT_EQ(times, 1) << seq;
  EXPECT_EQ(time.alarms(), 0U);
}

}  // namespace
}  // namespace evermill::tests
