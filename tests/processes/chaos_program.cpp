// A user's program whose workflows interpret generated programs, and whose activities and steps count their effects in
// a file of their own. It is killed, stopped and started again by the tests beside it.
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/random.hpp"
#include "effects.hpp"
#include "evermill/context.hpp"
#include "evermill/main.hpp"
#include "tests/simulation/program.hpp"

namespace {

using namespace evermill;

constexpr activity<std::int64_t(std::int64_t)> work{.name = simulation::activity_type};
constexpr evermill::signal<> told_to_end{.name = processes::keeper_signal};

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Up to `bound` of them, so that a kill finds attempts before and after their effect.
void pause(std::uint64_t digest, std::uint64_t bound) {
  std::this_thread::sleep_for(std::chrono::microseconds(digest % bound));
}

std::int64_t do_work(activity_context& about, std::int64_t) {
  static const std::string file = variable(processes::effects_variable);
  static const std::string hangs = variable(processes::hang_variable);
  while (about.workflow_id() == hangs && !about.stop_requested()) pause(9'999, 10'000);
  const std::string& id = about.dispatch_id();
  const std::uint64_t digest = processes::digest_of(id);
  pause(digest, 3000);
  const std::int64_t value = processes::value_of(id);
  processes::append_effect(file, {"activity", id, value, ::getpid()});
  pause(digest >> 20, 1000);
  const processes::attempt_fate fate = processes::fate_of(id);
  if (fate == processes::attempt_fate::completes) return value;
  throw application_error("Refused", id, {}, fate == processes::attempt_fate::fails_for_good);
}

/// Another value for every run of a step's function, whichever process runs it.
std::int64_t do_step() {
  static const std::string file = variable(processes::effects_variable);
  static const auto random = make_system_random();
  const auto value = static_cast<std::int64_t>(random->next() >> 4);
  processes::append_effect(file, {"step", "-", value, ::getpid()});
  return value;
}

/// Keeps the data directory open, and its process alive, until it is told.
task<void> keeper(context ctx) { co_await ctx.wait(told_to_end); }

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the test's end is its end
  simulation::hooks().step_value = do_step;
  registry definitions;
  definitions.add(std::string(simulation::workflow_type), simulation::run_program);
  definitions.add(processes::keeper_workflow, keeper);
  definitions.add(work, do_work);
  return evermill::main(argc, argv, definitions);
}
