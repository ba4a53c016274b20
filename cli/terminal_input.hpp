// Keys that are pressed while a command shows something.
#pragma once

#include <termios.h>

#include <chrono>

namespace evermill::cli {

/// Where standard input is a terminal: keys come at once and are not shown, until it goes. Ctrl-C works as ever. One at a time.
class terminal_input {
 public:
  terminal_input();
  ~terminal_input();
  terminal_input(const terminal_input&) = delete;
  terminal_input& operator=(const terminal_input&) = delete;

  /// Waits for the key, or a signal, for so long at most. True: it was pressed. Without a terminal it only waits.
  bool pressed(char key, std::chrono::milliseconds limit);

 private:
  bool is_terminal_ = false;
  termios before_{};
};

}  // namespace evermill::cli
