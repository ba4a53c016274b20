#include "clients.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "child_process.hpp"
#include "evermill/payload.hpp"
#include "server/grpc/control_client.hpp"
#include "tests/simulation/program.hpp"

namespace evermill::processes {
namespace {

constexpr int socket_clients = 8;
constexpr std::chrono::milliseconds connect_limit{500};
constexpr std::chrono::milliseconds between_tries{20};
constexpr std::chrono::seconds command_limit{120};  // a command waits up to 10 s for one that opens the directory
constexpr std::uint64_t killed_command_percent = 25;
constexpr std::uint64_t longest_killed_command_ms = 120;

}  // namespace

clients::clients(std::filesystem::path data_directory, std::string program, std::uint64_t seed)
    : directory_(std::move(data_directory)), program_(std::move(program)), random_(make_seeded_random(seed)) {
  for (int i = 0; i < socket_clients; ++i) threads_.emplace_back([this] { work(); });
  threads_.emplace_back([this] { work_with_commands(); });
}

clients::~clients() { stop(); }

void clients::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  for (std::thread& each : std::exchange(threads_, {})) each.join();
}

void clients::add(request what) {
  std::lock_guard lock(mutex_);
  if (what.what == request::kind::start) ++open_starts_;
  waiting_.push_back(std::move(what));
  changed_.notify_all();
}

void clients::add_command(request what) {
  std::lock_guard lock(mutex_);
  what.by_command = true;
  commands_.push_back(std::move(what));
  changed_.notify_all();
}

std::size_t clients::open_starts() const {
  std::lock_guard lock(mutex_);
  return open_starts_;
}

std::size_t clients::backlog() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      waiting_.begin(), waiting_.end(), [](const request& each) { return each.what != request::kind::start; }));
}

std::vector<request> clients::take_acknowledged() {
  std::lock_guard lock(mutex_);
  return std::exchange(acknowledged_, {});
}

std::vector<request> clients::take_follow_ups() {
  std::lock_guard lock(mutex_);
  return std::exchange(follow_ups_, {});
}

std::vector<request> clients::sent() const {
  std::lock_guard lock(mutex_);
  return sent_;
}

std::vector<std::string> clients::findings() const {
  std::lock_guard lock(mutex_);
  return findings_;
}

std::map<std::string, std::uint64_t> clients::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

void clients::find(const std::string& what) {
  std::lock_guard lock(mutex_);
  findings_.push_back(what);
}

bool clients::next(std::deque<request>& from, request& what) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopping_ || !from.empty(); });
  if (stopping_) return false;
  what = std::move(from.front());
  from.pop_front();
  if (!std::exchange(what.tried, true)) {
    sent_.push_back(what);
    sent_.back().follow.clear();
  }
  return true;
}

void clients::settle(request&& what, outcome how, bool with_command) {
  std::lock_guard lock(mutex_);
  constexpr const char* names[] = {"acknowledged", "refused", "without an answer, with repeats"};
  ++counts_[std::string(with_command ? "commands " : "requests ") + names[static_cast<int>(how)]];
  const bool start = what.what == request::kind::start;
  if (start && how == outcome::unknown) {
    waiting_.push_back(std::move(what));
    changed_.notify_all();
    return;
  }
  if (start) --open_starts_;
  if (how != outcome::acknowledged) return;
  for (request& each : std::exchange(what.follow, {})) follow_ups_.push_back(std::move(each));
  acknowledged_.push_back(std::move(what));
}

void clients::work() {
  std::unique_ptr<server::control> to;
  for (request what; next(waiting_, what);) {
    const outcome how = send(to, what);
    settle(std::move(what), how, false);
    if (how == outcome::unknown) {
      to.reset();
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, between_tries, [this] { return stopping_; });
    }
  }
}

clients::outcome clients::send(std::unique_ptr<server::control>& to, const request& what) try {
  if (!to) to = server::connect(directory_, connect_limit);
  switch (what.what) {
    case request::kind::start:
      server::start(*to, simulation::workflow_type, json_payload(what.text), {.id = what.workflow_id});
      break;
    case request::kind::signal: server::signal(*to, what.workflow_id, what.name, json_payload(what.text)); break;
    case request::kind::cancel: server::cancel(*to, what.workflow_id, what.text); break;
    case request::kind::terminate: server::terminate(*to, what.workflow_id, what.text); break;
    case request::kind::taint: to->taint(what.workflow_id); break;
  }
  return outcome::acknowledged;
} catch (const server::control_error& error) {
  using server::control_errc;
  const control_errc code = error.code();
  if (code == control_errc::stopped || code == control_errc::unreachable || code == control_errc::overloaded) {
    return outcome::unknown;
  }
  const bool start = what.what == request::kind::start;
  if (start || (code != control_errc::closed && code != control_errc::not_found)) {
    find("a request to " + what.workflow_id + " was answered: " + error.what());
  }
  return outcome::refused;
}

void clients::work_with_commands() {
  for (request what; next(commands_, what);) {
    const outcome how = run_command(what);
    settle(std::move(what), how, true);
  }
}

/// A command may find nobody, then it opens the directory itself, and is killed there now and then.
clients::outcome clients::run_command(const request& what) {
  std::vector<std::string> words{program_, "signal", what.workflow_id, what.name, what.text};
  if (what.what == request::kind::cancel) words = {program_, "cancel", what.workflow_id, "--reason", what.text};
  if (what.what == request::kind::taint) words = {program_, "list", "--json"};
  words.insert(words.end(), {"--data", directory_.string()});
  child_process process(words, directory_.parent_path() / "command.log", {});
  if (random_->next() % 100 < killed_command_percent) {
    const std::chrono::milliseconds life(random_->next() % longest_killed_command_ms);
    if (!process.ended_within(life)) {
      process.kill();
      return outcome::unknown;
    }
  }
  if (!process.ended_within(command_limit)) {
    find("a command does not end: " + words[1] + "\n" + process.output());
    return outcome::unknown;
  }
  const int status = process.status();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return outcome::acknowledged;
  const std::string output = process.output();
  const bool expected = WIFEXITED(status) && WEXITSTATUS(status) == 2 && what.what != request::kind::taint;
  if (!expected) find("the command " + words[1] + " ended with status " + std::to_string(status) + ":\n" + output);
  return output.find("not known") != std::string::npos ? outcome::unknown : outcome::refused;
}

}  // namespace evermill::processes
