#include "server/socket_path.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "server/control.hpp"

namespace evermill::server {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_socket_path = sizeof(sockaddr_un{}.sun_path) - 1;

bool needs_no_escape(const std::string& path) {
  return std::all_of(path.begin(), path.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::strchr("/._-", c) != nullptr;
  });
}

bool usable(const fs::path& directory, std::size_t longest_name) {
  return directory.native().size() + 1 + longest_name <= max_socket_path && needs_no_escape(directory.native());
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): only to give each directory a link of its own; the link's target is checked.
std::uint64_t hash(const std::string& text) {
  std::uint64_t value = 0xcbf29ce484222325u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return value;
}

[[noreturn]] void refuse(const std::string& what) {
  throw control_error(control_errc::unreachable,
                      what + "; set XDG_RUNTIME_DIR to a directory of yours with a short name, or choose a data "
                             "directory with a shorter path");
}

/// This user's folder for links. Another user could have made one of that name in a shared directory: refused.
fs::path link_folder() {
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  const bool own = runtime != nullptr && *runtime == '/';
  std::error_code error;
  const fs::path folder = own ? fs::path(runtime) / "evermill"
                              : fs::temp_directory_path(error) / ("evermill-" + std::to_string(::getuid()));
  if (error) refuse("there is no directory for temporary files");
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    refuse("folder \"" + folder.string() + "\" can't be made: " + std::strerror(errno));
  }
  struct stat about {};
  if (::lstat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode) || about.st_uid != ::getuid() ||
      (about.st_mode & 077) != 0) {
    refuse("folder \"" + folder.string() + "\" is not a directory that only you can use");
  }
  return folder;
}

void make_link(const fs::path& link, const fs::path& target) {
  std::error_code error;
  if (fs::read_symlink(link, error) == target && !error) return;
  const fs::path fresh = link.string() + "." + std::to_string(::getpid());
  fs::remove(fresh, error);
  fs::create_symlink(target, fresh, error);
  if (error) refuse("link \"" + fresh.string() + "\" can't be made: " + error.message());
  fs::rename(fresh, link, error);
  if (error) refuse("link \"" + link.string() + "\" can't be made: " + error.message());
}

}  // namespace

fs::path socket_file(const fs::path& data_directory) { return data_directory / "evermill.sock"; }

fs::path short_directory(const fs::path& data_directory, std::size_t longest_name) {
  std::error_code error;
  fs::path absolute = fs::canonical(data_directory, error);
  if (error) {
    throw control_error(control_errc::unreachable,
                        "data directory \"" + data_directory.string() + "\": " + error.message());
  }
  if (usable(absolute, longest_name)) return absolute;
  std::array<char, 17> name{};
  std::snprintf(name.data(), name.size(), "%016llx", static_cast<unsigned long long>(hash(absolute.native())));
  fs::path link = link_folder() / name.data();
  if (!usable(link, longest_name)) refuse("path \"" + link.string() + "\" is too long for a socket");
  make_link(link, absolute);
  return link;
}

std::string grpc_address(const fs::path& socket) { return "unix:" + socket.string(); }

}  // namespace evermill::server
