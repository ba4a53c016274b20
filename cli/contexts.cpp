#include "cli/contexts.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/errors.hpp"
#include "cli/input.hpp"

namespace evermill::cli {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

fs::path file_of(const environment& env) {
  if (env.config_directory.empty()) {
    throw command_error("there is no place for contexts: neither XDG_CONFIG_HOME nor HOME is set");
  }
  return env.config_directory / "contexts.json";
}

server_context context_from(const json& object) {
  server_context made;
  made.server = object.value("server", "");
  made.tls = object.value("tls", false);
  made.tls_ca = object.value("tls_ca", "");
  made.tls_certificate = object.value("tls_cert", "");
  made.tls_key = object.value("tls_key", "");
  made.token_file = object.value("token_file", "");
  made.name_space = object.value("namespace", "");
  return made;
}

json object_of(const server_context& from) {
  json object = {{"server", from.server}};
  if (from.tls) object["tls"] = true;
  const auto put = [&](const char* name, const std::string& text) {
    if (!text.empty()) object[name] = text;
  };
  put("tls_ca", from.tls_ca);
  put("tls_cert", from.tls_certificate);
  put("tls_key", from.tls_key);
  put("token_file", from.token_file);
  put("namespace", from.name_space);
  return object;
}

[[noreturn]] void throw_unwritable(const fs::path& file) {
  throw command_error("contexts can't be written to \"" + file.string() + "\": " + std::strerror(errno));
}

void write_all(int descriptor, const std::string& text, const fs::path& file) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(descriptor, text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_unwritable(file);
    at += static_cast<std::size_t>(written);
  }
}

}  // namespace

context_list read_contexts(const environment& env) {
  context_list list;
  if (env.config_directory.empty()) return list;
  const fs::path file = file_of(env);
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return list;
  std::ifstream from(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(from)), std::istreambuf_iterator<char>());
  if (!from) throw command_error("contexts can't be read from \"" + file.string() + "\"");
  try {
    const json all = json::parse(text);
    list.current = all.value("current", "");
    for (const auto& [name, object] : all.at("contexts").items()) list.contexts[name] = context_from(object);
  } catch (const json::exception& error) {
    throw command_error("\"" + file.string() + "\" holds no contexts: " + error.what() +
                        "\nCorrect it, or take it away and make them anew with \"" + env.program + " context set\".");
  }
  return list;
}

void write_contexts(const environment& env, const context_list& list) {
  const fs::path file = file_of(env);
  std::error_code ignored;
  fs::create_directories(env.config_directory.parent_path(), ignored);
  ::mkdir(env.config_directory.c_str(), 0700);
  json all = {{"current", list.current}, {"contexts", json::object()}};
  for (const auto& [name, each] : list.contexts) all["contexts"][name] = object_of(each);
  const std::string text = all.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  const fs::path made = file.string() + "." + std::to_string(::getpid());
  const int descriptor = ::open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) throw_unwritable(file);
  try {
    if (::fchmod(descriptor, 0600) != 0) throw_unwritable(file);
    write_all(descriptor, text, file);
    if (::fsync(descriptor) != 0 || ::rename(made.c_str(), file.c_str()) != 0) throw_unwritable(file);
  } catch (...) {
    ::close(descriptor);
    ::unlink(made.c_str());
    throw;
  }
  ::close(descriptor);
}

const server_context& find_context(const environment& env, const context_list& list, const std::string& name) {
  const auto found = list.contexts.find(name);
  if (found != list.contexts.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& each : list.contexts) names.push_back(each.first);
  std::string message = "there is no context \"" + name + "\"";
  if (const std::string like = nearest(name, names); !like.empty()) message += "; did you mean \"" + like + "\"?";
  throw command_error(message + "\nSee those there are with: " + env.program + " context list");
}

std::string read_token(const std::string& file) {
  std::ifstream from(file);
  std::string line;
  if (!from || !std::getline(from, line) || line.empty()) throw command_error("no token can be read from \"" + file + "\"");
  return line;
}

void apply_context(environment& env, const environment& before) {
  const bool is_chosen = env.context_is_given;
  const bool place_is_given = env.server_is_given || env.data_directory != before.data_directory || env.queue != before.queue;
  if (is_chosen && place_is_given) {
    throw command_error("--context names a server already; leave out --server, --data and --queue");
  }
  const bool place_is_set = !before.server.empty() || !before.queue.empty() || env.data_is_set;
  if (!is_chosen && (place_is_given || place_is_set)) return;
  const context_list list = read_contexts(env);
  const std::string name = env.context.empty() ? list.current : env.context;
  if (name.empty()) return;
  const server_context& found = find_context(env, list, name);
  env.server = found.server;
  env.server_is_given = true;
  env.queue.clear();
  const auto take = [&](std::string& setting, const std::string& was, const std::string& other) {
    const bool by_option = setting != was;
    if (!other.empty() && !by_option && (is_chosen || setting.empty())) setting = other;
  };
  if (found.tls) env.tls = true;
  take(env.tls_ca, before.tls_ca, found.tls_ca);
  take(env.tls_certificate, before.tls_certificate, found.tls_certificate);
  take(env.tls_key, before.tls_key, found.tls_key);
  take(env.name_space, before.name_space, found.name_space);
  const bool token_is_given = env.token != before.token;
  if (!found.token_file.empty() && !token_is_given && (is_chosen || env.token.empty())) env.token = read_token(found.token_file);
}

}  // namespace evermill::cli
