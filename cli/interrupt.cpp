#include "cli/interrupt.hpp"

#include <atomic>

namespace evermill::cli {
namespace {

constexpr std::array<int, 2> handled{SIGINT, SIGTERM};
std::atomic<bool> noted{false};  // a handler can reach nothing else
static_assert(std::atomic<bool>::is_always_lock_free, "or a handler could not write it");

void note(int) { noted.store(true, std::memory_order_relaxed); }

std::atomic<bool> hung_up{false};

void note_hangup(int) { hung_up.store(true, std::memory_order_relaxed); }

}  // namespace

interrupt_guard::interrupt_guard() {
  noted = false;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < handled.size(); ++i) ::sigaction(handled[i], &action, &before_[i]);
}

interrupt_guard::~interrupt_guard() {
  for (std::size_t i = 0; i < handled.size(); ++i) ::sigaction(handled[i], &before_[i], nullptr);
}

bool interrupt_guard::interrupted() const noexcept { return noted.load(std::memory_order_relaxed); }

hangup_guard::hangup_guard() {
  hung_up = false;
  struct sigaction action {};
  action.sa_handler = note_hangup;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGHUP, &action, &before_);
}

hangup_guard::~hangup_guard() { ::sigaction(SIGHUP, &before_, nullptr); }

bool hangup_guard::take() noexcept { return hung_up.exchange(false, std::memory_order_relaxed); }

}  // namespace evermill::cli
