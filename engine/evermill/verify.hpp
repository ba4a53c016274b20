/// @file
/// Is a data directory whole? Reads all of it and compares what must agree; the command `verify` and tests use this.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace evermill {

/// One thing that is wrong.
struct verify_problem {
  std::string workflow_id;   ///< of the execution it is about; "" where none is known
  std::uint64_t run = 0;     ///< the number of its run; 0: none is known
  std::uint64_t event = 0;   ///< the event's number in the journal; 0: it is not about one event
  std::string row;           ///< the row, "FAMILY KEY" with the key in hexadecimal; "" where it is about the store
  std::string what;          ///< what is wrong
  std::string advice;        ///< what to do
};

/// What was read, and how much of it is wrong.
struct verify_report {
  std::uint64_t instances = 0;  ///< executions
  std::uint64_t open = 0;       ///< of these, those that have not ended
  std::uint64_t runs = 0;       ///< an execution that continued as new has several
  std::uint64_t events = 0;     ///< in all journals
  std::uint64_t rows = 0;       ///< of all families
  std::uint64_t bytes = 0;      ///< of all keys and values
  std::uint64_t problems = 0;   ///< how often `found` was called; 0: the directory is whole
};

/// Reads the whole directory and calls `found` for each problem as it is met. Nothing is written or locked; what is held in
/// memory does not grow with the directory, but with the messages between executions that are on their way. Checked are: every
/// block of every file, every row's key and checksum, every journal (it starts, has no gap, and each of its events refers to
/// what is open), the header of each execution, and, in both directions, that timers, open work, parked events and messages are
/// those that the journals ask for.
/// A directory that is damaged so that it can't be opened is one problem. Throws engine_error: `locked` while a process has it
/// open, `storage` where it does not exist or is not evermill's.
verify_report verify(const std::filesystem::path& data_directory,
                     const std::function<void(const verify_problem&)>& found = {});

}  // namespace evermill
