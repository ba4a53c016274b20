#include "journals.hpp"

#include <chrono>
#include <stdexcept>
#include <thread>

#include "storage/journal.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rows.hpp"
#include "tests/support/find_event.hpp"

namespace evermill::processes {
namespace {

constexpr std::chrono::seconds patience{20};  // with files that come and go while another process opens the directory
constexpr std::chrono::milliseconds between_looks{20};
constexpr int first_end = messages::Event::kWorkflowExecutionCompleted;

template <class T>
T must(storage::storage_result<T>&& result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

}  // namespace

const messages::Event* journal::event(std::uint64_t seq) const { return tests::find_event(turns, seq); }

const journal* journals::find(const run_id& id) const {
  const auto found = runs_.find(id);
  return found == runs_.end() ? nullptr : &found->second;
}

std::unique_ptr<storage::key_value_store> journals::open() const {
  storage::rocksdb_options how;
  how.directory = directory_;
  how.read_only = true;
  for (const auto end = std::chrono::steady_clock::now() + patience;;) {
    auto opened = storage::open_rocksdb_store(how);
    if (opened) return std::move(*opened);
    // Killed before it had made its directory: only once, at the very beginning.
    if (opened.error().code == storage::storage_errc::missing && partitions_ == 0) return nullptr;
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error(opened.error().message);
    std::this_thread::sleep_for(between_looks);
  }
}

void journals::read(const std::function<void(const run_id&, const journal&)>& on_turn) {
  const auto store = open();
  if (store == nullptr) return;
  const auto description = must(storage::find_description(*store));
  if (!description && partitions_ == 0) return;
  if (!description) throw std::runtime_error("the store has lost its description");
  partitions_ = static_cast<std::uint16_t>(description->partition_count());
  for (std::uint16_t partition = 0; partition < partitions_; ++partition) {
    const auto state = must(storage::load_partition_state(*store, partition_id(partition)));
    for (std::uint64_t run = 1; run <= state.last_run_number(); ++run) read_run(*store, {partition, run}, on_turn);
  }
}

void journals::read_run(const storage::key_value_store& store, const run_id& id,
                        const std::function<void(const run_id&, const journal&)>& on_turn) {
  journal& it = runs_[id];
  if (it.ended) return;
  storage::journal_reader reader(store, partition_id(id.partition), run_number(id.run), event_seq(it.events + 1));
  for (storage::stored_turn turn; must(reader.next(turn));) {
    if (it.ended) throw std::runtime_error(name_of(id, it) + " goes on after its end");
    it.events = turn.last().value;
    it.turns.push_back(std::move(turn.record));
    it.ended = it.last_event().event_case() >= first_end;
    on_turn(id, it);
  }
  if (it.turns.empty()) runs_.erase(id);
}

std::string name_of(const run_id& id, const journal& of) {
  return "run " + std::to_string(id.run) + " of " + of.start().workflow_id() + " (partition " +
         std::to_string(id.partition) + ")";
}

std::string text_of(const journal& of) {
  std::string text;
  std::uint64_t seq = 1;
  for (const messages::TurnRecord& turn : of.turns) {
    for (const messages::Event& e : turn.events()) {
      text += "\n  " + std::to_string(seq++) + (&e == &turn.events(0) ? " * " : "   ") +
          e.ShortDebugString().substr(0, 160);
    }
  }
  return text;
}

}  // namespace evermill::processes
