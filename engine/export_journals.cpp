#include <ostream>
#include <utility>

#include "actors/node.hpp"
#include "engine/exported_journal.hpp"
#include "engine/incarnation.hpp"
#include "engine/inspection.hpp"
#include "engine/snapshot.hpp"
#include "evermill/journals.hpp"
#include "storage/rows.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill {
namespace {

constexpr std::size_t instances_per_page = 500;

class exporter {
 public:
  exporter(const snapshot& from, std::ostream& out) : from_(from), writer_(out), out_(out) {}

  void write(partition_id partition, const std::string& workflow_id, const messages::InstanceHeader& header) {
    exported_run current;
    current.workflow_id = workflow_id;
    current.partitions = from_.description.partition_count();
    for (const run_number run : earlier_runs(partition, run_number(header.run_number()))) write_earlier(partition, run, current);
    current.run = run_number(header.run_number());
    current.run_id = header.run_id();
    current.workflow_type = header.workflow_type();
    current.status = header.status();
    current.started = from_micros(header.started_us());
    current.closed = from_micros(header.closed_us());
    writer_.begin(current);
    write_turns(partition, current.run);
    if (current.status == messages::RUNNING) write_open(partition, current.run);
    writer_.end();
    ++counts_.runs;
    ++counts_.executions;
    if (current.status == messages::RUNNING) ++counts_.open;
    if (!out_) throw engine_error(engine_errc::storage, "the exported journals can't be written");
  }
  const journal_counts& counts() const { return counts_; }

 private:
  /// Those which the run continues, oldest first.
  std::vector<run_number> earlier_runs(partition_id partition, run_number run) const {
    std::vector<run_number> runs;
    while (must(storage::has_journal(*from_.store, partition, run))) {
      const auto turn = must(storage::read_turn(*from_.store, partition, run, event_seq(1)));
      const run_number before(turn.record.events(0).workflow_execution_started().continued_from_run_number());
      if (before.value == 0 || before >= run) break;
      runs.insert(runs.begin(), before);
      run = before;
    }
    if (runs.empty()) add_parked_predecessors(partition, run, runs);
    return runs;
  }
  /// A run that continues another and has had no turn yet says so in its parked start.
  void add_parked_predecessors(partition_id partition, run_number run, std::vector<run_number>& runs) const {
    if (must(storage::has_journal(*from_.store, partition, run))) return;
    for (const auto& [index, parked] : must(storage::scan_parked(*from_.store, partition, run))) {
      const run_number before(parked.event().workflow_execution_started().continued_from_run_number());
      if (before.value == 0 || before >= run) continue;
      runs = earlier_runs(partition, before);
      runs.push_back(before);
      return;
    }
  }
  void write_earlier(partition_id partition, run_number run, const exported_run& current) {
    const auto first = must(storage::read_turn(*from_.store, partition, run, event_seq(1)));
    const auto& started = first.record.events(0).workflow_execution_started();
    exported_run earlier;
    earlier.workflow_id = current.workflow_id;
    earlier.partitions = current.partitions;
    earlier.run = run;
    earlier.run_id = started.run_id();
    earlier.workflow_type = started.workflow_type();
    earlier.status = messages::CONTINUED_AS_NEW;
    earlier.started = earlier.closed = from_micros(first.record.time_us());
    writer_.begin(earlier);
    write_turns(partition, run);
    writer_.end();
    ++counts_.runs;
  }
  void write_turns(partition_id partition, run_number run) {
    storage::journal_reader reader(*from_.store, partition, run);
    storage::stored_turn turn;
    while (must(reader.next(turn))) {
      writer_.add(turn);
      counts_.events += static_cast<std::uint64_t>(turn.record.events_size());
    }
  }
  void write_open(partition_id partition, run_number run) {
    if (const auto work = must(storage::find_open_work(*from_.store, partition, run))) {
      for (const auto& [scheduled, activity] : work->activities) writer_.add(scheduled, activity);
    }
    for (const auto& [index, event] : must(storage::scan_parked(*from_.store, partition, run))) writer_.add(index, event);
  }

  const snapshot& from_;
  journal_writer writer_;
  std::ostream& out_;
  journal_counts counts_;
};

}  // namespace

journal_counts export_journals(const std::filesystem::path& data_directory, const std::vector<std::string>& ids,
                               std::ostream& out) {
  const snapshot from = open_snapshot(data_directory);
  const auto partitions = static_cast<std::uint16_t>(from.description.partition_count());
  exporter to(from, out);
  std::vector<std::pair<partition_id, messages::InstanceHeader>> found;
  for (const std::string& id : ids) {
    const partition_id partition = partitions == 0 ? partition_id() : actors::partition_of(id, partitions);
    found.emplace_back(partition, inspection::existing_header(*from.store, partition, id));
  }
  for (std::size_t i = 0; i < ids.size(); ++i) to.write(found[i].first, ids[i], found[i].second);
  for (std::uint16_t p = 0; ids.empty() && p < partitions; ++p) {
    for (std::string after;;) {
      const auto rows = must(storage::list_instances(*from.store, partition_id(p), after, instances_per_page));
      if (rows.empty()) break;
      after = rows.back().workflow_id;
      for (const storage::listed_instance& row : rows) {
        if (!workflow::locks::is_reserved(row.workflow_id)) to.write(partition_id(p), row.workflow_id, row.header);
      }
    }
  }
  return to.counts();
}

}  // namespace evermill
