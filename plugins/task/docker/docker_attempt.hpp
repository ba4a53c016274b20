// One attempt of an activity in a container.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "plugins/task/attempt_threads.hpp"
#include "plugins/task/docker/container_janitor.hpp"
#include "plugins/task/docker/container_spec.hpp"
#include "plugins/task/docker/docker_backend.hpp"
#include "plugins/task/docker/docker_client.hpp"
#include "plugins/task/docker/stdin_feed.hpp"

namespace evermill::tasks {

class docker_attempt {
 public:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;

  /// All outlive it.
  docker_attempt(const docker_client& client, const docker_options& options, container_janitor& janitor, const task_ptr& task,
                 attempt_signal& signal, attempt_watch& watch);
  ~docker_attempt();
  docker_attempt(const docker_attempt&) = delete;
  docker_attempt& operator=(const docker_attempt&) = delete;

  /// As attempt_work.
  outcome run();

 private:
  enum class feeding : std::uint8_t { none, running, complete, broken };
  struct kept_output {
    std::string text;
    bool truncated = false;
    std::uint64_t bytes = 0;  // that came
    std::uint64_t skip = 0;   // of what comes again
  };

  outcome execute();
  // What there is, or is made:
  bool take_over();
  bool is_takeable(const container_state& container) const;
  void create();
  nlohmann::json have_image();
  void pull();
  void make_room_for(const std::string& name);
  void start();
  void discard(const std::string& container);
  // What it does:
  void begin_feeding();
  void end_feeding();
  bool has_ended();
  bool take_final_name();
  [[noreturn]] void lose_input();
  void watch_it();
  void follow_output();
  void read_output(bool follow, docker_reply& reply);
  void take_output(output_stream which, std::string_view piece);
  container_state wait_for_end();
  container_state stop_it();
  outcome outcome_of(const container_state& ended);
  // What goes wrong:
  bool check(const docker_reply& reply, std::string_view what, const char* refused_as, bool refused_for_good);
  void be_patient(const docker_reply& reply);
  [[noreturn]] void fail(const char* type, std::string message, bool non_retryable, bool goes_on = false);

  const docker_client& client_;
  const docker_options& options_;
  container_janitor& janitor_;
  const task_ptr task_;
  attempt_signal& signal_;
  attempt_watch& watch_;
  const transfer_stop stop_;
  attempt_secrets secrets_;
  container_command command_;
  std::string id_;          // of the container; "": there is none yet
  std::string final_name_;  // that it gets when its standard input is complete; "": it has it
  kept_output out_;
  kept_output err_;
  std::unique_ptr<output_tails::writer> tail_;
  std::optional<std::chrono::steady_clock::time_point> away_since_;

  std::thread feeder_;
  int end_of_feeding_ = -1;  // an eventfd
  std::atomic<feeding> feeding_{feeding::none};
};

}  // namespace evermill::tasks
