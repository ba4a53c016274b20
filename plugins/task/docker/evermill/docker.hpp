/// @file
/// Running a container as an activity: co_await ctx.call(evermill::docker, command).
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evermill/handles.hpp"

namespace evermill {

/// What becomes of a container that has ended.
struct container_lifetime {
  /// "always": it is removed as soon as its end is told, and a few seconds later at most where that could be of use after a
  /// crash. "never": it stays. "eventually": it is removed when after_ms are over.
  std::string cleanup = "always";
  std::int64_t after_ms = 0;  ///< with "eventually": for how long it stays after its end, in milliseconds
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(container_lifetime, cleanup, after_ms)

/// How to show the image's registry who pulls. Values may be secrets (evermill/secrets.hpp), as those of all fields here.
struct registry_login {
  std::string username;        ///< "": none is needed
  std::string password;        ///< or a token that is used as one
  std::string identity_token;  ///< in place of both
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(registry_login, username, password, identity_token)

/// What to run. What can't be is refused before the Docker engine is asked for anything: the activity fails with the type
/// "InvalidPayload".
///
/// The process sees EVERMILL_WORKFLOW_ID, EVERMILL_RUN_ID, EVERMILL_DISPATCH_ID, EVERMILL_IDEMPOTENCY_KEY and EVERMILL_ATTEMPT
/// in its environment. Whatever it writes is a sign of life: with a heartbeat timeout, a container that says nothing for so
/// long is ended.
struct container_command {
  std::string image;    ///< NAME[:TAG][\@DIGEST], with a registry's host in front where it is not the engine's default
  std::string name;     ///< of the container; "": made of the attempt's id
  std::string command;  ///< text for /bin/sh -c, in place of the image's entrypoint and command; "": those
  std::vector<std::string> entrypoint;  ///< in place of the image's, without a shell; not together with `command`
  /// With `command`: its $1, $2, …. Otherwise in place of the image's command where there is an entrypoint, and after it where
  /// there is none.
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  ///< added to the image's
  std::map<std::string, nlohmann::json> ports;  ///< port of the host, or ADDRESS:PORT, to port of the container: 80, "53/udp"
  std::map<std::string, std::string> volumes;   ///< absolute path of the host, or a volume's name, to PATH or PATH:ro inside
  std::string stdin_text;                       ///< what it reads; then its standard input ends
  std::string working_directory;                ///< "": the image's
  std::string user;                             ///< "": the image's
  std::string network;                          ///< "none", "host", a network's name; "": the engine's default
  std::string pull_policy = "ifNotPresent";     ///< or "always", "never"
  registry_login registry_auth;                 ///< for pulling
  container_lifetime lifetime;                  ///< what becomes of it when it has ended
  std::int64_t memory_bytes = 0;                ///< the most that it may have, swap included; 0: no limit
  double cpus = 0;                              ///< how many processors it may keep busy; 0: all
  std::int64_t max_processes = 0;               ///< processes and threads in it; 0: no limit
  std::int64_t max_output_bytes = 1 << 20;      ///< kept of each of stdout and stderr; the rest is read and dropped
  bool check = true;                            ///< fail the activity (NonZeroExit) where the exit code is not 0
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(container_command, image, name, command, entrypoint, arguments, environment,
                                                ports, volumes, stdin_text, working_directory, user, network, pull_policy,
                                                registry_auth, lifetime, memory_bytes, cpus, max_processes, max_output_bytes,
                                                check)

/// How a container ended. Output that is not UTF-8 comes with U+FFFD in place of what is wrong.
struct container_result {
  int exit_code = 0;              ///< 0 unless container_command::check is off
  std::string stdout_text;        ///< the first max_output_bytes of its standard output
  std::string stderr_text;        ///< the first max_output_bytes of its standard error
  bool stdout_truncated = false;  ///< there was more
  bool stderr_truncated = false;  ///< there was more
  std::string container;          ///< its id
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(container_result, exit_code, stdout_text, stderr_text, stdout_truncated,
                                                stderr_truncated, container)

/// Runs a container by a Docker engine: engine_options::docker. Every engine has it, a testing::environment has not: replace it
/// there. A container goes on when evermill's process ends, and is found again; docs/containers.md says exactly when.
///
/// Fails with the types "NonZeroExit", "KilledBySignal" (with `check`: an exit code above 128, which is how engines tell it)
/// and "OutOfMemory", all with the container_result as details; "DockerUnavailable" (the engine can't be reached, or is lost
/// sight of), "DockerError" (it failed), "PullFailed", "NameTaken" and "ContainerGone" (somebody removed it), which are tried
/// again; and with "NoSuchImage", "DockerRefused" and "CannotStart", which are not.
inline constexpr activity<container_result(container_command)> docker{.name = "docker"};

}  // namespace evermill
