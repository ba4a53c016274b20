// Compares what clients were told, what the journals say, what the effects file counts, and what the model predicts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "effects.hpp"
#include "journals.hpp"
#include "requests.hpp"

namespace evermill::processes {

class judge {
 public:
  judge(const std::filesystem::path& data_directory, std::filesystem::path effects_file)
      : journals_(data_directory), file_(std::move(effects_file)) {}

  /// Looks at what has come since the last time. `dead`: no process runs activities, so that everything stands still.
  /// `acknowledged` was answered before the call. What is wrong is added to the findings.
  void look(bool dead, const std::vector<request>& acknowledged);

  /// Once everything has ended: whole executions, parents and children, and a second reading of all journals.
  /// `sent` is every request that may have come through, with its answer or without.
  void conclude(const std::vector<request>& sent);

  /// The runs of generated programs that have not ended.
  std::vector<run_id> open() const;
  /// The requests without which open runs can't go on.
  std::vector<std::pair<std::string, std::string>> awaited_signals() const;
  /// Runs that have had no turn since that look and wait neither for an open child nor for a signal, which
  /// somebody has to get through first.
  std::vector<run_id> standing_still(std::uint64_t since_look) const;
  std::uint64_t looks() const { return looks_; }

  const journals& read() const { return journals_; }
  const std::vector<std::string>& findings() const { return findings_; }
  void finding(const std::string& what) { findings_.push_back(what); }

  struct figures {
    std::uint64_t events = 0, effects = 0, activities = 0, repeated_effects = 0, steps = 0, acknowledged = 0;
  };
  figures counted() const;

 private:
  /// An activity, by idempotency key.
  struct activity {
    run_id run;
    std::uint64_t scheduled = 0;
    std::vector<effect> effects;
    bool completed = false;
    std::uint32_t attempt = 0;  // that completed it
    std::uint64_t boot = 0;
    std::uint64_t completed_before = 0;  // a look at dead processes
  };

  void on_turn(const run_id& id, const journal& of);
  void count_request(const messages::Event& decision, const journal& of);
  void on_activity_end(const run_id& id, const messages::Event& decision);
  void on_marker(const run_id& id, const messages::MarkerRecorded& marker);
  void on_effect(const effect& what);
  void check_activity(const activity& of);
  void check_acknowledged(const std::vector<request>& requests);
  void check_parent(const run_id& id, const journal& of);
  void check_continuation(const run_id& id, const journal& of);
  void check_that_nothing_changed();
  std::optional<run_id> parent_of(const journal& of) const;
  std::set<run_id> parents_of_open_runs() const;

  journals journals_;
  const std::filesystem::path file_;
  std::uint64_t offset_ = 0;
  std::uint64_t looks_ = 0;
  std::map<run_id, std::uint64_t> last_turn_at_;  // look
  std::map<std::string, activity> activities_;    // by idempotency key
  std::set<std::string> dispatched_;
  std::set<std::string> touched_;  // keys to check at the end of this look
  std::vector<std::pair<std::string, std::int64_t>> ended_attempts_;  // dispatch id, value; of this look
  std::map<std::int64_t, std::uint64_t> step_values_;
  std::vector<std::int64_t> recorded_steps_;
  std::map<std::string, std::uint64_t> requests_;  // in journals, by token
  std::uint64_t acknowledged_ = 0;
  std::uint64_t events_ = 0;
  std::vector<std::string> findings_;
};

}  // namespace evermill::processes
