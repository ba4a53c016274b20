// Events as lines of JSON: in a file, or on standard output.
#pragma once

#include <filesystem>
#include <memory>

#include "publishing/sink.hpp"

namespace evermill::publishing {

/// Appends to the file, which is made where there is none, and syncs it. It is opened anew for each call of `send`, so that
/// somebody may move it away. A line that is torn, as a crash may leave it, is cut off first; several processes may write to
/// one file.
std::unique_ptr<sink> make_file_sink(std::filesystem::path path);

/// Writes to a file descriptor, which stays the caller's; for standard output. Durable is what was written. What reads it may
/// be slow.
std::unique_ptr<sink> make_descriptor_sink(int descriptor, std::string name);

}  // namespace evermill::publishing
