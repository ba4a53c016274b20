// Who has a data directory open.
#pragma once

#include <filesystem>

namespace evermill::storage {

/// The process that has the directory open for writing, from the kernel's list (proc(5), /proc/locks); 0 where there is none
/// or that can't be told. Asking with fcntl would need the file open, and closing it would drop a lock that this process
/// holds.
long lock_holder(const std::filesystem::path& directory);

}  // namespace evermill::storage
