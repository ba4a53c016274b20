// One life of a whole cluster: processes of production code on one thread under a seeded scheduler, whose broker is slow, forgets
// answers and may be away, and which die, sleep, lose their stores, and come back.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "simulated_process.hpp"
#include "tests/simulation/clients.hpp"

namespace evermill::cluster_simulation {

class cluster_life {
 public:
  explicit cluster_life(std::uint64_t seed, bool print = false);
  ~cluster_life();

  /// Runs until every execution has ended, or something is wrong.
  void run();
  const simulation::run_record& record() const { return world_.record; }

 private:
  /// A request, until somebody has answered it for good.
  struct asked {
    simulation::request what;
    std::size_t of = 0;  ///< the process that was asked
    bool answered = false;
    bool accepted = false;
  };

  void act();
  bool run_somebody();
  void advance_clock();
  void inject_fault();
  void deliver_late();
  void report_a_lost_attempt();
  void send(std::uint64_t token);
  void send_next();
  void on_answer(std::uint64_t token, const actors::answer& what);
  void start(simulated_process& which);

  void plan_requests();
  void calm_down();
  void settle();
  bool at_rest();
  bool all_owned_once() const;
  void check_everything();
  void check_journals();
  void check_acknowledged();
  void check_attempts();
  void check_stores();

  bool wrong() const { return !world_.record.findings().empty(); }
  std::uint64_t below(std::uint64_t bound) { return world_.below(bound); }
  bool chance(std::uint64_t percent) { return world_.chance(percent); }

  world world_;
  std::vector<std::unique_ptr<simulated_process>> processes_;
  std::vector<std::uint64_t> silent_;  ///< happenings for which each process has not acted
  std::map<std::uint64_t, asked> asked_;
  std::deque<std::uint64_t> to_send_;
  std::uint64_t last_token_ = 0;
};

}  // namespace evermill::cluster_simulation
