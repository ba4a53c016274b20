// Ctrl-C and its like while a command waits.
#pragma once

#include <array>
#include <csignal>

namespace evermill::cli {

/// While it lives the first SIGINT or SIGTERM is only noted; a second of the same kind ends the process as usual. One at
/// a time: signal handlers belong to the whole process.
class interrupt_guard {
 public:
  interrupt_guard();
  ~interrupt_guard();
  interrupt_guard(const interrupt_guard&) = delete;
  interrupt_guard& operator=(const interrupt_guard&) = delete;

  bool interrupted() const noexcept;

 private:
  std::array<struct sigaction, 2> before_{};
};

/// While it lives SIGHUP is noted. As interrupt_guard: one at a time.
class hangup_guard {
 public:
  hangup_guard();
  ~hangup_guard();
  hangup_guard(const hangup_guard&) = delete;
  hangup_guard& operator=(const hangup_guard&) = delete;

  /// True once for those that came since.
  bool take() noexcept;

 private:
  struct sigaction before_ {};
};

}  // namespace evermill::cli
