// What somebody can do about a problem that `verify` found. Internal to engine/.
#pragma once

#include <string_view>

namespace evermill::verification::advice {

inline constexpr std::string_view restore = "restore the data directory from a backup";
inline constexpr std::string_view newer = "use the evermill that wrote it, or a later one";
/// For rows that are derived from journals.
inline constexpr std::string_view rebuild =
    "the journal holds everything: export the execution and import it into a new directory, which makes its rows anew";

}  // namespace evermill::verification::advice
