// A program with workflows for the end-to-end tests of the command line.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "evermill/context.hpp"
#include "evermill/main.hpp"

namespace {

using namespace evermill;
using namespace std::chrono_literals;

constexpr activity<int(int)> append{.name = "append"};
constexpr signal<std::string> approval{.name = "approval"};

task<std::string> greet(context, std::string name) { co_return "hello " + name; }

task<std::string> needs_signal(context ctx) {
  std::string who = co_await ctx.wait(approval);
  co_return "approved by " + who;
}

task<std::string> fails(context ctx) {
  if (!ctx.workflow_id().empty()) throw application_error("CardDeclined", "the card was declined", json_payload("{\"cents\":5}"), true);
  co_return "";
}

task<int> sleeps_long(context ctx) {
  co_await ctx.sleep(24h);
  co_return 1;
}

/// Each activity leaves a line in the file that SAMPLE_FILE names, so that a test sees how often each was done.
task<int> appends(context ctx, int count) {
  int last = 0;
  for (int i = 0; i < count; ++i) last = co_await ctx.call(append, i);
  co_return last;
}

int append_line(int number) {
  const char* const file = std::getenv("SAMPLE_FILE");
  const int fd = ::open(file == nullptr ? "/dev/null" : file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string line = std::to_string(number) + "\n";
  const bool written = fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (fd >= 0) ::close(fd);
  if (!written) throw application_error("CanNotWrite", "the sample's file can't be written");
  std::this_thread::sleep_for(20ms);  // so that a kill finds work that is not finished
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  evermill::registry definitions;
  definitions.add("greet", greet);
  definitions.add("needs_signal", needs_signal);
  definitions.add("fails", fails);
  definitions.add("sleeps_long", sleeps_long);
  definitions.add("appends", appends);
  definitions.add(append, append_line);
  return evermill::main(argc, argv, definitions);
}
