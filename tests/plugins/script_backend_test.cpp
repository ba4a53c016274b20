#include "plugins/task/script/script_backend.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <memory>

#include "attempt_ends.hpp"
#include "evermill/script.hpp"
#include "plugins/task/shell/memory_group.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

bool is_there(const char* program) {
  return std::system((std::string("command -v ") + program + " >/dev/null 2>&1").c_str()) == 0;
}

/// Each test is for one interpreter, and is skipped where that is missing.
#define NEEDS(program) \
  if (!is_there(program)) GTEST_SKIP() << "there is no " << (program) << " on this machine"

struct ScriptBackend : testing::Test {
  std::unique_ptr<tasks::task_backend> make(bool cgroups = true) {
    tasks::shell_options options;
    options.time = &time;
    options.kill_grace = 60s;
    options.cgroups = cgroups;
    return tasks::make_script_backend(options, ends.recorder());
  }
  static script_command command(std::string language, std::string source, json arguments = nullptr) {
    script_command made;
    made.language = std::move(language);
    made.source = std::move(source);
    made.arguments = std::move(arguments);
    return made;
  }
  static task_ptr task(const script_command& command, std::uint64_t seq = 1) {
    return make_task("script", codec<script_command>::encode(command), seq);
  }
  tasks::attempt_end end_of(const script_command& command, bool cgroups = true) {
    const auto backend = make(cgroups);
    backend->run({task(command)});
    return ends.of(1);
  }
  shell_result run(const script_command& command) { return result_of<shell_result>(end_of(command)); }

  manual_clock time;
  attempt_ends ends;
};

TEST_F(ScriptBackend, RunsShWithArgumentsStdinAndEnvironment) {
  script_command given = command("sh", "echo \"$#:$1:$2:$3:$NAME\"; cat; echo late >&2", {"a b", 7, {{"x", true}}});
  given.stdin_text = "given";
  given.environment = {{"NAME", "value"}};
  const shell_result result = run(given);
  EXPECT_EQ(result.stdout_text, "3:a b:7:{\"x\":true}:value\ngiven");
  EXPECT_EQ(result.stderr_text, "late\n");
}

TEST_F(ScriptBackend, NamedArgumentsAreVariablesOfSh) {
  EXPECT_EQ(run(command("sh", "echo \"$name/$count/$#\"", {{"name", "x y"}, {"count", 2}})).stdout_text, "x y/2/0\n");
}

TEST_F(ScriptBackend, RunsPythonWithArguments) {
  NEEDS("python3");
  script_command given = command("python", "import sys\nprint(sys.argv[1:], sys.stdin.read(), __name__)", {"a", 1, "\xC3\xA9"});
  given.stdin_text = "given";
  EXPECT_EQ(run(given).stdout_text, "['a', '1', '\xC3\xA9'] given __main__\n");
}

TEST_F(ScriptBackend, NamedArgumentsAreVariablesOfPython) {
  NEEDS("python3");
  const json named{{"order", {{"lines", {1, 2}}}}, {"name", "x"}};
  EXPECT_EQ(
      run(command(
              "python",
              "def total():\n  return sum(order['lines'])\nprint(name, total(), sorted(n for n in globals() if n[0] != '_'))",
              named))
          .stdout_text,
      "x 3 ['name', 'order', 'total']\n");
}

TEST_F(ScriptBackend, AnErrorOfPythonNamesTheLine) {
  NEEDS("python3");
  const failure why = failure_of(end_of(command("python", "x = 1\n\nraise ValueError('so')")));
  EXPECT_EQ(why.type, "NonZeroExit");
  EXPECT_THAT(why.message, AllOf(HasSubstr("\"<script>\", line 3"), HasSubstr("ValueError: so")));
}

TEST_F(ScriptBackend, RunsJavascriptWithArguments) {
  NEEDS("node");
  script_command given = command("javascript",
                                 "const [_, __, first, second] = process.argv;\n"
                                 "console.log(first, second, require('fs').readFileSync(0, 'utf8'));",
                                 {"a b", {1}});
  given.stdin_text = "given";
  EXPECT_EQ(run(given).stdout_text, "a b [1] given\n");
}

TEST_F(ScriptBackend, NamedArgumentsAreVariablesOfJavascript) {
  NEEDS("node");
  EXPECT_EQ(run(command("js", "console.log(name, order.lines.length, process.argv.length)",
                        {{"name", "x"}, {"order", {{"lines", {1, 2}}}}}))
                .stdout_text,
            "x 2 2\n");
}

TEST_F(ScriptBackend, AnErrorOfJavascriptNamesTheLine) {
  NEEDS("node");
  const failure why = failure_of(end_of(command("js", "\n\nthrow new Error('so')")));
  EXPECT_EQ(why.type, "NonZeroExit");
  EXPECT_THAT(codec<shell_result>::decode(why.details.value()).stderr_text,
              AllOf(HasSubstr("script.js:3"), HasSubstr("Error: so")));
}

TEST_F(ScriptBackend, JavascriptMayBeAModule) {
  NEEDS("node");
  script_command given = command("js",
                                 "import { readFileSync } from 'node:fs';\n"
                                 "const read = await Promise.resolve(readFileSync(process.stdin.fd, 'utf8'));\n"
                                 "console.log(process.argv[2], read);",
                                 json::array({"a b"}));
  given.stdin_text = "given";
  EXPECT_EQ(run(given).stdout_text, "a b given\n");
}

TEST_F(ScriptBackend, AnErrorOfAModuleNamesTheLine) {
  NEEDS("node");
  const failure why = failure_of(end_of(command("js", "import 'node:fs';\n\nthrow new Error('so')")));
  EXPECT_EQ(why.type, "NonZeroExit");
  EXPECT_THAT(codec<shell_result>::decode(why.details.value()).stderr_text,
              AllOf(HasSubstr("script.js:3"), HasSubstr("Error: so")));
}

TEST_F(ScriptBackend, AScriptMayBeLargerThanAnArgumentOfAProgram) {
  const std::string padding = "# " + std::string(300'000, 'x') + "\n";
  EXPECT_EQ(run(command("sh", padding + "echo end")).stdout_text, "end\n");
}

TEST_F(ScriptBackend, NothingOfTheScriptIsInTheListOfProcesses) {
  NEEDS("python3");
  const std::string said =
      run(command("python", "print(open('/proc/self/cmdline').read(), 'hid' + 'den')", {"secret-argument"})).stdout_text;
  EXPECT_THAT(said,
              AllOf(HasSubstr("python3"), HasSubstr("hidden"), Not(HasSubstr("secret-argument")), Not(HasSubstr("cmdline"))));
}

TEST_F(ScriptBackend, AMissingInterpreterIsNotTriedAgain) {
  script_command given = command("python", "print(1)");
  given.environment = {{"PATH", "/nowhere"}};
  const failure why = failure_of(end_of(given));
  EXPECT_EQ(why.type, "CannotStart");
  EXPECT_TRUE(why.non_retryable);
  EXPECT_EQ(why.message,
            "cannot start a script in python: there is no program \"python3\" in PATH; install it where activities of this "
            "task queue run");
}

TEST_F(ScriptBackend, GivesTheExitCodeWhereItIsNotChecked) {
  script_command given = command("sh", "exit 3");
  EXPECT_EQ(failure_of(end_of(given)).type, "NonZeroExit");
  given.check = false;
  const auto backend = make();
  backend->run({task(given, 2)});
  EXPECT_EQ(result_of<shell_result>(ends.of(2)).exit_code, 3);
}

TEST_F(ScriptBackend, RefusesWhatCantBeRun) {
  script_command negative = command("sh", "true");
  negative.limits.memory_bytes = -1;
  script_command flood = command("sh", "true");
  flood.limits.max_output_bytes = -1;
  const std::vector<std::pair<script_command, std::string>> all{
      {command("ruby", "puts 1"), "\"ruby\""},
      {command("sh", ""), "\"source\""},
      {command("sh", "true", "text"), "\"arguments\""},
      {command("sh", "true", {{"1st", 1}}), "\"1st\""},
      {negative, "\"memory_bytes\""},
      {flood, "\"max_output_bytes\""},
  };
  const auto backend = make();
  for (std::uint64_t seq = 1; const auto& [given, said] : all) {
    backend->run({task(given, seq)});
    const failure why = failure_of(ends.of(seq++));
    EXPECT_EQ(why.kind, failure_kind::invalid_payload) << said;
    EXPECT_TRUE(why.non_retryable) << said;
    EXPECT_THAT(why.message, HasSubstr(said));
  }
}

TEST_F(ScriptBackend, PythonThatRunsOutOfMemorySaysSo) {
  NEEDS("python3");
  script_command given = command("python", "print('go', flush=True)\nx = bytearray(1 << 30)");
  given.limits.memory_bytes = 100 << 20;
  const failure why = failure_of(end_of(given, false));  // by rlimits, of which the script hears
  EXPECT_EQ(why.type, "OutOfMemory");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_EQ(codec<shell_result>::decode(why.details.value()).stdout_text, "go\n");
}

TEST_F(ScriptBackend, PythonThatFailsOtherwiseIsNotOutOfMemory) {
  NEEDS("python3");
  script_command given = command("python", "raise RuntimeError('MemoryError')");
  given.limits.memory_bytes = 1 << 30;
  EXPECT_EQ(failure_of(end_of(given, false)).type, "NonZeroExit");
}

TEST_F(ScriptBackend, JavascriptThatRunsOutOfMemorySaysSo) {
  NEEDS("node");
  script_command given =
      command("js", "console.log('go'); const all = []; for (;;) all.push(new Array(1000).fill(String(all.length)));");
  given.limits.memory_bytes = 512 << 20;
  const failure why = failure_of(end_of(given));
  EXPECT_EQ(why.type, "OutOfMemory") << codec<shell_result>::decode(why.details.value()).stderr_text;
}

TEST_F(ScriptBackend, AControlGroupLimitsAllThatAScriptStarts) {
  if (!tasks::memory_group::make(1 << 20)) GTEST_SKIP() << "this process may make no control groups: docs/containers.md";
  // The child is ended for its memory, which its parent sees as an exit code.
  script_command given = command("sh", "echo go; head -c 200000000 /dev/zero | tail -c 150000000 >/dev/null || exit 5");
  given.limits.memory_bytes = 64 << 20;
  const failure why = failure_of(end_of(given));
  EXPECT_EQ(why.type, "OutOfMemory");
  EXPECT_THAT(why.message, StartsWith("the process was ended as it needed more than its 67108864 bytes of memory"));
}

TEST_F(ScriptBackend, AScriptThatCopesWithItIsNotOutOfMemory) {
  if (!tasks::memory_group::make(1 << 20)) GTEST_SKIP() << "this process may make no control groups: docs/containers.md";
  script_command given = command("sh", "head -c 200000000 /dev/zero | tail -c 150000000 >/dev/null || echo smaller");
  given.limits.memory_bytes = 64 << 20;
  EXPECT_EQ(run(given).stdout_text, "smaller\n");
}

TEST(MemoryGroup, IsFoundInBothVersions) {
  using tasks::own_memory_group;
  const std::string v1 = "5:memory:/docker/abc\n4:cpu:/x\n0::/y\n";
  const std::string v1_mounts =
      "30 20 0:25 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      "31 20 0:26 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n";
  EXPECT_EQ(own_memory_group(v1, v1_mounts), "/sys/fs/cgroup/memory/docker/abc");
  EXPECT_EQ(
      own_memory_group("5:memory:/docker/abc\n", "31 20 0:26 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"),
      "/sys/fs/cgroup/memory");
  EXPECT_EQ(own_memory_group("0::/system.slice/evermill.service\n", "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
            "/sys/fs/cgroup/system.slice/evermill.service");
  EXPECT_EQ(own_memory_group("0::/\n", "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"), "/sys/fs/cgroup");
  EXPECT_EQ(own_memory_group("", v1_mounts), "");
  EXPECT_EQ(own_memory_group(v1, ""), "");
}

}  // namespace
}  // namespace evermill::tests
