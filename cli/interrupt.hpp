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

}  // namespace evermill::cli
