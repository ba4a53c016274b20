#include "cli/opened_control.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <fstream>
#include <ostream>
#include <sstream>
#include <thread>

#include "cli/errors.hpp"
#include "server/control_client.hpp"
#include "server/local_control.hpp"

namespace evermill::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds answer_limit{2000};
constexpr std::chrono::milliseconds between_tries{100};
constexpr int tries = 50;  // a process that starts recovers before it listens

/// The process that holds the lock file, from the kernel's list (proc(5), /proc/locks); 0 where that can't be told.
/// Asking with fcntl would need the file open, and closing it would drop a lock that this process holds.
long lock_holder(const fs::path& lock_file) {
  struct stat about {};
  if (::stat(lock_file.c_str(), &about) != 0) return 0;
  char wanted[64];
  std::snprintf(wanted, sizeof wanted, "%02x:%02x:%llu", major(about.st_dev), minor(about.st_dev),
                static_cast<unsigned long long>(about.st_ino));
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, advisory, access, inode;
    long pid = 0;
    if (words >> number >> kind >> advisory >> access >> pid >> inode && inode == wanted) return pid;
  }
  return 0;
}

[[noreturn]] void refuse_locked(const fs::path& data_directory, const server::control_error& error) {
  const long holder = lock_holder(data_directory / "LOCK");
  const std::string who = holder == 0 ? "another process" : "process " + std::to_string(holder);
  throw command_error(std::string(error.what()) + "\n" + who + " holds the lock \"" +
                      (data_directory / "LOCK").string() +
                      "\". If it is an evermill program, wait until it has started or stop it" +
                      (holder == 0 ? "" : " (kill " + std::to_string(holder) + ")") + ", then try again.");
}

bool worth_another_try(const server::control_error& error) {
  return error.code() == server::control_errc::unreachable || error.code() == server::control_errc::stopped;
}

void must_exist(const environment& env, const fs::path& data_directory) {
  std::error_code ignored;
  if (fs::exists(data_directory / "CURRENT", ignored)) return;
  const bool there = fs::exists(data_directory, ignored);
  throw command_error("data directory \"" + data_directory.string() + "\" " +
                      (there ? "holds no evermill data" : "does not exist") +
                      "; name the right one with --data DIR or EVERMILL_DATA, or make it with \"" + env.program +
                      " run NAME\"");
}

std::unique_ptr<engine> open_engine(const environment& env, const fs::path& data_directory, open_mode mode) {
  engine_options options;
  options.data_directory = data_directory;
  if (mode != open_mode::run) options.stop_grace = std::chrono::milliseconds(0);
  return std::make_unique<engine>(env.definitions, std::move(options));
}

/// Commands of other processes can't get through without it; the work itself can go on.
std::unique_ptr<server::control_server> serve(environment& env, engine& engine, const fs::path& data_directory) {
  try {
    return std::make_unique<server::control_server>(engine, data_directory);
  } catch (const server::control_error& error) {
    env.err << env.program << ": warning: other processes can't reach this one: " << error.what() << '\n';
    return nullptr;
  }
}

}  // namespace

opened_control open_data_directory(environment& env, const fs::path& data_directory, open_mode mode) {
  if (mode != open_mode::run) must_exist(env, data_directory);
  opened_control opened;
  for (int i = 1;; ++i) {
    try {
      opened.local = open_engine(env, data_directory, mode);
      if (mode == open_mode::run) opened.socket = serve(env, *opened.local, data_directory);
      opened.control = std::make_unique<server::local_control>(*opened.local);
      return opened;
    } catch (const engine_error& error) {
      if (error.code() != engine_errc::locked) throw command_error(error.what());
    }
    try {
      opened.control = server::connect(data_directory, answer_limit);
      return opened;
    } catch (const server::control_error& error) {
      if (!worth_another_try(error)) throw command_error(error.what());
      if (i == tries) refuse_locked(data_directory, error);
    }
    std::this_thread::sleep_for(between_tries);
  }
}

}  // namespace evermill::cli
