// Files, read and written so that no crash leaves half of one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace log_analysis {

/// Regular files that match, each once, in alphabetical order.
std::vector<std::string> match_files(const std::vector<std::string>& globs, std::size_t limit);

/// The first `max_bytes` of the file's text, unpacked where it is gzip. Throws std::runtime_error.
std::string read_text(const std::string& path, std::size_t max_bytes);

/// Replaces the file by one rename when its new content is on disk. Throws std::system_error.
void write_atomically(const std::filesystem::path& path, std::string_view content);

/// Appends one line by one write, so that lines of several threads and processes stay whole. Throws std::system_error.
void append_line(const std::filesystem::path& path, const std::string& line);

}  // namespace log_analysis
