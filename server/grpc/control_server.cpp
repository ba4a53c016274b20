#include "server/grpc/control_server.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "server/grpc/grpc_server.hpp"
#include "server/socket_path.hpp"

namespace evermill::server {
namespace {

namespace fs = std::filesystem;

constexpr const char* folder_name = "evermill.sock.new";  // where the socket is made, out of everybody's reach
constexpr const char* fresh_name = "evermill.sock.new/s";

[[noreturn]] void fail(const fs::path& path, const std::string& why) {
  throw control_error(control_errc::unreachable, "control socket \"" + path.string() + "\" can't be made: " + why);
}

/// The socket comes into being in a folder that only this user can enter, so that there is no moment in which others
/// could connect. A folder left by a killed process is used again.
fs::path private_folder(const fs::path& data_directory) {
  const fs::path folder = data_directory / folder_name;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) fail(folder, std::strerror(errno));
  struct stat about {};
  if (::lstat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode) || ::chmod(folder.c_str(), 0700) != 0) {
    fail(folder, "it is not a directory of yours");
  }
  return folder;
}

/// Only a socket is ever replaced: what else has its name is somebody's.
void check_replaceable(const fs::path& socket) {
  struct stat about {};
  if (::lstat(socket.c_str(), &about) == 0 && !S_ISSOCK(about.st_mode)) {
    fail(socket, "something that is no socket has that name; move it away");
  }
}

}  // namespace

class control_server::impl {
 public:
  impl(engine& engine, const fs::path& data_directory) : socket_(socket_file(data_directory)) {
    check_replaceable(socket_);
    const fs::path folder = private_folder(data_directory);
    const fs::path fresh = short_directory(data_directory, std::strlen(fresh_name)) / fresh_name;
    grpc_server_options options;
    options.address = grpc_address(fresh);
    try {
      server_.emplace(engine, std::move(options));
    } catch (const control_error&) {
      fail(fresh, "gRPC can't listen there");
    }
    publish(fresh);
    std::error_code ignored;
    fs::remove(folder, ignored);
  }

  ~impl() {
    std::error_code ignored;
    fs::remove(socket_, ignored);
  }

  std::size_t waiting_calls() const { return server_->waiting_calls(); }

 private:
  void publish(const fs::path& fresh) {
    std::error_code error;
    if (::chmod(fresh.c_str(), 0600) != 0) error.assign(errno, std::generic_category());
    if (!error) fs::rename(fresh, socket_, error);
    if (error) fail(socket_, error.message());
  }

  const fs::path socket_;
  std::optional<grpc_server> server_;
};

control_server::control_server(engine& engine, const fs::path& data_directory)
    : impl_(std::make_unique<impl>(engine, data_directory)) {}
control_server::~control_server() = default;

std::size_t control_server::waiting_calls() const { return impl_->waiting_calls(); }

}  // namespace evermill::server
