// Assertions that stay on in every build. For mistakes of the programmer only: bad data from disk or wire is an error
// value, and an outcome the caller must expect is a result.
#pragma once

namespace evermill::detail {
[[noreturn]] void check_failed(const char* condition, const char* file, int line, const char* what) noexcept;
}

/// Ends the process with a message when `condition` does not hold. `what` says which invariant that breaks.
#define EVERMILL_CHECK(condition, what)                                                   \
  (static_cast<bool>(condition) ? static_cast<void>(0)                                    \
                                : ::evermill::detail::check_failed(#condition, __FILE__, __LINE__, what))
