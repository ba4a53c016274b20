#include "plugins/task/docker/container_spec.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "evermill/exceptions.hpp"
#include "base/encodings.hpp"

namespace evermill::tasks {
namespace {

using nlohmann::json;

bool is_container_name(const std::string& name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return name.size() >= 2 && alphanumeric(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

[[noreturn]] void refuse_command(const std::string& why) { throw payload_error(why); }

bool is_port(const std::string& text) {
  const bool digits =
      !text.empty() && text.size() <= 5 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && std::stoi(text) <= 65'535;
}

struct port_mapping {
  std::string address;  // of the host
  std::string host;
  std::string container;  // "80/tcp"
};

port_mapping mapping_of(const std::string& host, const json& container) {
  port_mapping made;
  const std::size_t colon = host.rfind(':');
  made.host = colon == std::string::npos ? host : host.substr(colon + 1);
  if (colon != std::string::npos) made.address = host.substr(0, colon);
  std::string inside = container.is_number_integer() ? container.dump()
                       : container.is_string()       ? container.get<std::string>()
                                                     : "";
  const std::size_t slash = inside.find('/');
  const std::string protocol = slash == std::string::npos ? "tcp" : inside.substr(slash + 1);
  inside = inside.substr(0, slash);
  if (!is_port(made.host) || !is_port(inside) || inside == "0" ||
      (protocol != "tcp" && protocol != "udp" && protocol != "sctp")) {
    refuse_command("\"ports\" maps a port of the host (or ADDRESS:PORT) to one of the container (80, \"53/udp\"), not \"" +
                   host + "\" to " + container.dump());
  }
  made.container = inside + "/" + protocol;
  return made;
}

void check_volume(const std::string& source, const std::string& target) {
  const std::size_t colon = target.find(':');
  const std::string options = colon == std::string::npos ? "rw" : target.substr(colon + 1);
  const bool is_source = source.starts_with('/') ? source.find(':') == std::string::npos : is_container_name(source);
  if (!is_source || !target.starts_with('/') || (options != "rw" && options != "ro")) {
    refuse_command(
        "\"volumes\" maps an absolute path of the host, or a volume's name, to an absolute path, or PATH:ro, of the container, "
        "not \"" +
        source + "\" to \"" + target + "\"");
  }
}

std::vector<std::string> strings_of(const json& config, const char* name) {
  const auto it = config.find(name);
  return it != config.end() && it->is_array() ? it->get<std::vector<std::string>>() : std::vector<std::string>();
}

void put_command(const container_command& command, const json& image_config, json& body) {
  if (!command.command.empty()) {
    body["Entrypoint"] = {"/bin/sh", "-c", command.command, "sh"};  // "sh" is its $0
    body["Cmd"] = command.arguments;
    return;
  }
  if (!command.entrypoint.empty()) {
    body["Entrypoint"] = command.entrypoint;
    body["Cmd"] = command.arguments;
    return;
  }
  if (command.arguments.empty()) return;
  std::vector<std::string> all;
  if (strings_of(image_config, "Entrypoint").empty()) all = strings_of(image_config, "Cmd");
  all.insert(all.end(), command.arguments.begin(), command.arguments.end());
  body["Cmd"] = std::move(all);
}

json environment_lines(const container_command& command, const messages::ActivityTask& task) {
  const dispatch_id id = dispatch_id_of(task);
  std::map<std::string, std::string> all{{"EVERMILL_WORKFLOW_ID", task.workflow_id()},
                                         {"EVERMILL_RUN_ID", task.run_id()},
                                         {"EVERMILL_DISPATCH_ID", to_string(id)},
                                         {"EVERMILL_IDEMPOTENCY_KEY", idempotency_key(id)},
                                         {"EVERMILL_ATTEMPT", std::to_string(id.attempt)}};
  for_each_trace_header(task, [&](const char* name, const std::string& value) {
    all[name == std::string_view("traceparent") ? "TRACEPARENT" : "TRACESTATE"] = value;
  });
  for (const auto& [name, value] : command.environment) all[name] = value;
  json lines = json::array();
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

/// So that output can be read from its beginning for as long as the container is there, whatever the engine's default is.
json log_config() { return {{"Type", "local"}, {"Config", {{"max-size", "1g"}, {"max-file", "2"}}}}; }

json host_config(const container_command& command) {
  json host{{"LogConfig", log_config()}, {"RestartPolicy", {{"Name", "no"}}}};
  if (command.memory_bytes > 0) {
    host["Memory"] = command.memory_bytes;
    host["MemorySwap"] = command.memory_bytes;
  }
  if (command.cpus > 0) host["NanoCpus"] = static_cast<std::int64_t>(std::llround(command.cpus * 1e9));
  if (command.max_processes > 0) host["PidsLimit"] = command.max_processes;
  if (!command.network.empty()) host["NetworkMode"] = command.network;
  for (const auto& [source, target] : command.volumes) host["Binds"].push_back(source + ":" + target);
  for (const auto& [from, to] : command.ports) {
    const port_mapping mapping = mapping_of(from, to);
    host["PortBindings"][mapping.container].push_back({{"HostIp", mapping.address}, {"HostPort", mapping.host}});
  }
  return host;
}

json labels_of(const container_command& command, const messages::ActivityTask& task, const std::string& engine_id,
               const std::string& final_name, std::int64_t keep_unfetched_ms) {
  const dispatch_id id = dispatch_id_of(task);
  json labels{{docker_label::engine, engine_id},
              {docker_label::activity, idempotency_key(id)},
              {docker_label::attempt, std::to_string(id.attempt)},
              {docker_label::dispatch, to_string(id)},
              {docker_label::input, hash_of_input(task)},
              {docker_label::workflow, task.workflow_id()},
              {docker_label::name, final_name}};
  if (command.lifetime.cleanup == "always") labels[docker_label::keep_ms] = std::to_string(keep_unfetched_ms);
  if (command.lifetime.cleanup == "eventually") labels[docker_label::keep_ms] = std::to_string(command.lifetime.after_ms);
  return labels;
}

std::string base64url(std::string_view bytes) {
  std::string text = base64_encoded(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

}  // namespace

image_name parse_image(const std::string& text) {
  const std::size_t at = text.find('@');
  std::string repository = text.substr(0, at);
  const std::size_t slash = repository.rfind('/');
  const std::size_t colon = repository.find(':', slash == std::string::npos ? 0 : slash);
  std::string tag = colon == std::string::npos ? "latest" : repository.substr(colon + 1);
  repository.resize(std::min(colon, repository.size()));
  if (at != std::string::npos) tag = text.substr(at + 1);
  return {std::move(repository), std::move(tag)};
}

void check_command(const container_command& command) {
  const image_name image = parse_image(command.image);
  if (image.repository.empty() || image.tag.empty() || command.image.find_first_of(" \t\n?#%") != std::string::npos) {
    refuse_command("\"" + command.image + "\" is no name of an image");
  }
  if (!command.name.empty() && !is_container_name(command.name)) {
    refuse_command("\"" + command.name +
                   "\" can't be a container's name: letters, digits, _, . and -, at least two, the first a letter or digit");
  }
  if (!command.command.empty() && !command.entrypoint.empty())
    refuse_command("a container has a \"command\" or an \"entrypoint\", not both");
  for (const auto& [from, to] : command.ports) mapping_of(from, to);
  for (const auto& [source, target] : command.volumes) check_volume(source, target);
  for (const auto& [name, value] : command.environment) {
    if (name.empty() || name.find('=') != std::string::npos)
      refuse_command("\"" + name + "\" can't be an environment variable's name");
  }
  const std::string& pull = command.pull_policy;
  if (pull != "ifNotPresent" && pull != "always" && pull != "never") {
    refuse_command("\"pull_policy\" is \"ifNotPresent\", \"always\" or \"never\", not \"" + pull + "\"");
  }
  const std::string& cleanup = command.lifetime.cleanup;
  if (cleanup != "always" && cleanup != "never" && cleanup != "eventually") {
    refuse_command("\"cleanup\" is \"always\", \"never\" or \"eventually\", not \"" + cleanup + "\"");
  }
  if (command.lifetime.after_ms < 0) refuse_command("\"after_ms\" is negative");
  if (command.memory_bytes < 0) refuse_command("\"memory_bytes\" is negative");
  if (!(command.cpus >= 0 && command.cpus <= 1e6)) refuse_command("\"cpus\" is not a number of processors");
  if (command.max_processes < 0) refuse_command("\"max_processes\" is negative");
  if (command.max_output_bytes < 0) refuse_command("\"max_output_bytes\" is negative");
}

std::string hash_of_input(const messages::ActivityTask& task) {
  const XXH128_hash_t hash = XXH3_128bits(task.input().data().data(), task.input().data().size());
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text.data();
}

container_request make_request(const container_command& command, const messages::ActivityTask& task,
                               const std::string& engine_id, const json& image_config, std::int64_t keep_unfetched_ms) {
  container_request made;
  made.final_name = command.name;
  if (made.final_name.empty()) made.final_name = "evermill-" + engine_id.substr(0, 8) + "-" + to_string(dispatch_id_of(task));
  made.name = made.final_name;
  if (!command.stdin_text.empty()) made.name += feeding_suffix;
  const bool reads = !command.stdin_text.empty();
  made.body = {{"Image", command.image},
               {"Env", environment_lines(command, task)},
               {"Labels", labels_of(command, task, engine_id, made.final_name, keep_unfetched_ms)},
               {"Tty", false},
               {"AttachStdin", reads},
               {"OpenStdin", reads},
               {"StdinOnce", reads},
               {"HostConfig", host_config(command)}};
  put_command(command, image_config, made.body);
  if (!command.working_directory.empty()) made.body["WorkingDir"] = command.working_directory;
  if (!command.user.empty()) made.body["User"] = command.user;
  for (const auto& [from, to] : command.ports) made.body["ExposedPorts"][mapping_of(from, to).container] = json::object();
  return made;
}

std::string registry_header(const registry_login& login, const std::string& repository) {
  json shown;
  if (!login.identity_token.empty()) {
    shown["identitytoken"] = login.identity_token;
  } else if (!login.username.empty()) {
    shown = {{"username", login.username}, {"password", login.password}};
  } else {
    return {};
  }
  const std::string first = repository.substr(0, repository.find('/'));
  const bool is_host =
      first.size() < repository.size() && (first.find_first_of(".:") != std::string::npos || first == "localhost");
  shown["serveraddress"] = is_host ? first : "https://index.docker.io/v1/";
  return base64url(shown.dump());
}

}  // namespace evermill::tasks
