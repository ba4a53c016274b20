// Reaching a data directory: by opening it here, or through the process that has it open.
#pragma once

#include <filesystem>
#include <memory>

#include "cli/environment.hpp"
#include "server/control.hpp"
#include "server/control_server.hpp"

namespace evermill::cli {

/// The parts are destroyed in the right order: control, then socket, then engine.
struct opened_control {
  std::unique_ptr<engine> local;  ///< null: the engine is in another process
  std::unique_ptr<server::control_server> socket;
  std::unique_ptr<server::control> control;
};

enum class open_mode {
  look,    ///< the directory must exist; unfinished work is not started where that can be helped
  change,  ///< the directory must exist
  run,     ///< made where it does not exist; other processes can reach the engine while it is open
};

/// Throws command_error.
opened_control open_data_directory(environment& env, const std::filesystem::path& data_directory, open_mode mode);

}  // namespace evermill::cli
