// Reaching a data directory: through the process that has it open, or by opening it here.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "cli/environment.hpp"
#include "evermill/server_address.hpp"
#include "server/control.hpp"
#include "server/grpc/control_server.hpp"

namespace evermill::cli {

/// The parts are destroyed in the right order: control, then socket, then engine.
struct opened_control {
  std::unique_ptr<engine> local;  ///< null: the engine is in another process
  std::unique_ptr<server::control_server> socket;
  std::unique_ptr<server::control> control;
};

/// What is done with a directory that no process has open. One that a process has open is reached through that.
enum class open_mode {
  inspect,  ///< it must exist; only read: nothing is locked, started or written
  record,   ///< it must exist; what is asked for is journaled, and the work goes on with the next `run`
  run,      ///< made where it does not exist; its work goes on, and other processes can reach it
};

/// Reaches the server env.server where that is set; the processes at env.queue where that is set, as a client; otherwise env.data_directory. Tries again for some seconds while another process is about to open or to leave it, as
/// long as `interrupted` does not say true. Throws command_error.
opened_control open_data_directory(environment& env, open_mode mode, const std::function<bool()>& interrupted = {});

/// env.server, and what it is shown.
server_address address_of_server(const environment& env);

/// " --data DIR", " --queue ADDRESS" or " --server HOST:PORT": what a command line needs to reach the same again.
std::string place_words(const environment& env);

/// Throws command_error, with what to do, unless env.data_directory holds a store.
void must_exist(const environment& env);

/// Makes the directory where it does not exist; what is journaled is its user's alone.
void make_private(std::filesystem::path data_directory);

/// The process that has env.data_directory open; null where there is none that answers. Throws command_error where it
/// speaks another protocol.
std::unique_ptr<server::control> connect_to_owner(const environment& env);

/// Makes a request that may be repeated: once more where the process that was asked ended before it answered.
void ask(environment& env, open_mode mode, const std::function<void(server::control&)>& request);

}  // namespace evermill::cli
