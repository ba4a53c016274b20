// Lives and deaths of the chaos program on one data directory, with clients at work meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "child_process.hpp"
#include "clients.hpp"
#include "judge.hpp"

namespace evermill::processes {

struct chaos_options {
  std::string program;
  std::filesystem::path directory;  ///< for everything; exists
  std::uint64_t seed = 1;
  std::uint64_t kills = 20;
  std::size_t open_executions = 300;  ///< kept going until the last kill
  /// What has no turn for so long, while a process runs, has stopped moving.
  std::chrono::milliseconds still_limit{30'000};
  std::string hang;  ///< activities of this execution never end
};

class chaos {
 public:
  explicit chaos(const chaos_options& how);

  /// Kills as often as it is asked to, then lets everything end, or finds what is wrong.
  void run();

  const judge& verdict() const { return judge_; }
  std::vector<std::string> findings() const;
  std::vector<request> sent() const { return clients_.sent(); }
  std::map<std::string, std::uint64_t> counts() const;
  std::filesystem::path data_directory() const { return how_.directory / "data"; }
  std::filesystem::path effects_file() const { return how_.directory / "effects"; }

 private:
  enum class death : std::uint8_t { while_opening, at_a_write, at_any_time, while_stopped, after_being_stopped };

  // one life
  void live_and_die(death how);
  void start();
  void die();
  bool await_opening();
  void stop_and_look();
  void wait(std::chrono::microseconds time);

  // work for it
  void prepare_life();
  void plan_executions();
  request start_of(std::uint64_t number);
  void send_follow_ups(bool all);
  void settle_waits(std::uint64_t percent);
  void disturb_somebody();
  std::string some_text(std::string of) { return of += std::to_string(++texts_); }
  std::string some_json(std::string of) { return nlohmann::json(some_text(std::move(of))).dump(); }

  // the end
  void look(bool dead);
  void let_all_end();
  void end_keeper();
  void detect_stillness();

  std::uint64_t below(std::uint64_t bound) { return dice_->next() % bound; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  bool wrong() const { return !findings().empty(); }

  const chaos_options how_;
  const std::unique_ptr<random_source> dice_;   // of the kill schedule: as many throws per life whatever happens
  const std::unique_ptr<random_source> work_dice_;
  judge judge_;
  clients clients_;
  std::unique_ptr<child_process> process_;
  std::deque<request> follow_ups_;
  std::uint64_t executions_ = 0;
  std::uint64_t texts_ = 0;
  std::chrono::microseconds opening_time_{100'000};
  std::chrono::steady_clock::time_point open_since_{};
  std::chrono::steady_clock::duration open_time_{};
  std::deque<std::pair<std::uint64_t, std::chrono::steady_clock::duration>> looks_;  // with the open time so far
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace evermill::processes
