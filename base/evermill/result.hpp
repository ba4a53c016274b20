/// @file
/// An outcome that the caller must look at: a value or an error. (std::expected is C++23.)
#pragma once

#include <tl/expected.hpp>

namespace evermill {

/// A value, or an error: tl::expected.
template <class T, class E>
using result = tl::expected<T, E>;

using tl::unexpected;

}  // namespace evermill
