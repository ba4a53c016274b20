// What the engine is asked for on behalf of an attempt.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/docker.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// By which containers are found again. Values are text.
namespace docker_label {
inline constexpr const char* engine = "dev.evermill.engine";      ///< the identity of the engine, or of the cluster
inline constexpr const char* activity = "dev.evermill.activity";  ///< its idempotency key
inline constexpr const char* attempt = "dev.evermill.attempt";    ///< its number
inline constexpr const char* dispatch = "dev.evermill.dispatch";  ///< its dispatch id
inline constexpr const char* input = "dev.evermill.input";        ///< a hash of the activity's input
inline constexpr const char* workflow = "dev.evermill.workflow";  ///< the workflow's id, for people
inline constexpr const char* name = "dev.evermill.name";  ///< that the container has once its standard input is complete
/// How many milliseconds after its end it may be removed by whoever comes by; absent: never.
inline constexpr const char* keep_ms = "dev.evermill.keep-ms";
}  // namespace docker_label

/// A container of this name may have got a part of its standard input only.
inline constexpr std::string_view feeding_suffix = ".feeding";

struct image_name {
  std::string repository;  ///< with the registry's host
  std::string tag;         ///< or "sha256:…"
};
/// "a/b" is "a/b:latest". The tag of "a/b:tag@sha256:…" is of no account.
image_name parse_image(const std::string& text);

/// Throws payload_error: it can't be asked for, whatever the engine says.
void check_command(const container_command& command);

struct container_request {
  std::string name;        ///< to be created with
  std::string final_name;  ///< the same, or what it is called when its standard input is complete
  nlohmann::json body;
};

/// `image_config` is the engine's description of the image, with Entrypoint and Cmd. `task` is the one that names secrets: what
/// is hashed and labelled is not secret.
container_request make_request(const container_command& command, const messages::ActivityTask& task,
                               const std::string& engine_id, const nlohmann::json& image_config,
                               std::int64_t keep_unfetched_ms);

/// Of the activity's input, with the names of secrets in place of their values.
std::string hash_of_input(const messages::ActivityTask& task);

/// A registry's login, as a header of the engine's API has it; "": none is needed.
std::string registry_header(const registry_login& login, const std::string& repository);

}  // namespace evermill::tasks
