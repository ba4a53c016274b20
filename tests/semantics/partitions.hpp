#pragma once

#include <cstdint>

namespace evermill::semantics {

/// Of every engine here: parents and children, senders and receivers lie on several.
inline constexpr std::uint16_t partitions = 3;

/// The environment of the program: the number of the synced write to RocksDB's logs after which it kills itself ("": none).
inline constexpr const char* kill_variable = "SEMANTICS_KILL_AFTER";

}  // namespace evermill::semantics
