#include "fake_docker.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace evermill::tests {
namespace {

using nlohmann::json;

std::string decoded(std::string_view text) {
  std::string made;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      made.push_back(static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
      i += 2;
    } else {
      made.push_back(text[i]);
    }
  }
  return made;
}

std::string frame(int stream, const std::string& text) {
  std::string made{static_cast<char>(stream), 0, 0, 0};
  for (int shift = 24; shift >= 0; shift -= 8) made.push_back(static_cast<char>(text.size() >> shift & 255));
  return made + text;
}

std::string error_body(const std::string& message) { return json{{"message", message}}.dump(); }

}  // namespace

fake_docker::fake_docker(std::string socket_path) : path_(std::move(socket_path)) {
  listen();
  acceptor_ = std::thread([this] { accept_loop(); });
}

fake_docker::~fake_docker() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  go_away();
  acceptor_.join();
  while (true) {
    std::unique_lock lock(mutex_);
    if (threads_.empty()) break;
    std::thread last = std::move(threads_.back());
    threads_.pop_back();
    lock.unlock();
    last.join();
  }
  ::unlink(path_.c_str());
}

void fake_docker::listen() {
  ::unlink(path_.c_str());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 64) != 0) {
    throw std::runtime_error("can't listen at " + path_);
  }
}

void fake_docker::accept_loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (away_) {
      changed_.wait(lock);
      continue;
    }
    const int listener = listener_;
    lock.unlock();
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    lock.lock();
    if (socket < 0) continue;
    if (away_ || stopping_) {
      ::close(socket);
      continue;
    }
    sockets_.insert(socket);
    threads_.emplace_back([this, socket] { serve(socket); });
  }
}

void fake_docker::go_away() {
  std::lock_guard lock(mutex_);
  if (!away_) {
    ::shutdown(listener_, SHUT_RDWR);  // ends accept
    ::close(listener_);
    ::unlink(path_.c_str());
  }
  away_ = true;
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  changed_.notify_all();
}

void fake_docker::come_back() {
  std::lock_guard lock(mutex_);
  listen();
  away_ = false;
  changed_.notify_all();
}

void fake_docker::add_image(const std::string& name, json config) {
  std::lock_guard lock(mutex_);
  images_[name] = std::move(config);
}
void fake_docker::on_pull(std::string lines, bool adds) {
  std::lock_guard lock(mutex_);
  pull_lines_ = std::move(lines);
  pull_adds_ = adds;
}
void fake_docker::on_start(std::function<void(fake_docker&, const std::string&)> program) {
  std::lock_guard lock(mutex_);
  program_ = std::move(program);
}
void fake_docker::fail(const std::string& words, fault what, int times) {
  std::lock_guard lock(mutex_);
  for (int i = 0; i < times; ++i) faults_.emplace_back(words, what);
}

void fake_docker::write(const std::string& id, int stream, const std::string& text) {
  std::lock_guard lock(mutex_);
  find(id)->frames += frame(stream, text);
  changed_.notify_all();
}

void fake_docker::finish(const std::string& id, int exit_code, bool out_of_memory, const std::string& at) {
  std::lock_guard lock(mutex_);
  const auto which = find(id);
  which->status = "exited";
  which->exit_code = exit_code;
  which->out_of_memory = out_of_memory;
  which->ended_at = at;
  changed_.notify_all();
}

void fake_docker::hold_input() {
  std::lock_guard lock(mutex_);
  input_held_ = true;
}

void fake_docker::remove(const std::string& id) {
  std::lock_guard lock(mutex_);
  const auto which = find(id);
  which->status = "exited";
  std::erase(containers_, which);
  changed_.notify_all();
}

std::string fake_docker::add_container(const std::string& name, json labels, const std::string& status) {
  std::lock_guard lock(mutex_);
  auto made = std::make_shared<fake_container>();
  made->id = "c" + std::to_string(++last_id_) + std::string(60, 'f');
  made->name = name;
  made->asked["Labels"] = std::move(labels);
  made->status = status;
  if (status == "exited") made->ended_at = "2026-01-01T00:00:00Z";
  containers_.push_back(made);
  return made->id;
}

std::vector<fake_container> fake_docker::copy() const {
  std::vector<fake_container> all;
  for (const auto& each : containers_) all.push_back(*each);
  return all;
}
std::vector<fake_container> fake_docker::containers() const {
  std::lock_guard lock(mutex_);
  return copy();
}
fake_container fake_docker::container() const {
  const auto all = containers();
  if (all.size() != 1) throw std::runtime_error("there are " + std::to_string(all.size()) + " containers, not one");
  return all.front();
}
std::vector<std::string> fake_docker::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}
std::size_t fake_docker::count(const std::string& words) const {
  const auto all = requests();
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [&](const std::string& each) { return each.find(words) != std::string::npos; }));
}
std::string fake_docker::header_of_pull() const {
  std::lock_guard lock(mutex_);
  return pull_header_;
}
void fake_docker::wait_until(const std::function<bool(const std::vector<fake_container>&)>& condition) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return condition(copy()); });
}
void fake_docker::wait_for_request(const std::string& words, std::size_t times) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return static_cast<std::size_t>(std::count_if(requests_.begin(), requests_.end(), [&](const std::string& each) {
             return each.find(words) != std::string::npos;
           })) >= times;
  });
}

std::shared_ptr<fake_container> fake_docker::find(const std::string& id_or_name) {
  const auto it = std::find_if(containers_.begin(), containers_.end(),
                               [&](const auto& each) { return each->id == id_or_name || each->name == id_or_name; });
  return it == containers_.end() ? nullptr : *it;
}

// --- connections

bool fake_docker::send(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool fake_docker::read_request(int socket, std::string& buffer, request& into) {
  const auto more = [&] {
    char chunk[16 * 1024];
    const ssize_t n = ::recv(socket, chunk, sizeof chunk, 0);
    if (n > 0) buffer.append(chunk, static_cast<std::size_t>(n));
    return n > 0;
  };
  std::size_t head = 0;
  while ((head = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!more()) return false;
  }
  std::size_t at = buffer.find("\r\n");
  const std::string line = buffer.substr(0, at);
  into.method = line.substr(0, line.find(' '));
  std::string target = line.substr(into.method.size() + 1);
  target.resize(target.find(' '));
  while (at < head) {
    const std::size_t end = buffer.find("\r\n", at + 2);
    const std::string header = buffer.substr(at + 2, end - at - 2);
    const std::size_t colon = header.find(": ");
    if (colon != std::string::npos) into.headers[header.substr(0, colon)] = header.substr(colon + 2);
    at = end;
  }
  const std::size_t length = into.headers.contains("Content-Length") ? std::stoul(into.headers["Content-Length"]) : 0;
  buffer.erase(0, head + 4);
  while (buffer.size() < length) {
    if (!more()) return false;
  }
  into.body = buffer.substr(0, length);
  buffer.erase(0, length);
  if (target.starts_with("/v1.")) target.erase(0, target.find('/', 1));
  const std::size_t question = target.find('?');
  into.path = target.substr(0, question);
  std::string query = question == std::string::npos ? "" : target.substr(question + 1);
  while (!query.empty()) {
    const std::string pair = query.substr(0, query.find('&'));
    query.erase(0, std::min(pair.size() + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    into.query[pair.substr(0, equals)] = decoded(pair.substr(std::min(equals + 1, pair.size())));
  }
  return true;
}

void fake_docker::serve(int socket) {
  std::string buffer;
  while (true) {
    request asked;
    if (!read_request(socket, buffer, asked) || !handle(socket, asked)) break;
  }
  std::lock_guard lock(mutex_);
  sockets_.erase(socket);
  ::close(socket);
}

bool fake_docker::handle(int socket, const request& asked) {
  std::optional<fault> hit;
  std::string line = asked.method + " " + asked.path;
  if (asked.query.contains("name")) line += "?name=" + asked.query.at("name");
  if (asked.query.contains("t")) line += "?t=" + asked.query.at("t");
  {
    std::lock_guard lock(mutex_);
    requests_.push_back(line);
    const auto it = std::find_if(faults_.begin(), faults_.end(),
                                 [&](const auto& each) { return line.find(each.first) != std::string::npos; });
    if (it != faults_.end()) {
      hit = it->second;
      faults_.erase(it);
    }
    changed_.notify_all();
  }
  if (hit && hit->how == fault::kind::cut_before) return false;
  if (hit && hit->how == fault::kind::status) return send_response(socket, {hit->status, error_body(hit->message)}, nullptr);
  const fault* const cut = hit && hit->how == fault::kind::cut_body ? &*hit : nullptr;
  if (asked.path.ends_with("/attach")) return attach(socket, asked.path.substr(12, asked.path.size() - 19), {});
  if (asked.path.ends_with("/logs")) return stream_logs(socket, asked, asked.path.substr(12, asked.path.size() - 17), cut);
  const response made = answer(asked);
  if (hit && hit->how == fault::kind::cut_after) return false;
  return send_response(socket, made, cut);
}

bool fake_docker::send_response(int socket, const response& what, const fault* cut) {
  std::string text = "HTTP/1.1 " + std::to_string(what.status) + " x\r\nApi-Version: 1.41\r\n";
  const bool has_body = what.status != 204 && what.status != 304;
  if (has_body) text += "Content-Length: " + std::to_string(what.body.size()) + "\r\n";
  text += "\r\n";
  if (cut != nullptr) {
    send(socket, text + what.body.substr(0, cut->body_bytes));
    return false;
  }
  return send(socket, has_body ? text + what.body : text);
}

bool fake_docker::stream_logs(int socket, const request& asked, const std::string& id, const fault* cut) {
  std::unique_lock lock(mutex_);
  const auto which = find(id);
  if (!which) {
    lock.unlock();
    return send_response(socket, {404, error_body("No such container")}, nullptr);
  }
  const bool follow = asked.query.at("follow") == "1";
  lock.unlock();
  if (!send(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")) return false;
  std::size_t sent = 0;
  lock.lock();
  while (true) {
    std::string piece = which->frames.substr(sent);
    if (cut != nullptr && sent + piece.size() >= cut->body_bytes) {
      piece.resize(cut->body_bytes - sent);
      lock.unlock();
      char size[32];
      std::snprintf(size, sizeof size, "%zx\r\n", piece.size() + 1);  // one more than is sent
      send(socket, size + piece);
      return false;
    }
    const bool ended = !follow || which->status == "exited";
    if (!piece.empty()) {
      sent += piece.size();
      lock.unlock();
      char size[32];
      std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
      const bool went = send(socket, size + piece + "\r\n");
      lock.lock();
      if (!went) return false;
      continue;
    }
    if (ended) break;
    if (away_ || stopping_) return false;
    changed_.wait(lock);
  }
  lock.unlock();
  return send(socket, "0\r\n\r\n");
}

/// As the engine does: what comes before it has answered is lost.
bool fake_docker::attach(int socket, const std::string& id, std::string) {
  if (!send(socket, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")) return false;
  char chunk[16 * 1024];
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !input_held_ || away_ || stopping_; });
  }
  while (true) {
    const ssize_t n = ::recv(socket, chunk, sizeof chunk, 0);
    std::lock_guard lock(mutex_);
    const auto which = find(id);
    if (!which || n < 0) return false;
    if (n > 0) which->input.append(chunk, static_cast<std::size_t>(n));
    which->input_ended = n == 0;
    changed_.notify_all();
    if (n == 0) return false;
  }
}

// --- answers

json fake_docker::inspected(const fake_container& c) const {
  return {{"Id", c.id},
          {"Name", "/" + c.name},
          {"Created", "2026-01-01T00:00:00Z"},
          {"Config", {{"Labels", c.asked.value("Labels", json::object())}}},
          {"State",
           {{"Status", c.status},
            {"Running", c.status == "running"},
            {"ExitCode", c.exit_code},
            {"OOMKilled", c.out_of_memory},
            {"FinishedAt", c.ended_at}}}};
}

fake_docker::response fake_docker::answer(const request& asked) {
  std::unique_lock lock(mutex_);
  if (asked.path == "/_ping") return {200, "OK"};
  if (asked.path == "/containers/create") return create(asked);
  if (asked.path == "/containers/json") return list(asked);
  if (asked.path == "/images/create") {
    pull_header_ = asked.headers.contains("X-Registry-Auth") ? asked.headers.at("X-Registry-Auth") : "";
    const bool digest = asked.query.at("tag").starts_with("sha256:");
    if (pull_adds_)
      images_.try_emplace(asked.query.at("fromImage") + (digest ? "@" : ":") + asked.query.at("tag"), json::object());
    return {200, pull_lines_};
  }
  if (asked.path.starts_with("/images/")) {
    std::string name = decoded(asked.path.substr(8, asked.path.size() - 13));
    if (!images_.contains(name)) name += ":latest";
    if (!images_.contains(name)) return {404, error_body("No such image: " + name)};
    return {200, json{{"Config", images_[name]}}.dump()};
  }
  if (!asked.path.starts_with("/containers/")) return {404, error_body("page not found")};
  const std::string rest = asked.path.substr(12);
  const std::string id = rest.substr(0, rest.find('/'));
  const std::string verb = rest.size() > id.size() ? rest.substr(id.size() + 1) : "";
  const auto which = find(id);
  if (!which) return {404, error_body("No such container: " + id)};
  if (verb == "start") {
    if (which->status == "running") return {304, ""};
    which->status = "running";
    ++which->starts;
    if (program_) threads_.emplace_back([this, program = program_, key = which->id] { program(*this, key); });
    changed_.notify_all();
    return {204, ""};
  }
  if (verb == "wait") {
    changed_.wait(lock, [&] { return which->status != "running" || away_ || stopping_; });
    return {200, json{{"StatusCode", which->exit_code}}.dump()};
  }
  return answer_container(asked, id, verb);
}

fake_docker::response fake_docker::answer_container(const request& asked, const std::string& id, const std::string& verb) {
  const auto which = find(id);
  const std::string method = asked.method;
  if (verb == "json") return {200, inspected(*which).dump()};
  if (verb == "rename") {
    if (find(asked.query.at("name"))) return {409, error_body("the name is in use")};
    which->name = asked.query.at("name");
    changed_.notify_all();
    return {204, ""};
  }
  if (verb == "stop" || verb == "kill") {
    if (which->status == "running") {
      which->status = "exited";
      which->exit_code = verb == "stop" ? 143 : 137;
    }
    changed_.notify_all();
    return {204, ""};
  }
  if (method == "DELETE") {
    std::erase(containers_, which);
    which->status = "exited";
    changed_.notify_all();
    return {204, ""};
  }
  return {404, error_body("page not found")};
}

fake_docker::response fake_docker::create(const request& asked) {
  const json body = json::parse(asked.body);
  const std::string image = body.at("Image");
  if (!images_.contains(image) && !images_.contains(image + ":latest")) return {404, error_body("No such image: " + image)};
  if (find(asked.query.at("name"))) return {409, error_body("Conflict. The container name is already in use")};
  auto made = std::make_shared<fake_container>();
  made->id = "c" + std::to_string(++last_id_) + std::string(60, 'e');
  made->name = asked.query.at("name");
  made->asked = body;
  containers_.push_back(made);
  changed_.notify_all();
  return {201, json{{"Id", made->id}}.dump()};
}

fake_docker::response fake_docker::list(const request& asked) {
  const json filters = json::parse(asked.query.at("filters"));
  json found = json::array();
  for (const auto& each : containers_) {
    const json labels = each->asked.value("Labels", json::object());
    const bool fits = std::all_of(filters.at("label").begin(), filters.at("label").end(), [&](const json& pair) {
      const std::string text = pair;
      const std::string name = text.substr(0, text.find('='));
      return labels.contains(name) && labels.at(name) == text.substr(name.size() + 1);
    });
    if (fits) found.push_back({{"Id", each->id}, {"Names", {"/" + each->name}}, {"State", each->status}, {"Labels", labels}});
  }
  return {200, found.dump()};
}

}  // namespace evermill::tests
