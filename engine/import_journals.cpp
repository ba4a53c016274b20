#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "actors/node.hpp"
#include "base/random.hpp"
#include "engine/exported_journal.hpp"
#include "engine/incarnation.hpp"
#include "evermill/journals.hpp"
#include "storage/executions.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rows.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill {
namespace {

namespace fs = std::filesystem;

/// The runs of one workflow id, oldest first, with what is open at the end of the last.
struct execution_import {
  std::vector<exported_run> runs;
  actors::open_commands open;
  event_seq last;
  event_seq closing_turn;
  std::uint64_t highest_boot = 0;

  const exported_run& current() const { return runs.back(); }
  bool is_open() const { return current().status == messages::RUNNING; }
};

/// Executions of a file, one by one: only one is in memory.
class execution_reader {
 public:
  explicit execution_reader(const fs::path& path)
      : in_(path, std::ios::binary), journals_(in_, path.string()) {
    if (!in_.is_open()) throw engine_error(engine_errc::invalid_argument, "file \"" + path.string() + "\" can't be read");
    more_ = journals_.next(next_);
  }

  bool next(execution_import& to) {
    to = {};
    if (!more_) return false;
    const std::string id = next_.workflow_id;
    while (more_ && next_.workflow_id == id) {
      check_continues(to);
      keep(to);
      more_ = journals_.next(next_);
    }
    if (to.current().status == messages::CONTINUED_AS_NEW) {
      journals_.refuse(to.current().line, "the run that continues this one is missing");
    }
    return true;
  }
  [[noreturn]] void refuse(const execution_import& what, const std::string& why) const {
    journals_.refuse(what.current().line, "\"" + what.current().workflow_id + "\" " + why);
  }

 private:
  void keep(execution_import& to) {
    const journal_check& checked = journals_.checked();
    to.open = checked.open();
    to.last = checked.last();
    to.closing_turn = checked.closing_turn();
    to.highest_boot = std::max(to.highest_boot, checked.highest_boot());
    for (const auto& [scheduled, activity] : next_.activities) {
      to.highest_boot = std::max(to.highest_boot, activity.dispatch_boot());
    }
    to.runs.push_back(std::move(next_));
  }
  static std::uint64_t continued_from(const exported_run& run) {
    const messages::Event& first =
        run.turns.empty() ? run.parked.front().second.event() : run.turns.front().record.events(0);
    return first.workflow_execution_started().continued_from_run_number();
  }
  void check_continues(const execution_import& to) const {
    const std::uint64_t before = continued_from(next_);
    if (to.runs.empty() && before == 0) return;
    if (to.runs.empty()) journals_.refuse(next_.line, "run " + std::to_string(before) + ", which this one continues, is missing");
    if (to.current().turns.empty()) journals_.refuse(next_.line, "the run before it has not even begun");
    const messages::TurnRecord& last = to.current().turns.back().record;
    const auto& end = last.events(last.events_size() - 1).workflow_execution_continued_as_new();
    if (before != to.current().run.value || end.new_run_number() != next_.run.value || end.new_run_id() != next_.run_id) {
      journals_.refuse(next_.line, "the run does not continue the one before it");
    }
  }

  std::ifstream in_;
  exported_journals journals_;
  exported_run next_;
  bool more_ = false;
};

class importer {
 public:
  importer(storage::key_value_store& store, messages::StoreDescription description)
      : store_(store), description_(std::move(description)),
        partitions_(static_cast<std::uint16_t>(description_.partition_count())) {}

  /// The first pass: nothing is written yet.
  void check(execution_reader& from, const execution_import& what) {
    const std::string& id = what.current().workflow_id;
    const partition_id partition = actors::partition_of(id, partitions_);
    if (workflow::locks::is_reserved(id)) from.refuse(what, "is evermill's own (a lock, an event bus), and those stay with the engine they are from");
    if (must(storage::find_header(store_, partition, id))) {
      throw engine_error(engine_errc::already_exists, "the data directory has an execution \"" + id +
                                                          "\" already; nothing was imported");
    }
    for (const exported_run& run : what.runs) {
      const bool taken = must(storage::has_journal(store_, partition, run.run)) ||
                         must(storage::has_parked(store_, partition, run.run));
      const auto [by, fresh] = runs_.emplace(std::pair(partition.value, run.run.value), id);
      if (!taken && fresh) continue;
      from.refuse(what, by->second == id && !taken
                            ? "is in the files twice"
                            : "is run " + std::to_string(run.run.value) + " of its partition, and that number, which its "
                              "children's ids depend on, is taken here; import into a new directory");
    }
    if (!executions_.emplace(id, known{what.is_open(), parent_of(what)}).second) from.refuse(what, "is in the files twice");
    if (!what.is_open()) return;
    if (!what.open.locks.empty()) {
      from.refuse(what, "holds or waits for \"" + what.open.locks.begin()->second.id +
                            "\", and locks stay behind; let it release the lock first, and export it again");
    }
    for (const auto& [seq, child] : what.open.children) {
      awaited_.push_back({child.workflow_id, {id, what.current().run.value, seq.value}});
    }
  }
  /// When all files were looked at: nobody may wait for a child that will never tell how it ended.
  void check_children() const {
    for (const auto& [child, parent] : awaited_) {
      const auto found = executions_.find(child);
      const bool comes = found != executions_.end() && found->second.is_open && found->second.parent == parent;
      if (comes) continue;
      throw engine_error(engine_errc::invalid_argument,
                         "the open execution \"" + parent.workflow_id + "\" waits for its child \"" + child + "\", which " +
                             (found == executions_.end() ? "is not in the files; export both"
                                                         : "does not go on as its child; let the engine they are from run "
                                                           "until it has told the end, and export both again") +
                             "; nothing was imported");
    }
  }
  void write(const execution_import& what) {
    const partition_id partition = actors::partition_of(what.current().workflow_id, partitions_);
    storage::write_batch batch;
    for (const exported_run& run : what.runs) {
      for (const storage::stored_turn& turn : run.turns) {
        storage::append_turn(batch, partition, run.run, turn.first, turn.record);
        counts_.events += static_cast<std::uint64_t>(turn.record.events_size());
      }
    }
    put_header(batch, partition, what);
    if (what.is_open()) put_open(batch, partition, what);
    put_counters(batch, partition, what);
    must(store_.write(batch));
    counts_.runs += what.runs.size();
    ++counts_.executions;
    if (what.is_open()) ++counts_.open;
  }
  const journal_counts& counts() const { return counts_; }

 private:
  struct parent_command {
    std::string workflow_id;
    std::uint64_t run = 0;
    std::uint64_t initiated = 0;
    bool operator==(const parent_command&) const = default;
  };
  struct known {
    bool is_open = false;
    parent_command parent;
  };

  static const messages::WorkflowExecutionStarted& start_of(const exported_run& run) {
    return run.turns.empty() ? run.parked.front().second.event().workflow_execution_started()
                             : run.turns.front().record.events(0).workflow_execution_started();
  }
  static const messages::WorkflowExecutionStarted& first_start(const execution_import& what) { return start_of(what.runs.front()); }
  static parent_command parent_of(const execution_import& what) {
    const auto& parent = first_start(what).parent();
    return {parent.workflow_id(), parent.run_number(), parent.initiated_seq()};
  }
  static void put_header(storage::write_batch& batch, partition_id partition, const execution_import& what) {
    const exported_run& current = what.current();
    messages::InstanceHeader header;
    header.set_run_number(current.run.value);
    header.set_run_id(current.run_id);
    header.set_workflow_type(current.workflow_type);
    header.set_status(current.status);
    header.set_started_us(to_micros(current.started));
    if (!what.is_open()) {
      header.set_closed_us(to_micros(current.closed));
      header.set_closing_turn_seq(what.closing_turn.value);
    }
    header.set_input_hash(actors::input_hash(first_start(what).input()));
    header.set_execution_started_us(start_of(current).execution_started_us());
    header.set_traceparent(start_of(current).traceparent());
    header.set_tracestate(start_of(current).tracestate());
    storage::put_header(batch, partition, current.workflow_id, header);
    storage::put_execution(batch, storage::execution_row_of(partition, current.workflow_id, header));
  }
  /// The rows from which the next engine goes on: what the journal leaves open.
  static void put_open(storage::write_batch& batch, partition_id partition, const execution_import& what) {
    const exported_run& run = what.current();
    for (const auto& [seq, fire_at] : what.open.timers) {
      storage::put_timer(batch, partition, {fire_at, run.run, seq, run.workflow_id});
    }
    for (const auto& [created, task] : what.open.human_tasks) {
      messages::HumanTask row = task.row;
      row.set_workflow_id(run.workflow_id);
      storage::put_human_task(batch, partition, run.run, created, row);
    }
    for (const auto& [scheduled, activity] : run.activities) {
      storage::put_open_activity(batch, partition, run.run, scheduled, activity);
    }
    for (const auto& [index, event] : run.parked) storage::put_parked(batch, partition, run.run, index, event);
    if (what.open.activities.empty() && what.open.steps.empty() && run.parked.empty()) return;
    messages::OpenWork work;
    work.set_workflow_id(run.workflow_id);
    work.set_through_seq(what.last.value);
    work.set_has_inbox(!run.parked.empty());
    for (const auto& [seq, activity] : what.open.activities) {
      work.add_activities(seq.value);
      work.add_activity_turns(activity.turn_first.value);
    }
    for (const event_seq seq : what.open.steps) work.add_steps(seq.value);
    storage::put_open_work(batch, partition, run.run, work);
  }
  /// Run and boot numbers are never given twice.
  void put_counters(storage::write_batch& batch, partition_id partition, const execution_import& what) {
    messages::PartitionState state = must(storage::load_partition_state(store_, partition));
    const std::uint64_t first = what.runs.front().run.value;
    state.set_last_run_number(std::max(state.last_run_number(), what.current().run.value));
    state.set_open_work_watermark(std::min(state.open_work_watermark(), first));
    state.set_timer_watermark_us(0);
    storage::put_partition_state(batch, partition, state);
    if (what.highest_boot <= description_.boot_number()) return;
    description_.set_boot_number(what.highest_boot);
    storage::put_description(batch, description_);
  }

  storage::key_value_store& store_;
  messages::StoreDescription description_;
  const std::uint16_t partitions_;
  std::map<std::pair<std::uint16_t, std::uint64_t>, std::string> runs_;
  std::map<std::string, known> executions_;
  std::vector<std::pair<std::string, parent_command>> awaited_;
  journal_counts counts_;
};

/// How many partitions the files' directory had, so that a new one has as many.
std::uint32_t partitions_of(const std::vector<fs::path>& files) {
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    exported_journals journals(in, file.string());
    exported_run run;
    if (journals.next(run)) return run.partitions;
  }
  return 0;
}

void for_each_execution(const std::vector<fs::path>& files,
                        const std::function<void(execution_reader&, const execution_import&)>& visit) {
  execution_import what;
  for (const fs::path& file : files) {
    execution_reader reader(file);
    while (reader.next(what)) visit(reader, what);
  }
}

}  // namespace

journal_counts import_journals(const fs::path& data_directory, const std::vector<fs::path>& files) {
  for_each_execution(files, [](execution_reader&, const execution_import&) {});  // before a directory is made
  std::error_code ignored;
  const bool exists = fs::exists(data_directory / "CURRENT", ignored);
  storage::rocksdb_options options;
  options.directory = data_directory;
  const auto store = must(storage::open_rocksdb_store(options));
  const auto random = make_system_random();
  importer to(*store, must(storage::boot_store(*store, exists ? 0 : partitions_of(files), [&] { return make_uuid(*random); })));
  for_each_execution(files, [&](execution_reader& from, const execution_import& what) { to.check(from, what); });
  to.check_children();
  for_each_execution(files, [&](execution_reader&, const execution_import& what) { to.write(what); });
  return to.counts();
}

}  // namespace evermill
