#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace evermill::detail {

void check_failed(const char* condition, const char* file, int line, const char* what) noexcept {
  std::fprintf(stderr, "evermill: internal error at %s:%d: %s (%s). This is a bug; nothing durable is lost.\n", file,
               line, what, condition);
  std::abort();
}

}  // namespace evermill::detail
