// The workflows whose journals lie in journals/. They never change: their journals must replay for ever.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/exported_journal.hpp"
#include "evermill/registry.hpp"

namespace evermill::golden {

registry definitions();

/// One file of journals: its name without ".jsonl", and the runs in it.
struct journal_file {
  std::string name;
  std::vector<exported_run> runs;
};
/// Made by today's code from scenarios in which every kind of event happens. Only for a format that has no golden journals
/// yet: those that are checked in stay as they are.
std::vector<journal_file> make_journals();

/// The row of the journal that holds the turn: key and value, as the store has them.
std::pair<std::string, std::string> record_of(partition_id partition, run_number run, const storage::stored_turn& turn);

}  // namespace evermill::golden
