#include "plugins/task/docker/docker_client.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "plugins/task/docker/container_spec.hpp"
#include "base/encodings.hpp"

namespace evermill::tasks {
namespace {

using nlohmann::json;
using outcome_kind = docker_reply::outcome;

constexpr int newest_minor = 44;  // of API 1.x, that is known here; all that is used has been there since 1.39
constexpr std::chrono::milliseconds unlimited{0};
constexpr std::size_t longest_refusal = 64 * 1024;

/// "2026-11-29T12:33:24.123456789Z"; 0 for the year 1, which says never, and for what is no time.
std::int64_t micros_of(const std::string& text) {
  std::tm when{};
  int fraction_at = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &when.tm_year, &when.tm_mon, &when.tm_mday, &when.tm_hour,
                  &when.tm_min, &when.tm_sec, &fraction_at) != 6 ||
      when.tm_year < 1970) {
    return 0;
  }
  when.tm_year -= 1900;
  when.tm_mon -= 1;
  std::int64_t micros = static_cast<std::int64_t>(::timegm(&when)) * 1'000'000;
  std::size_t at = static_cast<std::size_t>(fraction_at);
  if (at < text.size() && text[at] == '.') {
    for (std::int64_t weight = 100'000; weight > 0 && ++at < text.size() && text[at] >= '0' && text[at] <= '9'; weight /= 10) {
      micros += weight * (text[at] - '0');
    }
  }
  return micros;
}

template <class T>
T member(const json& of, const char* name, T otherwise) {
  const auto it = of.is_object() ? of.find(name) : of.end();
  if (!of.is_object() || it == of.end() || it->is_null()) return otherwise;
  try {
    return it->get<T>();
  } catch (const json::exception&) {
    return otherwise;
  }
}

json object_member(const json& of, const char* name) { return member<json>(of, name, json::object()); }

container_state state_of_inspected(const json& body) {
  container_state state;
  const json about = object_member(body, "State");
  state.id = member<std::string>(body, "Id", "");
  state.name = member<std::string>(body, "Name", "");
  if (state.name.starts_with('/')) state.name.erase(0, 1);
  state.status = member<std::string>(about, "Status", "");
  state.running = member(about, "Running", false);
  state.exit_code = member(about, "ExitCode", 0);
  state.out_of_memory = member(about, "OOMKilled", false);
  state.error = member<std::string>(about, "Error", "");
  if (!state.running) state.ended_us = micros_of(member<std::string>(about, "FinishedAt", ""));
  state.created_us = micros_of(member<std::string>(body, "Created", ""));
  state.labels = object_member(object_member(body, "Config"), "Labels");
  return state;
}

container_state state_of_listed(const json& entry) {
  container_state state;
  state.id = member<std::string>(entry, "Id", "");
  const json names = member<json>(entry, "Names", json::array());
  if (names.is_array() && !names.empty() && names.front().is_string()) state.name = names.front().get<std::string>();
  if (state.name.starts_with('/')) state.name.erase(0, 1);
  state.status = member<std::string>(entry, "State", "");
  state.running = state.status == "running";
  state.labels = object_member(entry, "Labels");
  return state;
}

/// {"message": "…"}, as the engine says why not.
std::string message_of(const std::string& body) {
  const json said = json::parse(body, nullptr, false);
  const std::string message = member<std::string>(said, "message", "");
  return message.empty() ? body.substr(0, 500) : message;
}

/// The lines of a pull: progress, and the error that ends it. There is no status for that.
class pull_lines {
 public:
  bool read(std::string_view piece) {
    rest_.append(piece);
    for (std::size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
      note(rest_.substr(0, end));
      rest_.erase(0, end + 1);
    }
    return rest_.size() < longest_refusal;
  }
  const std::string& error() {
    if (!rest_.empty()) note(std::exchange(rest_, {}));
    return error_;
  }

 private:
  void note(const std::string& line) {
    const json said = json::parse(line, nullptr, false);
    const std::string detail = member<std::string>(object_member(said, "errorDetail"), "message", "");
    const std::string error = member<std::string>(said, "error", detail);
    if (!error.empty()) error_ = error;
  }
  std::string rest_;
  std::string error_;
};

/// Engines tell it by words only.
bool is_not_there(const std::string& error) {
  constexpr std::string_view words[] = {"not found", "manifest unknown", "does not exist", "access denied", "no such image"};
  return std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view each) { return error.find(each) != std::string::npos; });
}

}  // namespace

transfer_result docker_client::transfer(const request& what, const std::string& prefix, const transfer_stop& stop,
                                        std::string& refusal) const {
  transfer_request sent;
  sent.method = what.method;
  sent.url = host_.base_url + prefix + what.path;
  sent.headers = what.headers;
  if (what.body != nullptr) {
    sent.headers.emplace_back("Content-Type", "application/json");
    sent.body = what.body->dump();
  } else if (what.method == "POST") {
    sent.body = "";
  }
  sent.unix_socket = host_.unix_socket;
  sent.verify_peer = host_.verify_peer;
  sent.ca_file = host_.ca_file;
  sent.certificate_file = host_.certificate_file;
  sent.key_file = host_.key_file;
  sent.connect_timeout = std::chrono::seconds(10);
  sent.timeout = what.timeout;
  if (!what.on_data) return perform(sent, stop);
  bool refused = false;
  sent.on_headers = [&](int status, const transfer_headers&) {
    refused = status >= 300;
    return true;
  };
  sent.on_data = [&](std::string_view piece) {
    if (!refused) return what.on_data(piece);
    refusal.append(piece.substr(0, longest_refusal - std::min(refusal.size(), longest_refusal)));
    return true;
  };
  return perform(sent, stop);
}

docker_reply docker_client::reply_of(transfer_result&& result, const std::string& refusal) const {
  docker_reply reply;
  reply.status = result.status;
  if (result.error == transfer_error::canceled || result.error == transfer_error::aborted) {
    reply.how = outcome_kind::canceled;
    return reply;
  }
  if (result.error != transfer_error::none) {
    reply.how = outcome_kind::away;
    reply.message = result.message;
    return reply;
  }
  const std::string& body = result.body.empty() ? refusal : result.body;
  if (result.status >= 300 && result.status != 304) {
    reply.how = result.status >= 500 || result.status < 400 ? outcome_kind::failed : outcome_kind::refused;
    reply.message = message_of(body);
    if (reply.message.empty()) reply.message = "status " + std::to_string(result.status);
    return reply;
  }
  if (body.empty()) return reply;
  reply.body = json::parse(body, nullptr, false);
  if (reply.body.is_discarded()) {
    reply.body = nullptr;
    reply.how = outcome_kind::failed;
    reply.message = "the answer is no JSON";
  }
  return reply;
}

docker_reply docker_client::find_version(std::string& prefix, const transfer_stop& stop) const {
  if (!host_.problem.empty()) return {.how = outcome_kind::away, .message = host_.problem, .body = nullptr};
  {
    const std::lock_guard lock(mutex_);
    prefix = prefix_;
  }
  if (!prefix.empty()) return {};
  std::string refusal;
  request ping;
  ping.path = "/_ping";
  transfer_result result = transfer(ping, "", stop, refusal);
  const std::string* const version = find_header(result.headers, "Api-Version");
  int minor = 0;
  if (result.error == transfer_error::none && result.status == 200) {
    if (version != nullptr && version->starts_with("1."))
      std::from_chars(version->data() + 2, version->data() + version->size(), minor);
    prefix = minor > 0 ? "/v1." + std::to_string(std::min(minor, newest_minor)) : "/v1.41";
    const std::lock_guard lock(mutex_);
    prefix_ = prefix;
    return {};
  }
  result.body = result.status >= 300 ? std::move(result.body) : R"({"message":"it is no Docker engine"})";
  return reply_of(std::move(result), refusal);
}

docker_reply docker_client::call(const request& what, const transfer_stop& stop) const {
  std::string prefix;
  if (docker_reply found = find_version(prefix, stop); !found.done()) return found;
  std::string refusal;
  docker_reply reply = reply_of(transfer(what, prefix, stop, refusal), refusal);
  if (reply.how == outcome_kind::away) {
    const std::lock_guard lock(mutex_);
    prefix_.clear();  // it may be another one when it comes back
  }
  return reply;
}

docker_reply docker_client::inspect_image(const std::string& image, const transfer_stop& stop) const {
  return call({.path = "/images/" + percent_encoded(image) + "/json"}, stop);
}

docker_reply docker_client::pull(const std::string& image, const std::string& login, const std::function<void()>& progress,
                                 const transfer_stop& stop) const {
  const image_name parts = parse_image(image);
  pull_lines lines;
  request asked{.method = "POST",
                .path = "/images/create?fromImage=" + percent_encoded(parts.repository) + "&tag=" + percent_encoded(parts.tag),
                .timeout = unlimited};
  if (!login.empty()) asked.headers.emplace_back("X-Registry-Auth", login);
  asked.on_data = [&](std::string_view piece) {
    progress();
    return lines.read(piece);
  };
  docker_reply reply = call(asked, stop);
  if (!reply.done()) return reply;
  reply.message = lines.error();
  if (reply.message.empty()) return reply;
  const bool not_there = is_not_there(reply.message);
  reply.how = not_there ? outcome_kind::refused : outcome_kind::failed;
  reply.status = not_there ? 404 : 500;
  return reply;
}

docker_reply docker_client::create(const std::string& name, const json& body) const {
  return call({.method = "POST", .path = "/containers/create?name=" + percent_encoded(name), .body = &body}, {});
}

docker_reply docker_client::start(const std::string& id) const {
  return call({.method = "POST", .path = "/containers/" + id + "/start"}, {});
}

docker_reply docker_client::logs(const std::string& id, bool follow, const std::function<bool(std::string_view)>& on_data,
                                 const transfer_stop& stop) const {
  const std::string path = "/containers/" + id + "/logs?stdout=1&stderr=1&follow=" + (follow ? "1" : "0");
  return call({.path = path, .timeout = unlimited, .on_data = on_data}, stop);
}

docker_reply docker_client::wait(const std::string& id, const transfer_stop& stop) const {
  return call({.method = "POST", .path = "/containers/" + id + "/wait?condition=not-running", .timeout = unlimited}, stop);
}

docker_reply docker_client::inspect(const std::string& id, container_state& state, const transfer_stop& stop) const {
  docker_reply reply = call({.path = "/containers/" + percent_encoded(id) + "/json"}, stop);
  if (reply.done()) state = state_of_inspected(reply.body);
  return reply;
}

docker_reply docker_client::stop(const std::string& id, std::chrono::seconds grace) const {
  return call({.method = "POST",
               .path = "/containers/" + id + "/stop?t=" + std::to_string(grace.count()),
               .timeout = grace + std::chrono::seconds(30)},
              {});
}

docker_reply docker_client::kill(const std::string& id) const {
  docker_reply reply = call({.method = "POST", .path = "/containers/" + id + "/kill", .timeout = std::chrono::seconds(30)}, {});
  if (reply.conflict()) reply.how = outcome_kind::done;  // it does not run
  return reply;
}

docker_reply docker_client::remove(const std::string& id) const {
  docker_reply reply =
      call({.method = "DELETE", .path = "/containers/" + id + "?force=1&v=1", .timeout = std::chrono::seconds(60)}, {});
  if (reply.not_found() || reply.conflict()) reply.how = outcome_kind::done;  // 409: it is being removed
  return reply;
}

docker_reply docker_client::rename(const std::string& id, const std::string& name) const {
  return call(
      {.method = "POST", .path = "/containers/" + id + "/rename?name=" + percent_encoded(name), .timeout = std::chrono::seconds(30)},
      {});
}

docker_reply docker_client::list(const std::vector<std::string>& labels, std::vector<container_state>& found,
                                 const transfer_stop& stop) const {
  const json filters{{"label", labels}};
  docker_reply reply = call({.path = "/containers/json?all=1&filters=" + percent_encoded(filters.dump())}, stop);
  if (!reply.done()) return reply;
  if (!reply.body.is_array()) {
    reply.how = outcome_kind::failed;
    reply.message = "the answer is no list of containers";
    return reply;
  }
  for (const json& each : reply.body) found.push_back(state_of_listed(each));
  return reply;
}

}  // namespace evermill::tasks
