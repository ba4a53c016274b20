#include "lives.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#ifdef __SANITIZE_ADDRESS__
extern "C" void __sanitizer_set_death_callback(void (*callback)());
#endif

namespace evermill::simulation {
namespace {

constexpr std::uint64_t lives_on_disk = 4;  // one in so many

/// Made beforehand: a signal handler can't.
std::array<char, 512> last_words;
std::size_t last_words_size = 0;

void print_last_words() {
  if (write(STDERR_FILENO, last_words.data(), last_words_size) < 0) return;
}

void on_fatal_signal(int number) {
  print_last_words();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void prepare_last_words(std::uint64_t seed) {
  const std::string text = "\nthe process ended in " + how_to_repeat(seed) + "\n";
  last_words_size = std::min(text.size(), last_words.size());
  std::copy_n(text.begin(), last_words_size, last_words.begin());
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_set_death_callback(print_last_words);
  std::signal(SIGABRT, on_fatal_signal);
#else
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTERM}) std::signal(number, on_fatal_signal);
#endif
}

}  // namespace

std::string how_to_repeat(std::uint64_t seed) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string number = std::to_string(seed);
  return "seed " + number + "; see it with: EVERMILL_SIM_SEED=" + number + " EVERMILL_SIM_TRACE=1 " +
         ::testing::internal::GetArgvs().front() + " --gtest_filter=" + test->test_suite_name() + "." + test->name();
}

settings settings_of(std::uint64_t seed) {
  settings how;
  how.seed = seed;
  how.on_disk = seed % lives_on_disk == 0;
  how.print = std::getenv("EVERMILL_SIM_TRACE") != nullptr;
  return how;
}

life run_life(const settings& how, tally& counts) {
  prepare_last_words(how.seed);
  simulation one(how);
  one.run();
  for (const auto& [what, times] : one.record().counts()) counts[what] += times;
  return {one.record().digest(), one.commits(), one.disk_has_failed(), one.record().findings()};
}

}  // namespace evermill::simulation
