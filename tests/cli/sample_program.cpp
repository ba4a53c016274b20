// A program with workflows for the end-to-end tests of the command line. Its environment makes it another version of
// itself: SAMPLE_CHANGED gives `changes` other code, SAMPLE_WITHOUT names a workflow that it does not register.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "evermill/context.hpp"
#include "evermill/main.hpp"

namespace {

using namespace evermill;
using namespace std::chrono_literals;

constexpr activity<int(int)> append{.name = "append"};
constexpr activity<int()> process_id{.name = "process_id"};
constexpr activity<int()> built_by{.name = "process_id", .options = {.task_queue = "build"}};
constexpr activity<int()> fails_at_first{.name = "fails_at_first", .options = {.retry = {.initial_interval = 1h}}};
constexpr activity<nlohmann::json()> elsewhere{.name = "elsewhere", .options = {.schedule_to_close = 24h}};
constexpr signal<std::string> approval{.name = "approval"};
constexpr signal<nlohmann::json> anything{.name = "anything"};

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

task<std::string> greet(context, std::string name) { co_return "hello " + name; }

task<std::string> needs_signal(context ctx) {
  std::string who = co_await ctx.wait(approval);
  co_return "approved by " + who;
}

task<std::string> needs_signal_then_appends(context ctx) {
  std::string who = co_await ctx.wait(approval);
  co_await ctx.call(append, 1);
  co_return "appended for " + who;
}

task<nlohmann::json> echoes(context ctx) {
  nlohmann::json value = co_await ctx.wait(anything);
  co_return value;
}

task<std::string> fails(context ctx) {
  if (!ctx.workflow_id().empty()) {
    throw application_error("CardDeclined", "the card was declined", json_payload("{\"cents\":5}"), true);
  }
  co_return "";
}

task<int> sleeps_long(context ctx) {
  co_await ctx.sleep(24h);
  co_return 1;
}

task<int> retries(context ctx) {
  int value = co_await ctx.call(fails_at_first);
  co_return value;
}

/// What somebody outside says.
task<nlohmann::json> waits_elsewhere(context ctx) {
  nlohmann::json value = co_await ctx.call(elsewhere);
  co_return value;
}

/// Which process serves a task queue.
task<int> builds(context ctx) {
  int pid = co_await ctx.call(built_by);
  co_return pid;
}

/// Which process runs its activity, once it is approved.
task<int> where(context ctx) {
  co_await ctx.wait(approval);
  int pid = co_await ctx.call(process_id);
  co_return pid;
}

/// Each activity leaves a line in the file that SAMPLE_FILE names, so that a test sees how often each was done.
task<int> appends(context ctx, int count) {
  int last = 0;
  for (int i = 0; i < count; ++i) last = co_await ctx.call(append, i);
  co_return last;
}

/// Waits for its signal after other commands than before, when the environment says so.
task<std::string> changes(context ctx) {
  if (variable("SAMPLE_CHANGED").empty()) co_await ctx.call(append, 7);
  std::string who = co_await ctx.wait(approval);
  co_return who;
}

/// Sums up what its updates bring, until it is approved.
task<int> sums(context ctx) {
  const auto sum = std::make_shared<int>(0);
  ctx.on_query(query<int()>{.name = "sum"}, [sum] { return *sum; }).keep();
  const handler adding = ctx.on_update(
      update<int(int)>{.name = "add"}, [sum](int n) { return *sum += n; },
      [](int n) { if (n < 0) throw application_error("Negative", "no negative numbers"); });
  co_await ctx.wait(approval);
  co_return *sum;
}

constexpr human_task<nlohmann::json(std::string)> approve{
    .name = "approve",
    .options = {.title = "Approve it", .candidate_groups = "finance", .form_schema = R"({"required": ["ok"]})"}};

task<nlohmann::json> asks(context ctx, std::string what) {
  nlohmann::json answer = co_await ctx.ask(approve, what);
  co_return answer;
}

task<std::string> holds_lock(context ctx) {
  auto held = co_await ctx.lock("printer");
  std::string who = co_await ctx.wait(approval);
  co_return who;
}

int append_line(int number) {
  const std::string file = variable("SAMPLE_FILE");
  const int fd = ::open(file.empty() ? "/dev/null" : file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string line = std::to_string(number) + "\n";
  const bool written = fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (fd >= 0) ::close(fd);
  if (!written) throw application_error("CanNotWrite", "the sample's file can't be written");
  std::this_thread::sleep_for(20ms);  // so that a kill finds work that is not finished
  return number;
}

template <class F>
void add(registry& to, const char* name, F workflow) {
  if (variable("SAMPLE_WITHOUT") != name) to.add(name, workflow);
}

}  // namespace

int main(int argc, char** argv) {
  evermill::registry definitions;
  add(definitions, "greet", greet);
  add(definitions, "needs_signal", needs_signal);
  add(definitions, "needs_signal_then_appends", needs_signal_then_appends);
  add(definitions, "echoes", echoes);
  add(definitions, "fails", fails);
  add(definitions, "sleeps_long", sleeps_long);
  add(definitions, "retries", retries);
  add(definitions, "builds", builds);
  add(definitions, "where", where);
  add(definitions, "appends", appends);
  add(definitions, "changes", changes);
  add(definitions, "sums", sums);
  add(definitions, "waits_elsewhere", waits_elsewhere);
  add(definitions, "asks", asks);
  add(definitions, "holds_lock", holds_lock);
  definitions.add(append, append_line);
  definitions.add(elsewhere, [](activity_context& about) { return nlohmann::json(about.complete_later()); });
  definitions.add(process_id, [] { return static_cast<int>(::getpid()); });
  definitions.add(fails_at_first, []() -> int { throw application_error("NotYet", "not at the first attempt"); });
  return evermill::main(argc, argv, definitions);
}
