// The program of the soak (soak.py): as a server it has the workflows, as a worker (SOAK_ROLE=worker) their activity, too.
//
//   EFFECTS  the file that each effect adds a line to: its idempotency key
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "evermill/activity_context.hpp"
#include "evermill/context.hpp"
#include "evermill/main.hpp"

namespace {

using namespace evermill;
using namespace std::chrono_literals;

inline constexpr activity<int(int)> effect{.name = "effect"};
inline constexpr evermill::signal<int> go{.name = "go"};

task<int> part(context ctx, int n) { co_return co_await ctx.call(effect, n); }

task<int> order(context ctx, int n) {
  const int first = co_await ctx.call(effect, n);
  future<int> child = ctx.start(part, n);
  co_await ctx.sleep(20ms);
  const int more = co_await ctx.wait(go);
  const int second = co_await std::move(child);
  const int last = co_await ctx.call(effect, more);
  co_return first + second + last;
}

int leave_trace(const activity_context& ctx, int n) {
  const char* const path = std::getenv("EFFECTS");
  const std::string line = ctx.idempotency_key() + "\n";
  const int file = ::open(path == nullptr ? "effects" : path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
  ::close(file);
  if (n % 10 == 0) std::this_thread::sleep_for(100ms);  // so that some are interrupted
  return n + 1;
}

registry definitions() {
  registry all;
  all.add("part", part);
  all.add("order", order);
  const char* const role = std::getenv("SOAK_ROLE");
  if (role != nullptr && std::string(role) == "worker") {
    all.add(effect, [](const activity_context& ctx, int n) { return leave_trace(ctx, n); });
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) { return evermill::main(argc, argv, definitions()); }
