#include "plugins/task/backends.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "plugins/api/added_plugins.hpp"
#include "plugins/task/docker/docker_backend.hpp"
#include "plugins/task/grpc/grpc_backend.hpp"
#include "plugins/task/http/http_backend.hpp"
#include "plugins/task/kafka/kafka_backend.hpp"
#include "plugins/task/lambda/lambda_backend.hpp"
#include "plugins/task/plugin/plugin_backend.hpp"
#include "plugins/task/script/script_backend.hpp"
#include "plugins/task/shell/shell_backend.hpp"

namespace evermill::tasks {
namespace {

std::unique_ptr<task_backend> make_native(const backend_parts& parts) {
  native_options options;
  options.threads = parts.native_threads;
  options.time = parts.time;
  options.on_heartbeat = parts.on_heartbeat;
  options.on_start = parts.on_start;
  options.secrets = parts.secrets;
  return make_native_backend(*parts.definitions, options, parts.report);
}

shell_options processes_of(const backend_parts& parts) {
  shell_options options;
  options.max_processes = parts.processes;
  options.time = parts.time;
  options.on_heartbeat = parts.on_heartbeat;
  options.on_start = parts.on_start;
  options.secrets = parts.secrets;
  options.tails = parts.tails;
  return options;
}

std::unique_ptr<task_backend> make_shell(const backend_parts& parts) {
  return make_shell_backend(processes_of(parts), parts.report);
}

std::unique_ptr<task_backend> make_script(const backend_parts& parts) {
  return make_script_backend(processes_of(parts), parts.report);
}

std::unique_ptr<task_backend> make_docker(const backend_parts& parts) {
  docker_options options;
  try {
    options.host = docker_host_of(parts.docker);
  } catch (const std::invalid_argument& error) {
    if (!parts.docker.empty()) throw;
    options.host.problem = error.what();  // of the environment: that matters when a container is to run
  }
  options.engine_id = parts.engine_id;
  options.max_containers = parts.containers;
  options.time = parts.time;
  options.lines = parts.lines;
  options.secrets = parts.secrets;
  options.tails = parts.tails;
  options.on_heartbeat = parts.on_heartbeat;
  options.on_start = parts.on_start;
  return make_docker_backend(options, parts.report);
}

/// Each call has a descriptor, and the rest of the process needs some.
unsigned default_calls() {
  constexpr rlim_t most = 10'000;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 100;
  return static_cast<unsigned>(std::max<rlim_t>(std::min(limit.rlim_cur / 2, most), 1));
}

call_options options_of_calls(const backend_parts& parts) {
  call_options options;
  options.max_calls = parts.calls != 0 ? parts.calls : default_calls();
  options.time = parts.time;
  options.secrets = parts.secrets;
  options.on_heartbeat = parts.on_heartbeat;
  options.on_start = parts.on_start;
  return options;
}

std::unique_ptr<task_backend> make_http(const backend_parts& parts) { return make_http_backend(options_of_calls(parts), parts.report); }
std::unique_ptr<task_backend> make_lambda(const backend_parts& parts) { return make_lambda_backend(options_of_calls(parts), parts.report); }
std::unique_ptr<task_backend> make_grpc(const backend_parts& parts) { return make_grpc_backend(options_of_calls(parts), parts.report); }

std::unique_ptr<task_backend> make_kafka(const backend_parts& parts) {
  return make_kafka_backend(options_of_calls(parts), parts.lines, parts.report);
}

std::unique_ptr<task_backend> make_plugins(const backend_parts& parts) {
  plugin_backend_options options;
  options.activities = plugin_activities();
  options.threads = parts.native_threads;
  options.time = parts.time;
  options.lines = parts.lines;
  options.secrets = parts.secrets;
  options.on_heartbeat = parts.on_heartbeat;
  options.on_start = parts.on_start;
  return make_plugin_backend(std::move(options), parts.report);
}

struct known_backend {
  std::string_view name;
  std::unique_ptr<task_backend> (*make)(const backend_parts&);
};

/// A further backend is a line here, and one in CMakeLists.txt.
constexpr std::array known_backends{
    known_backend{"native", make_native},
    known_backend{"shell", make_shell},
    known_backend{"script", make_script},
    known_backend{"docker", make_docker},
    known_backend{"http", make_http},
    known_backend{"lambda", make_lambda},
    known_backend{"grpc", make_grpc},
    known_backend{"kafka", make_kafka},
    known_backend{"plugins", make_plugins},
};

const known_backend* find_backend(std::string_view name) {
  const auto it =
      std::find_if(known_backends.begin(), known_backends.end(), [&](const auto& each) { return each.name == name; });
  return it == known_backends.end() ? nullptr : &*it;
}

}  // namespace

std::vector<std::string> backends::names() {
  std::vector<std::string> all;
  for (const known_backend& each : known_backends) all.emplace_back(each.name);
  return all;
}

std::string backends::why_not(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (find_backend(name) != nullptr) continue;
    std::string all;
    for (const known_backend& each : known_backends) all.append(all.empty() ? "" : ", ").append(each.name);
    return "there is no backend \"" + name + "\"; there are " + all;
  }
  return {};
}

backends::backends(const std::vector<std::string>& names, const backend_parts& parts) {
  for (const std::string& name : names) {
    made_.push_back(find_backend(name)->make(parts));
    all_.push_back(made_.back().get());
    if (name == "native") native_ = static_cast<native_backend*>(made_.back().get());
  }
}

backends::~backends() = default;

void backends::stop(std::chrono::milliseconds grace) {
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < all_.size(); ++i) threads.emplace_back([each = all_[i], grace] { each->stop(grace); });
  if (!all_.empty()) all_.front()->stop(grace);
  for (std::thread& each : threads) each.join();
}

}  // namespace evermill::tasks
