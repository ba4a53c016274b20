#include "simulated_process.hpp"

#include <algorithm>
#include <stdexcept>

#include "cluster/streams.hpp"
#include "lent_broker.hpp"
#include "storage/rows.hpp"
#include "tests/simulation/program.hpp"

namespace evermill::cluster_simulation {
namespace {

constexpr std::size_t small_record_bytes = 4'096;
constexpr std::uint64_t snapshot_log_bytes = 6'000;

}  // namespace

world::world(std::uint64_t seed, bool print)
    : record(print), lines(print ? make_stderr_log("debug") : log()), dice(make_seeded_random(seed)), given(make_seeded_random(seed ^ 0x5deece66d)) {
  definitions.add(std::string(simulation::workflow_type), simulation::run_program);
  partitions = static_cast<std::uint32_t>(1 + below(3));
  const auto broker = queue::make_memory_broker(server);
  const auto opened = cluster::open_cluster(*broker, partitions, *given);
  if (!opened) throw std::logic_error("the cluster can't be begun: " + opened.error().message);
  description = *opened;
  truth = std::make_unique<auditor>(server, description, *given);
}

simulated_process::simulated_process(world& in, std::string name, on_answered answered)
    : in_(in), name_(std::move(name)), answered_(std::move(answered)) {
  options_.queue = "simulated://";
  options_.session_timeout = std::chrono::seconds(10);
  options_.standbys = 1;
  options_.snapshot_log_bytes = snapshot_log_bytes;
}

simulated_process::~simulated_process() { kill(); }

// --- life and death

void simulated_process::start() {
  in_.record.trace("start " + name_);
  in_.record.count("boot");
  const queue::memory_broker_options small{.max_record_bytes = small_record_bytes};
  connection_ = std::make_shared<cluster::late_broker>(queue::make_memory_broker(in_.server, small));
  const auto description =
      storage::boot_store(*store_, static_cast<std::uint16_t>(in_.partitions), [this] { return in_.description.cluster_id(); });
  if (!description) return in_.record.finding(name_ + " does not boot: " + description.error().message);
  cluster_events events;
  events.on_answer = [this](std::uint64_t token, actors::answer&& what) { on_answer(token, std::move(what)); };
  events.on_ended = [](actors::ended_execution&&) {};
  events.on_gone = [](partition_id, const std::string&) {};
  events.on_failed = [this](const std::string& why) { on_failed({}, why); };
  events.awaited = [] { return std::vector<std::string>(); };
  loops_ = std::make_shared<cluster_loops>(task_loop::by_hand{});
  cluster_ = std::make_unique<cluster_node>(cluster_connection{std::make_unique<lent_broker>(connection_), in_.description}, store_.get(),
                                            in_.time, *in_.given, options_, describe_process(in_.definitions, in_.time),
                                            std::move(events), counts_, in_.lines, loops_,
                                            std::chrono::seconds(in_.chance(30) ? 2 : 60));
  members_.push_back(cluster_->member_id());
  actors::node_parts parts;
  parts.store = store_.get();
  parts.queue = &cluster_->queue();
  parts.shared_queue = &cluster_->shared_queue();
  parts.commits = &cluster_->commits();
  parts.time = &in_.time;
  parts.random = in_.given.get();
  parts.definitions = &in_.definitions;
  parts.backends = {this};
  parts.run_step = [this](std::function<void()> step) { steps_.push_back(std::move(step)); };
  parts.on_dispatch = [this](const auto& tasks) {
    for (const auto& task : tasks) cluster_->attempt_begins(*task);
  };
  parts.on_unrun = [this](const tasks::attempt_end& end) { cluster_->attempt_ended(*end.task); };
  parts.listener = this;
  parts.lines = in_.lines;
  actors::node_options node;
  node.boot = boot_number(description->boot_number());
  node.partitions = static_cast<std::uint16_t>(in_.partitions);
  node.start_partitions = false;
  constexpr std::int64_t idle_times_us[] = {60'000, 500'000, 10'000'000};
  node.passivate_after = std::chrono::microseconds(idle_times_us[in_.below(3)]);
  node.recovery_chunk = 1 + in_.below(3);
  node.choose_next = [this](std::size_t waiting) { return static_cast<std::size_t>(in_.below(waiting)); };
  node_ = std::make_unique<actors::node>(std::move(parts), node);
  cluster_->start(*node_);
}

void simulated_process::kill() {
  if (!alive()) return;
  in_.record.trace("kill " + name_);
  dying_ = true;
  connection_->cut();
  node_.reset();
  cluster_.reset();
  loops_.reset();
  earlier_.push_back(std::move(connection_));
  in_.record.count("fault: attempt lost", running_.size());
  for (running_attempt& each : running_) in_.lost.push_back(std::move(each));
  running_.clear();
  steps_.clear();
  paused_ = false;
  dying_ = false;
}

void simulated_process::expel() {
  for (const std::string& member : members_) {
    in_.server->expel(cluster::membership_group_name, member);
  }
  std::erase_if(members_, [this](const std::string& member) { return !alive() || member != cluster_->member_id(); });
}

void simulated_process::readmit() {
  if (acts() && in_.server->readmit(cluster::membership_group_name, cluster_->member_id())) in_.record.count("a member joins again");
}

void simulated_process::lose_writes() {
  const std::size_t all = store_->writes();
  store_->lose_all_but(all - std::min<std::size_t>(all, in_.below(20)));
}

void simulated_process::lose_store() { store_ = std::make_unique<lossy_store>(); }

void simulated_process::leave() {
  in_.record.trace("leave " + name_);
  cluster_->stop(std::chrono::milliseconds(0));
}

// --- what happens

bool simulated_process::step() {
  if (!acts()) return false;
  switch (in_.below(8)) {
    case 0:
      if (end_an_attempt()) return true;
      break;
    case 1:
      if (run_a_step()) return true;
      break;
    case 2:
      // What it does there may wait for the broker, which can't answer while this waits.
      if (!connection_->holds() && !connection_->refuses_readers() && loops_->chores.run_one()) return true;
      break;
    case 3: case 4:
      if (loops_->main.run_one()) return true;
      break;
    default:
      if (node_->run_one()) return true;
  }
  if (loops_->main.run_one() || node_->run_one()) return true;
  if (!connection_->holds() && !connection_->refuses_readers() && loops_->chores.run_one()) return true;
  return end_an_attempt() || run_a_step();
}

bool simulated_process::end_an_attempt() {
  if (running_.empty()) return false;
  const std::size_t which = in_.below(running_.size());
  const running_attempt ended = std::move(running_[which]);
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(which));
  cluster_->attempt_ended(*ended.task);
  report(ended);
  return true;
}

void simulated_process::report(const running_attempt& ended) {
  tasks::outcome how = some_outcome(ended);
  const tasks::dispatch_id id = tasks::dispatch_id_of(*ended.task);
  const std::string told = simulation::simulated_backend::describe(how);
  in_.record.trace(name_ + " reports " + tasks::to_string(id) + " " + told);
  in_.reported.emplace(id, told);
  actors::node::publish_attempt_end(cluster_->queue(), {ended.task, ended.started_us, std::move(how), {}});
}

tasks::outcome simulated_process::some_outcome(const running_attempt& which) {
  if (which.told_to_stop && in_.chance(60)) return tasks::canceled{};
  const std::uint64_t r = in_.calm ? 100 : in_.below(100);
  if (r < 15) {
    messages::Failure failure;
    failure.set_type("Refused");
    failure.set_message("refusal " + std::to_string(in_.next_text++));
    return tasks::failed{std::move(failure)};
  }
  if (r < 22 && which.task->options().start_to_close_us() > 0) return tasks::timed_out{};
  messages::Payload result;
  result.set_data(std::to_string(in_.next_text++));
  return tasks::completed{std::move(result)};
}

bool simulated_process::run_a_step() {
  if (steps_.empty()) return false;
  const std::size_t which = in_.below(steps_.size());
  const auto step = std::move(steps_[which]);
  steps_.erase(steps_.begin() + static_cast<std::ptrdiff_t>(which));
  in_.record.count("step");
  step();
  return true;
}

// --- what its parts tell

void simulated_process::on_answer(std::uint64_t token, actors::answer&& what) {
  if (dying_) return;
  if (!cluster_->pass_on(token, what)) answered_(token, what);
}

void simulated_process::on_ended(actors::ended_execution&& what) {
  if (!dying_) cluster_->pass_on(what);
}

void simulated_process::on_failed(partition_id, const std::string& message) {
  if (!dying_) in_.record.finding(name_ + " has failed: " + message);
}

void simulated_process::run(std::vector<std::shared_ptr<const messages::ActivityTask>> tasks) {
  if (dying_) return;
  in_.truth->read();
  for (auto& task : tasks) {
    const tasks::dispatch_id id = tasks::dispatch_id_of(*task);
    in_.record.trace(name_ + " dispatches " + tasks::to_string(id));
    in_.record.count(task->attempt() > 1 ? "retry" : "activity");
    if (!in_.dispatched.insert(id).second) in_.record.finding("dispatch id " + tasks::to_string(id) + " was used twice");
    if (!in_.truth->has_event(partition_id(static_cast<std::uint16_t>(id.partition)), id.run, id.scheduled_seq)) {
      in_.record.finding("attempt " + tasks::to_string(id) + " was dispatched, and what scheduled it is not in the log");
    }
    running_.push_back({std::move(task), to_micros(in_.time.now()), false});
  }
}

void simulated_process::cancel(const tasks::dispatch_id& id) {
  for (running_attempt& each : running_) {
    if (tasks::dispatch_id_of(*each.task) == id) each.told_to_stop = true;
  }
}

}  // namespace evermill::cluster_simulation
