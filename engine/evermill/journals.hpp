/// @file
/// Journals outside of a data directory: taken out as JSON lines, brought into another directory, replayed against today's
/// code. docs/journals.md describes the lines. The commands `export`, `import` and `replay` use these.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "evermill/registry.hpp"

namespace evermill {

/// What was exported or imported.
struct journal_counts {
  std::uint64_t executions = 0;  ///< each counts once, however many runs it has
  std::uint64_t open = 0;    ///< of these, those that have not ended
  std::uint64_t runs = 0;    ///< an execution that continued as new has several
  std::uint64_t events = 0;  ///< of all these runs
};

/// Writes the executions with these workflow ids, in this order; all of the directory where `ids` is empty. Nothing in the
/// directory is changed; one that is open in a process is read as it was at a moment.
/// Throws engine_error: not_found (before anything is written), storage.
journal_counts export_journals(const std::filesystem::path& data_directory, const std::vector<std::string>& ids,
                               std::ostream& out);

/// Brings exported executions into a directory, which is made where it does not exist: ended ones as ended, open ones as open,
/// with their timers, activities and parked events. All files are checked before anything is written; each execution is
/// written at once or not at all. An attempt that was running counts as lost, as after a crash: import an open execution only
/// when it does not go on where it is from.
/// Throws engine_error: invalid_argument ("FILE:LINE: what is wrong", nothing was written), already_exists, locked, storage.
journal_counts import_journals(const std::filesystem::path& data_directory, const std::vector<std::filesystem::path>& files);

/// The first place where a run's journal and the code differ.
struct replay_difference {
  std::string file;          ///< "" where a data directory was replayed
  std::string workflow_id;   ///< of the run's execution
  std::uint64_t run = 0;     ///< the run's number in its partition
  std::uint64_t event = 0;   ///< its place in the run's journal, from 1
  std::string what;          ///< what the journal has there and what the code asked for
};

/// What a replay found.
struct replay_report {
  std::uint64_t runs = 0;         ///< that were replayed
  std::uint64_t events = 0;       ///< in their journals
  std::uint64_t differences = 0;  ///< runs that differ; 0: all would go on
  /// Commands that agree in kind, name and id, but not in their argument: no difference, but worth a look.
  std::uint64_t argument_mismatches = 0;
};

/// Replays journals against the workflows of `definitions`: an exported file, all files *.jsonl of a directory, or a data
/// directory. No activity or step is run. `found` is called with each run's first difference; a run whose workflow is not
/// registered is one.
/// Throws engine_error: invalid_argument (no such file, or one that can't be read: "FILE:LINE: what is wrong"), storage.
replay_report replay(const registry& definitions, const std::filesystem::path& journals,
                     const std::function<void(const replay_difference&)>& found = {});

}  // namespace evermill
