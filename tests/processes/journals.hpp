// Every journal of a data directory, read as it grows, whoever has it open.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "messages/journal.pb.h"
#include "storage/key_value_store.hpp"

namespace evermill::processes {

struct run_id {
  std::uint16_t partition = 0;
  std::uint64_t run = 0;
  friend auto operator<=>(const run_id&, const run_id&) = default;
};

struct journal {
  std::vector<messages::TurnRecord> turns;
  std::uint64_t events = 0;
  bool ended = false;

  const messages::WorkflowExecutionStarted& start() const { return turns[0].events(0).workflow_execution_started(); }
  const messages::Event& last_event() const { return turns.back().events(turns.back().events_size() - 1); }
  /// Null where there is none.
  const messages::Event* event(std::uint64_t seq) const;
};

class journals {
 public:
  explicit journals(std::filesystem::path data_directory) : directory_(std::move(data_directory)) {}

  /// Reads what is there and was not yet read; `on_turn` is called for each new turn, in the order of each journal.
  /// Throws std::runtime_error where a journal has a gap or can't be read.
  void read(const std::function<void(const run_id&, const journal&)>& on_turn);
  const std::map<run_id, journal>& all() const { return runs_; }
  const journal* find(const run_id& id) const;
  std::uint16_t partitions() const { return partitions_; }
  const std::filesystem::path& directory() const { return directory_; }

 private:
  /// Null while there is no store yet.
  std::unique_ptr<storage::key_value_store> open() const;
  void read_run(const storage::key_value_store& store, const run_id& id,
                const std::function<void(const run_id&, const journal&)>& on_turn);

  const std::filesystem::path directory_;
  std::map<run_id, journal> runs_;
  std::uint16_t partitions_ = 0;
};

std::string name_of(const run_id& id, const journal& of);
/// The whole journal, an event a line.
std::string text_of(const journal& of);

}  // namespace evermill::processes
