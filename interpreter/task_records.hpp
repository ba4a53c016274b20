// What has become of each task of a run's file, for those who look at it: `query ID progress`.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "dsl/tasks.hpp"

namespace evermill::interpreter {

enum class task_phase : std::uint8_t { running, waiting, retrying, completed, skipped, faulted, cancelled };

/// Changes of all tasks are numbered in one sequence, so that whoever looks again is told only what is new.
struct task_record {
  const dsl::task* of = nullptr;
  task_phase phase = task_phase::running;
  std::uint64_t changed = 0;  ///< the number of its last change
  std::uint64_t begun = 0;    ///< and of its beginning, this time
  /// And of the beginning of its round or attempt: what tasks within it did before belongs to an earlier one.
  std::uint64_t part = 0;
  std::uint32_t times = 0;    ///< that it has begun
  std::uint32_t attempt = 1;  ///< of a `try`
  std::uint32_t round = 0;    ///< of a `for`, from 1
  std::uint32_t rounds = 0;   ///< that it has
  std::chrono::sys_time<std::chrono::microseconds> since{};  ///< when it began
  std::chrono::sys_time<std::chrono::microseconds> until{};  ///< when it ended; of one that retries: its next attempt
  std::string error;          ///< of the last attempt, in a few words
};

/// Those of one file. It follows from the journal like everything that an instance has in memory.
class task_records {
 public:
  using time_point = std::chrono::sys_time<std::chrono::microseconds>;

  void begin(const dsl::task& what, time_point now);
  void skip(const dsl::task& what, time_point now);
  /// `phase`: completed, faulted or cancelled.
  void end(const dsl::task& what, task_phase phase, time_point now, std::string error = {});
  void begin_round(const dsl::task& what, std::size_t round, std::size_t rounds);
  void await_attempt(const dsl::task& what, time_point next, std::string error);
  void begin_attempt(const dsl::task& what);

  /// What has changed after the change with this number: {"upto", "tasks": [{"task": its pointer, "phase", …}]}.
  nlohmann::json since(std::uint64_t number) const;

 private:
  task_record& of(const dsl::task& what);
  task_record& change(const dsl::task& what);

  std::vector<task_record> records_;  // in the order in which they began first
  std::unordered_map<const dsl::task*, std::size_t> places_;
  std::uint64_t changes_ = 0;
};

/// "404 Not Found: no such order": an error object in a few words.
std::string in_short(const nlohmann::json& error);

}  // namespace evermill::interpreter
