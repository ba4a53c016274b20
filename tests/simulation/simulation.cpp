// The life of a simulated process and what happens in it. checks.cpp judges.
#include "simulation.hpp"

#include <algorithm>
#include <utility>

#include "plugins/queue/memory/memory_queue.hpp"
#include "storage/rows.hpp"

namespace evermill::simulation {
namespace {

constexpr std::uint64_t max_happenings = 4000;
constexpr int happenings_while_stopping = 40;
constexpr std::uint64_t slowest_last_write_us = 200'000;
constexpr std::uint64_t operations_while_opening = 60;
constexpr std::uint64_t lives_with_options_files = 64;  // one in so many
constexpr std::size_t small_cache_bytes = 256u << 10;

std::string numbered(std::string_view of, std::uint64_t number) {
  std::string text(of);
  text += std::to_string(number);
  return text;
}

registry make_definitions() {
  registry definitions;
  definitions.add(std::string(workflow_type), run_program);
  return definitions;
}

}  // namespace

simulation::simulation(const settings& how)
    : settings_(how),
      record_(how.print),
      dice_(make_seeded_random(how.seed)),
      node_random_(make_seeded_random(how.seed ^ 0x5deece66d)),
      choose_([this](std::uint64_t bound) { return below(bound); }),
      store_(record_),
      backend_(store_, clock_, record_),
      published_(how.seed, store_, clock_, record_),
      all_definitions_(make_definitions()),
      definitions_(all_definitions_) {
  hooks() = {};
  partitions_ = static_cast<std::uint16_t>(1 + below(3));
  options_.partitions = partitions_;
  constexpr std::int64_t idle_times_us[] = {60'000, 500'000, 10'000'000};
  options_.passivate_after = std::chrono::microseconds(idle_times_us[below(3)]);
  options_.recovery_chunk = 1 + below(3);
  options_.live_instances_per_partition = chance(30) ? 1 : 1000;
  options_.choose_next = [this](std::size_t waiting) {
    const std::uint64_t chosen = below(waiting);
    record_.trace("run " + std::to_string(chosen) + " of " + std::to_string(waiting));
    return static_cast<std::size_t>(chosen);
  };
  options_.committer_waits = [this] {
    if (disk_is_busy()) record_.count("fault: slow write");
    return disk_is_busy();
  };
  clients_ = std::make_unique<clients>(store_, partitions_, record_);
  if (chance(50)) kept_queue_ = std::make_shared<kept_queue>(partitions_);
  if (published_.is_used()) options_.publishing = actors::publishing_mode::on;
  disk_.keep_options_files(how.seed % lives_with_options_files == 0);
  if (how.disk_fault != simulated_disk::fault::none) disk_.plan_fault(how.disk_fault, how.fail_at, choose_);
  plan_requests();
}

simulation::~simulation() { kill(); }

// --- the process

void simulation::boot() {
  while (!wrong()) {
    if (open_store() && start_node()) return;
    if (!wrong()) after_a_failed_boot();
  }
}

/// A fault struck meanwhile; anything else has been told as a finding.
void simulation::after_a_failed_boot() {
  record_.count("fault: while opening");
  kill();
  look_at_damage();
  lose_power();
}

storage::rocksdb_options simulation::store_options() const {
  storage::rocksdb_options how;
  how.directory = "/simulated";
  how.env = disk_.env();
  how.manual_background_work = true;
  how.block_cache_bytes = small_cache_bytes;
  return how;
}

bool simulation::open_store() {
  if (!settings_.on_disk) {
    store_.attach_memory();
    return true;
  }
  auto opened = storage::open_rocksdb_store(store_options());
  if (!opened) {
    if (!disk_.fault_struck()) record_.finding("the store does not open: " + opened.error().message);
    return false;
  }
  store_.attach(std::move(*opened), &disk_);
  return !wrong();
}

bool simulation::start_node() {
  const auto make_id = [this] { return make_uuid(*node_random_); };
  const auto description = storage::boot_store(store_, partitions_, make_id);
  if (!description) {
    const bool expected = disk_.fault_struck() || store_.failed() || store_.damage_was_read();
    if (!expected) record_.finding("the store does not boot: " + description.error().message);
    return false;
  }
  if (store_.damage_was_read()) record_.finding("a damaged description was taken for good");
  record_.count("boot");
  options_.boot = boot_number(description->boot_number());
  std::shared_ptr<queue::decision_queue> queue = kept_queue_;
  if (!kept_queue_) queue = queue::make_memory_queue(options_.boot, partitions_);
  if (kept_queue_) kept_queue_->reopen();
  queue_ = std::make_unique<simulated_queue>(std::move(queue), store_, clock_, record_,
                                             [this] { return !calm_ && settings_.faults && chance(3); });
  hooks().boot = options_.boot.value;
  alive_ = true;
  draining_ = false;
  backend_.set_alive(true);
  clients_->set_alive(true);
  clients_->store_is_new();
  clients_->set_followers(chance(30));
  actors::node_parts parts;
  parts.store = &store_;
  parts.queue = queue_.get();
  parts.time = &clock_;
  parts.random = node_random_.get();
  parts.definitions = &definitions_;
  parts.backends = {&backend_};
  parts.run_step = [this](std::function<void()> step) {
    if (!alive_) return;
    record_.count("step");
    if (draining_) record_.finding("a step was started after the drain");
    chance(30) ? step() : steps_.push_back(std::move(step));
  };
  parts.listener = clients_.get();
  published_.begin([this](partition_id of, std::uint64_t through) { node_->published(of, through); });
  parts.on_publishable = [this](partition_id of, const actors::publishable_rows& rows) {
    if (alive_) published_.offer(of, rows);
  };
  try {
    node_ = std::make_unique<actors::node>(std::move(parts), options_);
  } catch (const std::runtime_error& why) {
    if (!store_.damage_was_read()) record_.finding(std::string("the node does not recover: ") + why.what());
    return false;
  }
  return true;
}

/// Nothing of the process outlives this; what it still does while it is taken apart reaches nobody.
void simulation::kill() {
  alive_ = false;
  store_.detach();
  backend_.set_alive(false);
  clients_->set_alive(false);
  clients_->forget_unanswered();
  published_.end();
  node_.reset();
  queue_.reset();
  steps_.clear();
  if (!kept_queue_) store_.consumed().forget_delivered();
}

void simulation::crash() {
  record_.trace("crash");
  record_.count("fault: crash");
  lose_power();
  kill();
  look_at_damage();
  check_journals();
  if (settings_.faults && !calm_) {
    if (chance(15)) {
      record_.count("fault: clock set back");
      clock_.set_back(std::chrono::microseconds(below(3'000'000)));
    }
    if (chance(20)) settings_.on_disk ? try_a_damaged_disk() : store_.damage_a_row(choose_);
    if (settings_.on_disk && chance(15)) {
      disk_.plan_fault(chance(50) ? simulated_disk::fault::power_cut : simulated_disk::fault::io_error,
                       below(operations_while_opening), choose_);
    }
  }
  boot();
}

/// Or only the process goes: then the operating system has what it has not written yet.
void simulation::lose_power() {
  if (!settings_.on_disk) return;
  auto how = simulated_disk::loss::some;
  if (disk_.fault_struck()) {
    record_.count("fault: the disk failed as planned");
    if (chance(20)) how = simulated_disk::loss::none;
  } else {
    how = static_cast<simulated_disk::loss>(below(3));
  }
  constexpr const char* names[] = {"fault: unsynced data lost", "fault: unsynced data lost in part",
                                   "fault: process killed"};
  record_.count(names[static_cast<int>(how)]);
  disk_.cut_power(how, choose_);
  power_was_cut_ = how != simulated_disk::loss::none;
}

/// Drains and stops: nothing may start after the drain.
void simulation::stop_cleanly() {
  record_.trace("stop");
  record_.count("clean stop");
  if (chance(50)) disk_busy_until_ = clock_.now() + std::chrono::microseconds(1 + below(slowest_last_write_us));
  node_->drain();
  while (run_scheduler()) {  // what was on its way
  }
  backend_.expect_no_more();
  draining_ = true;
  for (int n = 0; n < happenings_while_stopping && draining_ && !wrong(); ++n) act();
  if (!draining_ || wrong()) return;  // crashed meanwhile
  kill();
  if (settings_.on_disk) disk_.cut_power(simulated_disk::loss::all, choose_);
  look_at_damage();
  boot();
}

// --- happenings

void simulation::run() {
  boot();
  for (std::uint64_t n = 0; n < max_happenings && !wrong() && (settings_.faults || n < max_happenings / 8); ++n) {
    act();
    if (settings_.faults && n > 600 && plan_.empty() && chance(1)) break;
  }
  calm_down();
  publish_the_rest();
  check_everything();
  record_.count("woken up", hooks().woken);
}

/// More than once where the write that erases the rows is the one that fails: the next process is offered them again.
void simulation::publish_the_rest() {
  while (!wrong() && published_.finish()) run_to_rest();
}

/// Returns whether anything could happen.
bool simulation::act() {
  const bool here = settings_.crash_after_commit != 0 && store_.commits() >= settings_.crash_after_commit;
  if (here && !record_.counts().contains("fault: crash")) crash();
  if (store_.damage_was_read() && !clients_->store_failed()) {
    record_.finding("a damaged row was read and nobody was told");
  }
  if (clients_->store_failed() || disk_.fault_struck()) {
    record_.count("fault: the store failed");
    crash();
  }
  if (wrong()) return false;
  keep_disk_busy();
  published_.act();
  if (chance(75) && run_scheduler()) return true;
  if (!calm_ && settings_.faults && !draining_ && chance(3)) {
    inject_fault();
    return true;
  }
  return happen() || run_scheduler();
}

bool simulation::run_scheduler() { return node_->run_one(); }

bool simulation::happen() {
  const std::uint64_t which = below(100);
  if (which < 25 && !plan_.empty()) return send_next_request(), true;
  if (which < 60 && !backend_.running().empty()) return end_an_attempt(backend_.running(), false), true;
  if (which < 75 && !steps_.empty()) return run_a_step(), true;
  if (which < 78 && !calm_ && settings_.faults && !backend_.lost().empty()) {
    return end_an_attempt(backend_.lost(), true), true;
  }
  if (which >= 90 && !backend_.elsewhere().empty()) return complete_elsewhere(), true;
  const bool busy = !backend_.running().empty() || !backend_.elsewhere().empty() || !steps_.empty() || !plan_.empty() ||
                    disk_is_busy();
  if (!clock_.next_alarm() && !busy) return false;
  advance_clock();
  return true;
}

void simulation::send_next_request() {
  request next = std::move(plan_.front());
  plan_.pop_front();
  if (next.what != request::kind::start && chance(15)) next.workflow_id = some_workflow_id();
  clients_->send(*queue_, next);
  if (next.what != request::kind::start) return;
  if (chance(10)) clients_->send(*queue_, next);
  if (!chance(5)) return;
  next.text = nlohmann::json(program{}).dump();
  clients_->send(*queue_, next);
}

/// Any execution, children included.
std::string simulation::some_workflow_id() {
  std::vector<std::string> ids = workflow_ids_;
  ids.push_back("nobody");
  for (const auto& [id, journal] : store_.journals()) ids.push_back(journal.workflow_id);
  return ids[below(ids.size())];
}

void simulation::end_an_attempt(std::vector<simulated_backend::attempt>& from, bool lost) {
  const std::size_t which = below(from.size());
  const simulated_backend::attempt ended = std::move(from[which]);
  from.erase(from.begin() + static_cast<std::ptrdiff_t>(which));
  const tasks::outcome how = some_outcome(ended);
  if (lost) record_.count("fault: report of a lost attempt");
  const std::int64_t id = std::stoll(ended.task->input().data());
  if (!calm_ && completes_elsewhere(id) && std::holds_alternative<tasks::completed>(how)) {
    record_.count("attempt completes elsewhere");
    backend_.elsewhere().emplace_back(ended, how);
    return backend_.report(*queue_, ended, tasks::completes_later{});
  }
  backend_.report(*queue_, ended, how, heartbeats(id) ? say_how_far(ended, how) : std::nullopt);
  if (calm_ || !settings_.faults || !chance(5)) return;
  record_.count("fault: repeated report");
  backend_.report(*queue_, ended, how);
}

/// A heartbeat that is passed on, or one that comes with the end.
std::optional<messages::Payload> simulation::say_how_far(const simulated_backend::attempt& which,
                                                         const tasks::outcome& how) {
  messages::Payload details;
  details.set_data(std::to_string(next_text_++));
  if (!std::holds_alternative<tasks::failed>(how)) {
    record_.count("heartbeat");
    actors::node::publish_heartbeat(*queue_, *which.task, details);
    return std::nullopt;
  }
  record_.count("heartbeat with the end");
  return details;
}

void simulation::complete_elsewhere() {
  auto& waiting = backend_.elsewhere();
  auto next = std::move(waiting.front());
  waiting.erase(waiting.begin());
  backend_.report(*queue_, next.first, next.second);
  backend_.told().push_back(std::move(next));
}

tasks::outcome simulation::some_outcome(const simulated_backend::attempt& which) {
  if (which.told_to_stop && chance(60)) {
    record_.count("attempt canceled");
    return tasks::canceled{};
  }
  const std::uint64_t r = calm_ ? 100 : below(100);
  if (r < 15) {
    record_.count("attempt failed");
    messages::Failure failure;
    failure.set_type("Refused");
    failure.set_message("refusal " + std::to_string(next_text_++));
    if (chance(20)) {
      failure.set_non_retryable(next_text_ % 2 == 0);
      if (next_text_ % 2 == 1) failure.set_type(std::string(fatal_type));
    }
    return tasks::failed{std::move(failure)};
  }
  if (r < 22 && which.task->options().start_to_close_us() > 0) {
    record_.count("attempt timed out");
    return tasks::timed_out{};
  }
  record_.count("attempt completed");
  messages::Payload result;
  result.set_data(std::to_string(next_text_++));
  return tasks::completed{std::move(result)};
}

void simulation::run_a_step() {
  const std::size_t which = below(steps_.size());
  const auto step = std::move(steps_[which]);
  steps_.erase(steps_.begin() + static_cast<std::ptrdiff_t>(which));
  record_.trace("step runs");
  step();
}

void simulation::advance_clock() {
  const timestamp soon = clock_.now() + std::chrono::microseconds(1 + below(100'000));
  const auto alarm = clock_.next_alarm();
  const bool idle = backend_.running().empty() && backend_.elsewhere().empty() && steps_.empty() && plan_.empty();
  timestamp to = alarm && (idle || chance(50)) ? std::max(*alarm, clock_.now()) : soon;
  if (disk_is_busy()) to = std::min(to, disk_busy_until_);
  record_.trace("clock " + std::to_string(to_micros(to)));
  clock_.advance_to(to);
}

// --- the plan

void simulation::plan_requests() {
  for (std::size_t i = 0; i < settings_.only.size(); ++i) {
    const std::string id = numbered("w", i);
    workflow_ids_.push_back(id);
    plan_.push_back({request::kind::start, id, {}, nlohmann::json(settings_.only[i]).dump()});
    plan_.push_back({request::kind::signal, id, "x", numbered("\"s", next_text_++) + "\""});
    plan_.push_back({request::kind::signal, id, "y", numbered("\"s", next_text_++) + "\""});
  }
  if (!settings_.only.empty()) return;
  const std::uint64_t executions = 1 + below(5);
  for (std::uint64_t i = 0; i < executions; ++i) plan_for(numbered("w", i), generate_program(choose_));
  // Starts stay early; everything else comes at any time, also too early.
  for (std::size_t i = plan_.size(); i > 1; --i) std::swap(plan_[i - 1], plan_[below(i)]);
  std::stable_partition(plan_.begin(), plan_.end(),
                        [this](const request& r) { return r.what == request::kind::start && chance(80); });
}

void simulation::plan_for(const std::string& workflow_id, const program& what) {
  workflow_ids_.push_back(workflow_id);
  const auto text = [this](std::string_view of) { return numbered(of, next_text_++); };
  plan_.push_back({request::kind::start, workflow_id, {}, nlohmann::json(what).dump()});
  for (std::uint64_t n = below(8); n > 0; --n) {
    plan_.push_back({request::kind::signal, workflow_id, chance(50) ? "x" : "y", text("\"s") + "\""});
  }
  if (chance(25)) plan_.push_back({request::kind::cancel, workflow_id, {}, text("c")});
  if (chance(12)) plan_.push_back({request::kind::terminate, workflow_id, {}, text("t")});
  if (chance(30)) plan_.push_back({request::kind::taint, workflow_id, {}, {}});
}

}  // namespace evermill::simulation
