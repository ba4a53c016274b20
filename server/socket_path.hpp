// Where the control socket of a data directory is, and how to name it to the operating system.
#pragma once

#include <filesystem>
#include <string>

namespace evermill::server {

/// DATA/evermill.sock
std::filesystem::path socket_file(const std::filesystem::path& data_directory);

/// A directory through which files in `data_directory` can be named with at most 107 bytes (what sockaddr_un holds,
/// unix(7)) of letters that need no escaping in a gRPC address: the directory itself or, where that is too long, a
/// symbolic link to it that is made in a folder of this user's (mode 0700) in $XDG_RUNTIME_DIR or the directory for
/// temporary files. `longest_name` is the longest file name that will be appended. Both ends of a connection make their
/// own link, so they need not share an environment. Throws control_error where no link can be made.
std::filesystem::path short_directory(const std::filesystem::path& data_directory, std::size_t longest_name);

/// gRPC's name for a socket.
std::string grpc_address(const std::filesystem::path& socket);

}  // namespace evermill::server
