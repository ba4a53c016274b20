// Journals outside of a data directory: files of JSON lines. docs/journals.md describes them for users.
//
// A run is a line that names it, a line for each event, a line for each attempt that is past its first and for each parked event,
// and a line that counts them, so that a file that was cut short is told from a whole one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/journal_check.hpp"
#include "engine/journal_json.hpp"
#include "messages/decision.pb.h"
#include "messages/state.pb.h"
#include "storage/journal.hpp"

namespace evermill {

/// The format that is written; this one and all before it are read.
inline constexpr std::uint64_t export_format_version = 1;

struct exported_run {
  std::string workflow_id;
  std::string run_id;
  std::string workflow_type;
  run_number run;
  std::uint32_t partitions = 0;  ///< of the directory it is from
  messages::ExecutionStatus status = messages::RUNNING;
  timestamp started{};
  timestamp closed{};  ///< 1970: open
  std::vector<storage::stored_turn> turns;
  std::vector<std::pair<event_seq, messages::OpenActivity>> activities;  ///< that are past their first attempt
  std::vector<std::pair<std::uint64_t, messages::DecisionEvent>> parked;
  std::size_t line = 0;  ///< where it begins in its file
};

/// The lines of a run, in order.
class journal_writer {
 public:
  explicit journal_writer(std::ostream& out) : out_(out) {}

  /// `about.turns`, `activities` and `parked` are not looked at.
  void begin(const exported_run& about);
  /// Throws engine_error (storage) where the turn holds what this version can't give back.
  void add(const storage::stored_turn& turn);
  void add(event_seq scheduled, const messages::OpenActivity& activity);
  void add(std::uint64_t index, const messages::DecisionEvent& parked);
  void end();
  void write(const exported_run& run);

 private:
  std::ostream& out_;
  std::uint64_t events_ = 0;
  std::uint64_t activities_ = 0;
  std::uint64_t parked_ = 0;
};

/// Reads runs one by one and checks them: what comes out is whole.
class exported_journals {
 public:
  /// `name` is the file's, for messages. The stream must outlive the reader.
  exported_journals(std::istream& in, std::string name) : in_(in), name_(std::move(name)) {}

  /// Replaces `run` by the next one; false at the end. Throws engine_error (invalid_argument): "FILE:LINE: what is wrong".
  bool next(exported_run& run);
  /// What is open at the end of the run that was read last.
  const journal_check& checked() const { return *check_; }

  [[noreturn]] void refuse(std::size_t line, const std::string& why) const;

 private:
  bool read_line(ordered_json& line);
  void read_first(const ordered_json& line, exported_run& run);
  void read_event(const ordered_json& line, exported_run& run);
  void read_activity(const ordered_json& line, exported_run& run);
  void read_parked(const ordered_json& line, exported_run& run);
  void read_last(const ordered_json& line, const exported_run& run);
  void finish_turn(exported_run& run);
  void check_whole(const exported_run& run);

  std::istream& in_;
  const std::string name_;
  std::size_t line_ = 0;
  std::uint64_t expected_ = 1;
  bool turn_open_ = false;
  std::unique_ptr<journal_check> check_;
};

}  // namespace evermill
