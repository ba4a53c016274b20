// The part of the Docker engine's API that is used here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/task/docker/docker_host.hpp"
#include "plugins/task/transfer/transfer.hpp"

namespace evermill::tasks {

struct docker_reply {
  enum class outcome : std::uint8_t {
    done,      ///< it is so: now, or already
    away,      ///< no engine, or no whole answer: what was asked for may have been done
    refused,   ///< 4xx: for good, unless something else changes
    failed,    ///< 5xx, or an answer that is none
    canceled,  ///< by `stop`
  };
  outcome how = outcome::done;
  int status = 0;
  std::string message;  ///< of what is not done, for people
  nlohmann::json body;  ///< of what is done; null where there is none

  bool done() const noexcept { return how == outcome::done; }
  bool not_found() const noexcept { return how == outcome::refused && status == 404; }
  bool conflict() const noexcept { return how == outcome::refused && status == 409; }
};

/// What a container is doing.
struct container_state {
  std::string id;
  std::string name;
  std::string status;  ///< "created", "running", "exited", …
  bool running = false;
  int exit_code = 0;
  bool out_of_memory = false;
  std::string error;            ///< of its start
  std::int64_t created_us = 0;  ///< since the epoch
  std::int64_t ended_us = 0;    ///< 0: it has not ended
  nlohmann::json labels;
};

/// Thread-safe. Calls wait for their answers on the calling thread, which must have SIGPIPE blocked. Ids and names of
/// containers and images are not checked: they come from the engine, or were.
class docker_client {
 public:
  explicit docker_client(docker_host host) : host_(std::move(host)) {}

  const docker_host& host() const noexcept { return host_; }

  docker_reply inspect_image(const std::string& image, const transfer_stop& stop) const;
  /// `progress` is called now and then. An image that is not there, or may not be had: refused (404).
  docker_reply pull(const std::string& image, const std::string& login, const std::function<void()>& progress,
                    const transfer_stop& stop) const;
  /// The body has the Id. refused: 404, there is no such image; 409, there is a container of that name.
  docker_reply create(const std::string& name, const nlohmann::json& body) const;
  docker_reply start(const std::string& id) const;
  /// What the container has written, and with `follow` what it will write until it ends, as log_stream has it. `on_data` may
  /// end it: canceled.
  docker_reply logs(const std::string& id, bool follow, const std::function<bool(std::string_view)>& on_data,
                    const transfer_stop& stop) const;
  /// Until it has ended.
  docker_reply wait(const std::string& id, const transfer_stop& stop) const;
  docker_reply inspect(const std::string& id, container_state& state, const transfer_stop& stop = {}) const;
  /// SIGTERM, and SIGKILL after the grace. Waits until it has ended.
  docker_reply stop(const std::string& id, std::chrono::seconds grace) const;
  docker_reply kill(const std::string& id) const;
  /// Also one that runs; with its anonymous volumes. One that is not there is removed.
  docker_reply remove(const std::string& id) const;
  docker_reply rename(const std::string& id, const std::string& name) const;
  /// Those that have all of the labels, "NAME=VALUE".
  docker_reply list(const std::vector<std::string>& labels, std::vector<container_state>& found,
                    const transfer_stop& stop) const;

  /// The path of the API for this engine: "/v1.41". Asked for once. Nothing where the engine is away.
  docker_reply find_version(std::string& prefix, const transfer_stop& stop) const;

 private:
  struct request {
    std::string method = "GET";
    std::string path;
    const nlohmann::json* body = nullptr;
    transfer_headers headers{};
    std::chrono::milliseconds timeout{120'000};  // 0: none
    std::function<bool(std::string_view)> on_data{};
  };

  docker_reply call(const request& what, const transfer_stop& stop) const;
  transfer_result transfer(const request& what, const std::string& prefix, const transfer_stop& stop,
                           std::string& refusal) const;
  docker_reply reply_of(transfer_result&& result, const std::string& refusal) const;

  const docker_host host_;
  mutable std::mutex mutex_;
  mutable std::string prefix_;  // "": not known yet
};

}  // namespace evermill::tasks
