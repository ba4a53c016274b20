// Control of an engine in another process.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "evermill/server_address.hpp"
#include "server/control.hpp"

namespace evermill::server {

/// Connects to the process that has the data directory open, and asks who it is. Throws control_error: unreachable when
/// nobody answers within `limit`, incompatible.
std::unique_ptr<control> connect(const std::filesystem::path& data_directory, std::chrono::milliseconds limit,
                                 const std::string& name_space = {});
/// The same for a server. Also std::runtime_error where one of its files can't be read.
std::unique_ptr<control> connect(const server_address& server, std::chrono::milliseconds limit);

}  // namespace evermill::server
