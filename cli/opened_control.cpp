#include "cli/opened_control.hpp"

#include <sys/stat.h>

#include <chrono>
#include <ostream>
#include <thread>

#include "base/namespaces.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "server/grpc/control_client.hpp"
#include "server/local_control.hpp"
#include "server/socket_path.hpp"
#include "storage/lock_holder.hpp"

namespace evermill::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds answer_limit{2000};
constexpr std::chrono::milliseconds between_tries{50};
constexpr std::chrono::seconds patience{10};  // with a process that recovers before it listens, or is about to end
constexpr int requests_at_most = 3;

[[noreturn]] void refuse_locked(const fs::path& data_directory) {
  const long holder = storage::lock_holder(data_directory);
  const std::string pid = std::to_string(holder);
  throw command_error("data directory \"" + data_directory.string() + "\" is open in " +
                      (holder == 0 ? "another process" : "process " + pid) +
                      ", which does not answer on its control socket.\n"
                      "If that is an evermill program, wait until it has started or end it" +
                      (holder == 0 ? "" : " (kill " + pid + ")") + ", then try again; nothing was changed.");
}

/// Who opens it here decides what there is in it.
void declare_namespace(const environment& env, engine_options& options) {
  if (!namespaces::is_default(env.name_space)) options.namespaces.push_back({.name = env.name_space});
}

std::unique_ptr<engine> open_engine(const environment& env, open_mode mode) {
  engine_options options;
  options.data_directory = env.data_directory;
  if (mode == open_mode::run) {
    options.secrets = env.secrets;
    options.docker = env.docker;
  }
  declare_namespace(env, options);
  options.mode = mode == open_mode::run      ? engine_mode::run
                 : mode == open_mode::record ? engine_mode::record
                                             : engine_mode::inspect;
  return std::make_unique<engine>(env.definitions, std::move(options));
}

opened_control open_as_client(const environment& env) {
  engine_options options;
  options.mode = engine_mode::client;
  options.queue = env.queue;
  declare_namespace(env, options);
  opened_control opened;
  try {
    opened.local = std::make_unique<engine>(env.definitions, std::move(options));
  } catch (const engine_error& error) {
    throw command_error(error.what());
  }
  opened.control = std::make_unique<server::local_control>(*opened.local, env.name_space);
  return opened;
}

}  // namespace

server_address address_of_server(const environment& env) {
  server_address server;
  server.address = env.server;
  server.name_space = env.name_space;
  server.token = env.token;
  server.tls = env.tls;
  server.ca_file = env.tls_ca;
  server.certificate_file = env.tls_certificate;
  server.key_file = env.tls_key;
  return server;
}

namespace {

opened_control open_server(const environment& env) {
  opened_control opened;
  opened.control = server::connect(address_of_server(env), answer_limit);
  return opened;
}

/// Commands of other processes can't get through without it; the work itself can go on.
std::unique_ptr<server::control_server> serve(environment& env, engine& engine) {
  try {
    return std::make_unique<server::control_server>(engine, env.data_directory);
  } catch (const server::control_error& error) {
    env.err << env.program << ": warning: other processes can't reach this one: " << error.what() << '\n';
    return nullptr;
  }
}

/// Null where another process is opening or closing the directory just now.
std::unique_ptr<engine> try_to_open(const environment& env, open_mode mode, bool last_try) {
  try {
    return open_engine(env, mode);
  } catch (const engine_error& error) {
    if (error.code() == engine_errc::locked) {
      if (last_try) refuse_locked(env.data_directory);
      return nullptr;
    }
    // Files that vanish while they are read are those of a process that has just opened it.
    const bool may_change = mode == open_mode::inspect && error.code() == engine_errc::storage &&
                            storage::lock_holder(env.data_directory) != 0;
    if (may_change && !last_try) return nullptr;
    throw command_error(error.what());
  }
}

}  // namespace

void must_exist(const environment& env) {
  const fs::path& data_directory = env.data_directory;
  std::error_code ignored;
  if (fs::exists(data_directory / "CURRENT", ignored)) return;
  const bool there = fs::exists(data_directory, ignored);
  throw command_error("data directory \"" + data_directory.string() + "\" " +
                      (there ? "holds no evermill data" : "does not exist") +
                      "; name the right one with --data DIR or EVERMILL_DATA, or make it with \"" + env.program +
                      " run NAME\"");
}

void make_private(fs::path data_directory) {
  std::error_code ignored;
  if (!data_directory.has_filename()) data_directory = data_directory.parent_path();  // "data/"
  if (fs::exists(data_directory, ignored)) return;
  fs::create_directories(data_directory.parent_path(), ignored);  // opening it tells what is wrong
  ::mkdir(data_directory.c_str(), 0700);
}

std::unique_ptr<server::control> connect_to_owner(const environment& env) {
  std::error_code ignored;
  if (!fs::exists(server::socket_file(env.data_directory), ignored)) return nullptr;
  try {
    return server::connect(env.data_directory, answer_limit, env.name_space);
  } catch (const server::control_error& error) {
    if (error.code() == server::control_errc::incompatible) throw command_error(error.what());
    return nullptr;  // stale, ending, or of somebody else: the lock tells
  }
}

std::string place_words(const environment& env) {
  const std::string space = namespaces::is_default(env.name_space) ? "" : " --namespace " + env.name_space;
  if (!env.server.empty()) return " --server " + shell_word(env.server) + space;
  if (env.queue.find('@') != std::string::npos) return space;  // a password is not for the screen: as it was given
  if (!env.queue.empty()) return " --queue " + shell_word(env.queue) + space;
  return " --data " + shell_word(env.data_directory.string()) + space;
}

opened_control open_data_directory(environment& env, open_mode mode, const std::function<bool()>& interrupted) {
  if (!env.server.empty()) return open_server(env);
  if (!env.queue.empty()) return open_as_client(env);
  if (mode != open_mode::run) must_exist(env);
  opened_control opened;
  for (const auto end = std::chrono::steady_clock::now() + patience;;) {
    opened.control = connect_to_owner(env);
    if (opened.control) return opened;
    if (mode == open_mode::run) make_private(env.data_directory);
    const bool last_try = std::chrono::steady_clock::now() >= end;
    opened.local = try_to_open(env, mode, last_try);
    if (opened.local) {
      if (mode == open_mode::run) opened.socket = serve(env, *opened.local);
      opened.control = std::make_unique<server::local_control>(*opened.local, env.name_space);
      return opened;
    }
    if (interrupted && interrupted()) {
      throw command_error("interrupted while another process was opening or closing the data directory; "
                          "nothing was started here", exit_code::parked);
    }
    std::this_thread::sleep_for(between_tries);
  }
}

void ask(environment& env, open_mode mode, const std::function<void(server::control&)>& request) {
  for (int i = 1;; ++i) {
    const opened_control opened = open_data_directory(env, mode);
    try {
      return request(*opened.control);
    } catch (const server::control_error& error) {
      if (error.code() != server::control_errc::stopped || i == requests_at_most) throw;
    }
  }
}

}  // namespace evermill::cli
