// semantics_program SCENARIO DIRECTORY EFFECTS: one life of a scenario on a real engine. Exits with 0 when its script has
// come to its end.
//
// It ends itself by SIGKILL right after a chosen commit is durable: this program's fdatasync stands before the C library's,
// also for RocksDB, and each commit is one sync of a log. The product needs no hook for it.
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "effects.hpp"
#include "engine_client.hpp"
#include "partitions.hpp"

namespace {

using namespace evermill;

long fatal_sync() {
  const char* const text = std::getenv(semantics::kill_variable);
  return text == nullptr ? 0 : std::atol(text);
}

bool is_log(int descriptor) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
  return length > 0 && std::string_view(path, static_cast<std::size_t>(length)).ends_with(".log");
}

}  // namespace

extern "C" int fdatasync(int descriptor) {
  static std::atomic<long> left = fatal_sync();
  const int result = static_cast<int>(::syscall(SYS_fdatasync, descriptor));
  if (result == 0 && is_log(descriptor) && left.fetch_sub(1) == 1) ::kill(::getpid(), SIGKILL);
  return result;
}

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the test's end is its end
  if (argc != 4) return std::fputs("usage: semantics_program SCENARIO DIRECTORY EFFECTS\n", stderr), 2;
  for (const semantics::scenario& each : semantics::scenarios()) {
    if (each.name != argv[1]) continue;
    semantics::count_effects_in(argv[3]);
    try {
      semantics::engine_client client(each, argv[2]);
      each.script(client);
    } catch (const std::exception& error) {
      return std::fprintf(stderr, "%s: %s\n", argv[1], error.what()), 1;
    }
    return 0;
  }
  return std::fprintf(stderr, "there is no scenario %s\n", argv[1]), 2;
}
