// Clients of processes that are killed under their hands: over the control socket, and with the real command line.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "requests.hpp"
#include "server/control.hpp"

namespace evermill::processes {

/// Each request is sent by one of a few threads as soon as somebody answers. A start is sent until it is acknowledged;
/// what else has no answer is given up: whether it came through is not known. Thread-safe.
class clients {
 public:
  clients(std::filesystem::path data_directory, std::string program, std::uint64_t seed);
  ~clients();

  void add(request what);
  /// The same with the command line, in a process of its own, which is killed now and then.
  void add_command(request what);
  /// Starts that were not yet acknowledged.
  std::size_t open_starts() const;
  /// Requests that were not yet sent, but for starts.
  std::size_t backlog() const;
  /// Sends no more, but lets what is on its way end.
  void stop();

  /// The requests that were acknowledged since the last call.
  std::vector<request> take_acknowledged();
  /// Every request that was ever on its way.
  std::vector<request> sent() const;
  /// What may be sent now that their starts are acknowledged.
  std::vector<request> take_follow_ups();
  /// What must not happen to a client.
  std::vector<std::string> findings() const;
  std::map<std::string, std::uint64_t> counts() const;

 private:
  enum class outcome : std::uint8_t { acknowledged, refused, unknown };

  void work();
  void work_with_commands();
  bool next(std::deque<request>& from, request& what);
  outcome send(std::unique_ptr<server::control>& to, const request& what);
  outcome run_command(const request& what);
  void settle(request&& what, outcome how, bool with_command);
  void find(const std::string& what);

  const std::filesystem::path directory_;
  const std::string program_;
  const std::unique_ptr<random_source> random_;  // of the thread that runs commands

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::deque<request> waiting_;
  std::deque<request> commands_;
  std::size_t open_starts_ = 0;
  std::vector<request> sent_;
  std::vector<request> acknowledged_;
  std::vector<request> follow_ups_;
  std::vector<std::string> findings_;
  std::map<std::string, std::uint64_t> counts_;
  std::vector<std::thread> threads_;
};

}  // namespace evermill::processes
