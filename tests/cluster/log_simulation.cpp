#include "log_simulation.hpp"

#include <array>
#include <set>
#include <stdexcept>
#include <utility>

#include "log_rig.hpp"

namespace evermill::cluster {
namespace {

constexpr std::size_t process_count = 3;
constexpr int steps = 300;
const std::string count_key = "count";

std::string entry_key(std::uint64_t index) { return "entry/" + std::to_string(index); }

class simulated_log {
 public:
  explicit simulated_log(std::uint64_t seed) : random_(make_seeded_random(seed)) {
    const auto broker = queue::make_memory_broker(server_);
    if (!broker->ensure_stream(log_stream, log_partitions)) throw std::logic_error("the stream is there");
    for (std::size_t i = 0; i < process_count; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      // Some have records so small that commits come in parts.
      const queue::memory_broker_options options{.max_record_bytes = i == 0 ? 560U : 100'000U};
      processes_[i] = std::make_unique<log_process>(name, server_, *random_, options);
      processes_[i]->when_owned = [this, i](std::uint64_t epoch) { on_owned(i, epoch); };
      processes_[i]->when_committed = [this, i] { on_committed(i); };
      start(i);
    }
  }

  log_simulation_result run() {
    for (int n = 0; n < steps && result_.problem.empty(); ++n) act();
    if (result_.problem.empty()) come_to_rest();
    if (result_.problem.empty()) check_list();
    if (result_.problem.empty()) check_a_log_that_lacks_a_record();
    return std::move(result_);
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_->next() % limit; }
  void note(const std::string& what) {
    ++result_.happened[what];
    result_.trace += what + '\n';
  }
  void fail(std::string why) {
    if (result_.problem.empty()) result_.problem = std::move(why);
  }

  void start(std::size_t i) {
    if (const auto started = processes_[i]->start(); !started) fail("start: " + started.error().message);
  }

  void act() {
    const std::size_t i = below(process_count);
    log_process& p = *processes_[i];
    switch (below(18)) {
      case 0:
        if (!p.log().owned() && !claims_[i]) {
          p.log().claim();
          claims_[i] = p.log().claiming();
          note(claims_[i] ? "claim" : "a claim waits for the server");
        }
        break;
      case 1: case 2: case 3: submit(i); break;
      case 4: die(i); break;
      case 5:
        p.broker().hold(below(2) == 0);
        note("connection");
        break;
      case 6: case 7: deliver_late(p); break;
      case 8:
        if (p.log().owned() && !p.has_submitted() && !releases_[i]) {
          releases_[i] = true;
          note("release");
          p.log().release();
        }
        break;
      case 9:
        p.broker().refuse_readers(!p.broker().refuses_readers());
        note(p.broker().refuses_readers() ? "the server is away for readers" : "the server is back for readers");
        break;
      case 10:
        if (!p.log().look()) note("a log can't be read now");
        break;
      default:
        for (std::uint64_t n = below(6); n > 0; --n) p.step();
        look(i);
    }
  }

  /// Whoever is told that it lost, or stopped.
  void look(std::size_t i) {
    log_process& p = *processes_[i];
    for (; lost_seen_[i] < p.lost.size(); ++lost_seen_[i]) {
      note("lost");
      claims_[i] = releases_[i] = false;
      pending_[i].clear();
    }
    if (!p.stopped.empty()) fail("process " + std::to_string(i) + " stopped: " + p.stopped.front().message);
  }

  void submit(std::size_t i) {
    log_process& p = *processes_[i];
    if (!p.log().owned() || p.has_submitted() || releases_[i]) return;
    const std::string count = p.get(count_key);
    const std::uint64_t next = (count.empty() ? 0 : std::stoull(count)) + 1;
    const std::string id = std::to_string(++last_id_) + std::string(below(8) == 0 ? 300 : 0, '.');
    pending_[i] = {{next, id}};
    storage::write_batch batch;
    batch.put(storage::family::journal, count_key, std::to_string(next));
    batch.put(storage::family::journal, entry_key(next), id);
    note("submit");
    p.submit(std::move(batch));
  }

  void die(std::size_t i) {
    log_process& p = *processes_[i];
    if (below(3) != 0) return;
    note(p.log().owned() ? "an owner dies" : "a follower dies");
    p.kill();
    if (below(4) == 0) {
      note("a store is lost");
      p.lose_store();
    }
    claims_[i] = releases_[i] = false;
    lost_seen_[i] = p.lost.size();
    pending_[i].clear();
    start(i);
  }

  void deliver_late(log_process& p) {
    late_broker* from = &p.broker();
    if (below(2) == 0 && !p.left().empty()) from = p.left()[below(p.left().size())].get();
    const bool dead = from != &p.broker();
    switch (below(4)) {
      case 0:
        if (from->deliver_without_answer()) note("an answer is lost");
        break;
      case 1:
        if (from->drop()) note("an append is lost");
        break;
      default:
        if (from->deliver()) note(dead ? "an append of a dead process comes" : "a late append comes");
    }
  }

  void on_owned(std::size_t i, std::uint64_t epoch) {
    note("owned");
    claims_[i] = false;
    if (!epochs_.insert(epoch).second) fail("epoch " + std::to_string(epoch) + " was given twice");
  }

  void on_committed(std::size_t i) {
    note("committed");
    for (const auto& [index, id] : pending_[i]) {
      const auto [there, is_new] = told_.emplace(index, id);
      if (!is_new && there->second != id) fail("two were told that their commit is entry " + std::to_string(index));
    }
    pending_[i].clear();
  }

  /// All appends have come, or never will; then one process owns the partition and commits once more.
  void come_to_rest() {
    for (const auto& p : processes_) {
      p->broker().refuse_readers(false);
      p->broker().hold(false);
      while (p->broker().deliver()) {
      }
      for (const auto& left : p->left()) {
        while (left->deliver()) {
        }
      }
    }
    for (const auto& p : processes_) p->log().look();
    settle();
    for (std::size_t i = 0; i < process_count; ++i) {
      if (processes_[i]->log().owned()) continue;
      processes_[i]->log().claim();
      settle();
      submit(i);
      settle();
      break;
    }
    for (const auto& p : processes_) p->log().look();
    settle();
  }
  void settle() {
    for (bool busy = true; busy && result_.problem.empty();) {
      busy = false;
      for (std::size_t i = 0; i < process_count; ++i) {
        while (processes_[i]->step()) busy = true;
        look(i);
      }
    }
  }

  /// What a process that has nothing finds in the log is what all have, and what their writers were told.
  void check_list() {
    log_process fresh("fresh", server_, *random_);
    if (const auto started = fresh.start(); !started) return fail("a new follower: " + started.error().message);
    fresh.run();
    if (!fresh.stopped.empty()) return fail("a new follower: " + fresh.stopped.front().message);
    const std::string count = fresh.get(count_key);
    const std::uint64_t entries = count.empty() ? 0 : std::stoull(count);
    if (fresh.log().position().number() != entries) fail("the number of commits is not the number of entries");
    std::set<std::string> ids;
    for (std::uint64_t n = 1; n <= entries; ++n) {
      const std::string id = fresh.get(entry_key(n));
      if (id.empty() || !ids.insert(id).second) fail("entry " + std::to_string(n) + " is missing or twice there");
    }
    for (const auto& [index, id] : told_) {
      if (fresh.get(entry_key(index)) != id) fail("entry " + std::to_string(index) + " is not the one that its writer was told");
    }
    for (const auto& p : processes_) {
      for (std::uint64_t n = 1; n <= entries; ++n) {
        if (p->get(entry_key(n)) != fresh.get(entry_key(n))) fail("stores differ in entry " + std::to_string(n));
      }
      if (p->log().position().number() != entries) fail("stores differ in the number of commits");
    }
    if (entries > 0) note("entries");
    clean_state_ = state_of(fresh);
  }

  static std::string state_of(const log_process& p) {
    std::string state;
    const auto rows = p.store().scan(storage::family::journal, "", "");
    for (; rows->valid(); rows->next()) state += std::string(rows->key()) + '=' + std::string(rows->value()) + '\n';
    return state;
  }

  /// A log that has lost a record is noticed, unless the record did not count.
  void check_a_log_that_lacks_a_record() {
    const auto bounds = queue::make_memory_broker(server_)->bounds({log_stream, log_partition.value});
    if (!bounds || bounds->last < 3) return;
    const queue::position left_out = 1 + below(bounds->last - 1);  // the last one would not be missed
    log_process fresh("lossy", server_, *random_);
    fresh.when_started = [&](late_broker& broker) { broker.leave_out(left_out); };
    if (!fresh.start()) return note("a missing record is noticed");
    fresh.run();
    if (!fresh.stopped.empty()) return note("a missing record is noticed");
    if (state_of(fresh) == clean_state_) return note("a missing record did not count");
    result_.trace += "with all:\n" + clean_state_ + "without record " + std::to_string(left_out) + ":\n" + state_of(fresh) + dump();
    fail("record " + std::to_string(left_out) + " is missing, and nobody noticed");
  }

  /// What lies in the log.
  std::string dump() {
    std::vector<queue::stored_record> all;
    const auto broker = queue::make_memory_broker(server_);
    const auto reader = broker->read({log_stream, log_partition.value}, {}, [] {});
    while (reader && (*reader)->poll(all, 1'000).value_or(0) > 0) {
    }
    std::string text;
    for (const queue::stored_record& each : all) {
      const auto record = storage::parse_log_record(log_partition, each.what.value);
      text += std::to_string(each.at) + " " + (record ? record->ShortDebugString() : "?") + '\n';
    }
    return text;
  }

  std::shared_ptr<queue::memory_server> server_ = queue::make_memory_server();
  std::unique_ptr<random_source> random_;
  std::array<std::unique_ptr<log_process>, process_count> processes_;
  std::array<bool, process_count> claims_{};
  std::array<bool, process_count> releases_{};
  std::array<std::size_t, process_count> lost_seen_{};
  std::array<std::map<std::uint64_t, std::string>, process_count> pending_;  // what each has submitted: index, id
  std::map<std::uint64_t, std::string> told_;  // entries whose writers were told that they are there
  std::set<std::uint64_t> epochs_;
  std::uint64_t last_id_ = 0;
  std::string clean_state_;
  log_simulation_result result_;
};

}  // namespace

log_simulation_result simulate_log(std::uint64_t seed) { return simulated_log(seed).run(); }

}  // namespace evermill::cluster
