#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

#include "engine/exported_journal.hpp"
#include "engine/incarnation.hpp"
#include "engine/snapshot.hpp"
#include "evermill/journals.hpp"
#include "interpreter/workflows.hpp"
#include "storage/stored_row.hpp"
#include "workflow/decider.hpp"

namespace evermill {
namespace {

namespace fs = std::filesystem;

/// Decided by somebody else than the workflow's code.
bool ends_from_outside(const messages::TurnRecord& turn) {
  const messages::Event& last = turn.events(turn.events_size() - 1);
  return last.has_workflow_execution_terminated() || last.has_workflow_execution_timed_out();
}

class replayer {
 public:
  using sink = std::function<void(const replay_difference&)>;
  replayer(const registry& definitions, const sink& found) : definitions_(definitions), found_(found) {}

  /// The turns of one run follow.
  void begin(std::string file, run_number run) {
    end();
    about_ = {std::move(file), {}, run.value, 0, {}};
    differs_ = false;
    ++report_.runs;
  }
  void add(const storage::stored_turn& turn) {
    report_.events += static_cast<std::uint64_t>(turn.record.events_size());
    if (turn.first.value == 1) start(turn.record.events(0).workflow_execution_started());
    if (differs_ || ends_from_outside(turn.record)) return;
    try {
      if (const auto difference = decider_->replay(turn.record)) differ(difference->at, difference->message);
    } catch (const std::exception& error) {
      differ(turn.first, std::string("the code can't be replayed: ") + error.what());
    }
  }
  void end() {
    if (decider_) report_.argument_mismatches += decider_->argument_mismatches();
    decider_.reset();
  }
  replay_report& report() { return report_; }

 private:
  void start(const messages::WorkflowExecutionStarted& started) {
    about_.workflow_id = started.workflow_id();
    const workflow_definition* definition = definitions_.find_workflow(started.workflow_type(), started.version());
    if (definition == nullptr) {
      return differ(event_seq(1), "no workflow named \"" + started.workflow_type() + "\" is registered in this program");
    }
    decider_ = std::make_unique<workflow::decider>(*definition, run_number(about_.run));
  }
  void differ(event_seq at, std::string what) {
    differs_ = true;
    ++report_.differences;
    about_.event = at.value;
    about_.what = std::move(what);
    if (found_) found_(about_);
  }

  const registry& definitions_;
  const sink& found_;
  replay_report report_;
  replay_difference about_;
  bool differs_ = false;
  std::unique_ptr<workflow::decider> decider_;
};

void replay_file(const fs::path& path, replayer& to) {
  std::ifstream in(path, std::ios::binary);
  if (!in.is_open()) throw engine_error(engine_errc::invalid_argument, "file \"" + path.string() + "\" can't be read");
  exported_journals journals(in, path.string());
  exported_run run;
  while (journals.next(run)) {
    to.begin(path.string(), run.run);
    for (const storage::stored_turn& turn : run.turns) to.add(turn);
  }
  to.end();
}

/// Journals lie in the order of their runs and turns.
void replay_data_directory(const fs::path& directory, replayer& to) {
  const snapshot from = open_snapshot(directory);
  const auto rows = from.store->scan(storage::family::journal, "", "");
  std::optional<std::pair<partition_id, run_number>> current;
  std::optional<journal_check> check;
  const auto refuse = [&](const std::string& what) {
    throw engine_error(engine_errc::storage, "data directory \"" + directory.string() + "\", row " +
                                                 storage::row_name(storage::family::journal, rows->key()) + ": " + what +
                                                 "; \"verify\" tells all that is wrong");
  };
  for (; rows->valid(); rows->next()) {
    auto row = storage::parse_row(storage::family::journal, rows->key(), rows->value());
    if (!row) refuse(row.error().message);
    auto& turn = std::get<storage::turn_row>(*row);
    if (current != std::pair(turn.partition, turn.run)) {
      current.emplace(turn.partition, turn.run);
      check.emplace([&refuse](event_seq at, const std::string& what) {
        refuse("event " + std::to_string(at.value) + ": " + what);
      });
      to.begin("", turn.run);
    }
    check->add(turn.first, turn.record);
    to.add({turn.first, std::move(turn.record)});
  }
  must(rows->status());
  to.end();
}

std::vector<fs::path> exported_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (!files.empty()) return files;
  throw engine_error(engine_errc::invalid_argument, "directory \"" + directory.string() +
                                                        "\" holds neither a data directory nor exported journals (*.jsonl)");
}

}  // namespace

replay_report replay(const registry& definitions, const fs::path& journals,
                     const std::function<void(const replay_difference&)>& found) {
  const registry all = interpreter::with_workflows(definitions);
  replayer to(all, found);
  std::error_code error;
  if (!fs::is_directory(journals, error)) {
    replay_file(journals, to);
  } else if (fs::exists(journals / "CURRENT", error)) {
    replay_data_directory(journals, to);
  } else {
    for (const fs::path& file : exported_files(journals)) replay_file(file, to);
  }
  return to.report();
}

}  // namespace evermill
