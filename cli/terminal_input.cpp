#include "cli/terminal_input.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace evermill::cli {

terminal_input::terminal_input() {
  is_terminal_ = ::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &before_) == 0;
  if (!is_terminal_) return;
  termios now = before_;
  now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  now.c_cc[VMIN] = 0;
  now.c_cc[VTIME] = 0;
  is_terminal_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
}

terminal_input::~terminal_input() {
  if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

bool terminal_input::pressed(char key, std::chrono::milliseconds limit) {
  pollfd keys{.fd = is_terminal_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0};
  if (::poll(&keys, 1, static_cast<int>(limit.count())) <= 0) return false;
  std::array<char, 64> typed{};
  const ssize_t count = ::read(STDIN_FILENO, typed.data(), typed.size());
  if (count <= 0) {
    is_terminal_ = false;  // it is gone
    return false;
  }
  return std::find(typed.begin(), typed.begin() + count, key) != typed.begin() + count;
}

}  // namespace evermill::cli
