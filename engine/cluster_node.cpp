#include "engine/cluster_node.hpp"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "cluster/plan.hpp"
#include "cluster/remote_executions.hpp"
#include "cluster/remote_store.hpp"
#include "cluster/streams.hpp"
#include "engine/cluster_messages.hpp"
#include "engine/inspection.hpp"
#include "plugins/queue/open_broker.hpp"
#include "storage/rows.hpp"

namespace evermill {
namespace {

constexpr std::chrono::milliseconds tick_interval{500};
constexpr std::chrono::seconds watch_life{30};
constexpr std::chrono::milliseconds give_up_limit{5'000};
constexpr std::chrono::seconds ask_broker_interval{2};
constexpr int ask_broker_share = 10;  ///< asking takes at most one in so many of the time, however many partitions there are

/// A log that can't be followed is no reason to open the store anew.
bool is_about_store(storage::storage_errc code) {
  return code == storage::storage_errc::io || code == storage::storage_errc::no_space || code == storage::storage_errc::read_only;
}

[[noreturn]] void refuse(const queue::broker_error& why) {
  engine_errc code = engine_errc::unavailable;
  if (why.code == queue::broker_errc::invalid) code = engine_errc::invalid_argument;
  if (why.code == queue::broker_errc::not_found) code = engine_errc::not_found;
  throw engine_error(code, why.message);
}

}  // namespace

cluster_connection connect_to_cluster(const engine_options& options, random_source& random, const log& lines) {
  auto broker = queue::open_broker(options.queue, lines);
  if (!broker) refuse(broker.error());
  auto description = options.mode == engine_mode::client ? cluster::find_cluster(**broker)
                                                         : cluster::open_cluster(**broker, options.partitions, random);
  if (!description) refuse(description.error());
  return {std::move(*broker), std::move(*description)};
}

messages::MemberDescription describe_process(const registry& definitions, const clock& time) {
  messages::MemberDescription says;
  says.set_role(messages::MemberDescription::NODE);
  char host[256] = "";
  if (::gethostname(host, sizeof host - 1) == 0) says.set_host(host);
  says.set_process_id(::getpid());
  says.set_version(EVERMILL_VERSION);
  says.set_started_us(to_micros(time.now()));
  for (const std::string& name : definitions.workflow_names()) says.add_workflow_types(name);
  return says;
}

cluster_node::cluster_node(cluster_connection connection, storage::key_value_store* store, clock& time, random_source& random,
                           const engine_options& options, messages::MemberDescription says, cluster_events events,
                           cluster_metrics& counts, log lines, std::shared_ptr<cluster_loops> loops,
                           std::chrono::milliseconds patience)
    : description_(std::move(connection.description)),
      member_id_(make_uuid(random)),
      store_(store),
      time_(time),
      random_(random),
      events_(std::move(events)),
      counts_(counts),
      log_(std::move(lines)),
      only_asks_(store == nullptr),
      broker_(std::move(connection.broker)),
      local_(queue::make_memory_queue(member_id_, description_.partition_count())),
      loops_(std::move(loops)),
      chores_(loops_->chores),
      loop_(loops_->main),
      decisions_({.cluster_id = description_.cluster_id(),
                  .member = member_id_,
                  .partition_count = description_.partition_count()},
                 *broker_,
                 [this](partition_id at, const std::string& to, std::uint64_t token) { return addresses_.add({at, to, token}); },
                 chores_.poster(), log_),
      router_({.member = member_id_, .partition_count = description_.partition_count(), .give_up_after = patience}, *local_, decisions_,
              time_, random_,
              [this](std::uint64_t token, const std::string& why) {
                events_.on_answer(token, {actors::answer::outcome::unavailable, {}, {}, false, why});
              }),
      attempts_(description_.partition_count()) {
  if (only_asks_) return;
  cluster::node_member_options how;
  how.member = member_id_;
  how.says = std::move(says);
  how.cluster = description_;
  how.session_timeout = options.session_timeout;
  how.snapshot_log_bytes = options.snapshot_log_bytes;
  how.says.set_standbys(static_cast<std::uint32_t>(options.standbys));
  how.counts = counts_.ownership;
  member_ = std::make_unique<cluster::node_member>(std::move(how), *store_, *broker_, time_, random_,
                                                   static_cast<cluster::partition_host&>(*this), loop_.poster(), chores_.poster(), log_);
}

/// Once nothing runs on the loops, everything may go in any order that its parts allow.
cluster_node::~cluster_node() {
  stopping_ = true;
  calls_.close();
  loop_.run([this] {
    if (alarm_) time_.cancel_alarm(*alarm_);
    inbox_.reset();
    plans_.reset();
    member_.reset();
    workers_.reset();
    hosted_.reset();
  });
  loop_.end();
  if (alarm_) time_.cancel_alarm(*alarm_);
  broker_->close();  // ends what a chore waits for
  chores_.end();
  if (!only_asks_) counts_.gone();
}

void cluster_node::start(actors::node* node) {
  queue::broker_result<void> started;
  loop_.run([&] {
    node_ = node;
    inbox_ = std::make_unique<cluster::inbox>(
        member_id_, *broker_, loop_.poster(), [this](messages::ProcessMessage&& message) { deliver(std::move(message)); }, log_);
    started = inbox_->opened();
    if (started) started = member_ ? member_->start() : start_reading_plans();
    if (started) tick();
  });
  if (!started) refuse(started.error());
}

/// Of a process that is no member.
queue::broker_result<void> cluster_node::start_reading_plans() {
  plans_ = std::make_unique<cluster::plan_reader>(description_.cluster_id(), *broker_, loop_.poster(),
                                                  [this] { on_plan(plans_->plan()); }, log_);
  if (auto started = plans_->start(); !started) return started;
  on_plan(plans_->plan());
  return {};
}

void cluster_node::stop(std::chrono::milliseconds limit) {
  if (!member_) return;
  const auto is_free = [this] { return member_->is_free(); };
  bool has_peers = false;
  loop_.run([&] {
    has_peers = member_->has_peers();
    if (has_peers) member_->leave();
  });
  if (has_peers) loop_.wait_until(is_free, limit);
  loop_.run([this] { member_->close_down(); });
  loop_.wait_until(is_free, limit + give_up_limit);
  end_partitions("the process stops");
}

void cluster_node::abandon() { end_partitions("the engine has lost its storage"); }

void cluster_node::end_partitions(const std::string& why) {
  stopping_ = true;
  loop_.run([&] {
    for (std::uint32_t id = 0; id < partitions(); ++id) stop(partition_id(static_cast<std::uint16_t>(id)), why);
    node_ = nullptr;
    if (member_) member_->end();
  });
}

void cluster_node::tick() {
  if (stopping_) return;
  alarm_ = time_.set_alarm(time_.now() + tick_interval, [post = loop_.poster(), this] { post([this] { tick(); }); });
  inbox_->look();
  if (plans_) plans_->look();
  router_.tick();
  decisions_.look();
  if (workers_) workers_->tick();
  if (hosted_) hosted_->tick();
  if (node_ != nullptr && !only_asks_) node_->send_unacknowledged();
  watch_all();
  measure();
}

// --- what it tells its metrics

void cluster_node::measure() {
  if (!member_) return;
  std::vector<cluster::partition_share> shares = member_->shares();
  std::vector<partition_id> followed;
  for (const cluster::partition_share& each : shares) {
    if (!each.owned && !each.broken) followed.push_back(each.id);
  }
  counts_.set(std::move(shares), member_->why_apart());
  if (asking_broker_ || time_.now() < ask_broker_at_) return;
  asking_broker_ = true;
  chores_.post([this, followed = std::move(followed)] { ask_broker(followed); });
}

/// As a chore: where the logs end that this process follows; and, also where it follows none, whether the broker answers.
void cluster_node::ask_broker(const std::vector<partition_id>& followed) {
  const timestamp began = time_.now();
  std::optional<std::string> failure;
  const auto end_of = [&](const queue::stream_partition& which) -> queue::position {
    const auto bounds = broker_->bounds(which);
    if (bounds) return bounds->last;
    failure = bounds.error().message;
    return 0;
  };
  static_cast<void>(end_of({cluster::plan_stream_name, 0}));
  std::map<partition_id, queue::position> ends;
  for (const partition_id each : followed) {
    if (failure) break;
    ends[each] = end_of({cluster::log_stream_name, each.value});
  }
  if (!failure) counts_.set_ends(std::move(ends));
  counts_.set_broker_failure(std::move(failure), time_.now());
  loop_.post([this, took = time_.now() - began] {
    asking_broker_ = false;
    ask_broker_at_ = time_.now() + std::max<std::chrono::microseconds>(ask_broker_interval, ask_broker_share * took);
  });
}

tasks::remote_backend& cluster_node::workers(tasks::on_attempt_end report, cluster::remote_workers::on_released released) {
  const auto send = [this](messages::ProcessMessage&& message) { inbox_->send(std::move(message)); };
  workers_ = std::make_unique<cluster::remote_workers>(cluster::remote_workers_options{}, time_, loop_.poster(), send,
                                                       std::move(report), std::move(released), log_);
  return *workers_;
}

// --- workers that are connected to this process

void cluster_node::host_workers(std::function<void(std::vector<cluster::worker_agent::task_ptr>&&)> run,
                                std::function<void(const tasks::dispatch_id&, messages::AttemptCancellation::How)> tell) {
  cluster::worker_agent::actions does;
  does.send = [this](messages::ProcessMessage&& message) {
    if (inbox_) inbox_->send(std::move(message));
  };
  does.run = std::move(run);
  does.tell = std::move(tell);
  hosted_ = std::make_unique<cluster::worker_groups>(time_, std::move(does));
}

void cluster_node::set_capacity(std::vector<std::string> task_queues, std::size_t capacity) {
  loop_.post([this, task_queues = std::move(task_queues), capacity] { hosted_->set_capacity(task_queues, capacity); });
}

void cluster_node::hosted_attempt_ended(const tasks::dispatch_id& id) {
  loop_.post([this, id] { hosted_->on_ended(id); });
}

void cluster_node::hosted_attempt_acknowledged(const tasks::dispatch_id& id) {
  loop_.post([this, id] { hosted_->on_acknowledged(id); });
}

// --- partitions that run here

storage::storage_result<void> cluster_node::start(partition_id id, std::uint64_t epoch) {
  router_.set_local(id, true);
  auto started = node_->start_partition(id, boot_number(epoch));
  if (!started) {
    router_.set_local(id, false);
    router_.discard(id);
    return started;
  }
  {
    const std::unique_lock lock(running_guard_);
    running_.insert(id);
  }
  fresh_.insert(id);
  router_.hasten(id);
  return {};
}

void cluster_node::drain(partition_id id) {
  router_.set_local(id, false);
  node_->drain_partition(id);
  if (!workers_) return;
  // By way of memory: to the partition as it drains, to which it means that they wait, and to no later owner.
  for (auto& task : workers_->take_waiting(id.value)) {
    actors::node::publish_attempt_end(*local_, {std::move(task), 0, tasks::canceled{}});
  }
}

bool cluster_node::is_drained(partition_id id) {
  return attempts_[id.value] == 0 && node_->partition_idle(id) && node_->partition_idle(id);
}

void cluster_node::stop(partition_id id, const std::string& why) {
  {
    const std::unique_lock lock(running_guard_);
    if (running_.erase(id) == 0) return;
  }
  router_.set_local(id, false);
  node_->stop_partition(id);
  router_.discard(id);
  addresses_.forget(id);
  if (workers_) workers_->forget(id.value);
  attempts_[id.value] = 0;
  fresh_.erase(id);
  events_.on_gone(id, why);
}

void cluster_node::on_plan(const messages::ClusterPlan& plan) {
  std::vector<partition_id> moved;
  {
    const std::lock_guard lock(plan_guard_);
    for (int id = 0; id < plan.partitions_size(); ++id) {
      const bool same = id < plan_.partitions_size() && plan_.partitions(id).owner() == plan.partitions(id).owner();
      if (!same) moved.emplace_back(static_cast<std::uint16_t>(id));
    }
    plan_ = plan;
  }
  if (hosted_) hosted_->on_plan(plan);
  for (const partition_id each : moved) router_.hasten(each);
}

void cluster_node::on_stopped(partition_id id, const storage::storage_error& why) {
  log_.error({id, {}, {}}, "the partition can't be followed any more: {}", why.message);
  if (is_about_store(why.code)) events_.on_failed(why.message);
}

bool cluster_node::runs(partition_id id) const {
  const std::shared_lock lock(running_guard_);
  return running_.contains(id);
}

void cluster_node::attempt_ended(const messages::ActivityTask& task) {
  std::atomic<std::uint32_t>& count = attempts_[task.partition()];
  for (std::uint32_t now = count; now > 0 && !count.compare_exchange_weak(now, now - 1);) {
  }
}

// --- what other processes ask

bool cluster_node::pass_on(std::uint64_t token, actors::answer& what) {
  router_.answered(token);
  if (!return_addresses::is_one(token)) return false;
  if (const auto to = addresses_.take(token)) send_answer(to->process, to->call, what);
  return true;
}

void cluster_node::pass_on(const actors::ended_execution& what) {
  std::vector<std::string> processes;
  {
    const std::lock_guard lock(watchers_guard_);
    const auto [first, last] = watchers_.equal_range(what.workflow_id);
    for (auto it = first; it != last; ++it) processes.push_back(it->second.process);
    watchers_.erase(first, last);
  }
  for (const std::string& each : processes) {
    messages::ProcessMessage message;
    message.set_to(each);
    message.mutable_ended()->set_workflow_id(what.workflow_id);
    *message.mutable_ended()->mutable_end() = what.end;
    inbox_->send(std::move(message));
  }
}

void cluster_node::send_answer(const std::string& to, std::uint64_t call, const actors::answer& what) {
  messages::ProcessMessage message;
  message.set_to(to);
  message.set_call(call);
  *message.mutable_answer() = to_message(what);
  inbox_->send(std::move(message));
}

void cluster_node::deliver(messages::ProcessMessage&& message) {
  switch (message.what_case()) {
    case messages::ProcessMessage::kAnswer:
      if (process_calls::is_one(message.call())) {
        calls_.answered(std::move(message));
      } else if (router_.answered(message.call())) {
        events_.on_answer(message.call(), from_message(std::move(*message.mutable_answer())));
      }
      break;
    case messages::ProcessMessage::kReadReply:
    case messages::ProcessMessage::kExecutionsReply:
    case messages::ProcessMessage::kLoad: calls_.answered(std::move(message)); break;
    case messages::ProcessMessage::kLoadRequest: answer_load_request(message); break;
    case messages::ProcessMessage::kWorkerStatus:
      if (workers_) workers_->on_status(message.from(), message.worker_status());
      break;
    case messages::ProcessMessage::kWorkerTasks:
      if (hosted_) hosted_->on_tasks(message.from(), std::move(*message.mutable_worker_tasks()));
      break;
    case messages::ProcessMessage::kAttemptCancellation:
      if (hosted_) hosted_->on_cancellation(message.attempt_cancellation());
      break;
    case messages::ProcessMessage::kRead: answer_read(message); break;
    case messages::ProcessMessage::kExecutions: answer_executions(std::move(message)); break;
    case messages::ProcessMessage::kQuery: answer_query(message); break;
    case messages::ProcessMessage::kWatch: answer_watch(message); break;
    case messages::ProcessMessage::kEnded:
      if (message.ended().has_end()) {
        events_.on_ended({message.ended().workflow_id(), std::move(*message.mutable_ended()->mutable_end())});
      }
      break;
    default: break;
  }
}

void cluster_node::answer_read(const messages::ProcessMessage& message) {
  messages::ProcessMessage reply;
  reply.set_to(message.from());
  reply.set_call(message.call());
  if (!runs(partition_id(static_cast<std::uint16_t>(message.read().partition())))) {
    reply.mutable_read_reply()->set_not_owner(true);
  } else {
    *reply.mutable_read_reply() = cluster::answer_read(*store_, message.read());
  }
  inbox_->send(std::move(reply));
}

messages::ExecutionsReply cluster_node::executions_here(const messages::ExecutionsRequest& request) const {
  const partition_id at(static_cast<std::uint16_t>(request.partition()));
  messages::ExecutionsReply reply;
  if (runs(at)) reply = cluster::answer_executions(*store_, request);
  if (runs(at)) return reply;
  reply.Clear();  // its rows may be others' already
  reply.set_not_owner(true);
  return reply;
}

/// Many rows may have to be read: as a chore, which the loop does not wait for.
void cluster_node::answer_executions(messages::ProcessMessage&& message) {
  chores_.post([this, message = std::move(message)] {
    messages::ProcessMessage reply;
    reply.set_to(message.from());
    reply.set_call(message.call());
    *reply.mutable_executions_reply() = executions_here(message.executions());
    loop_.post([this, reply = std::move(reply)]() mutable {
      if (inbox_) inbox_->send(std::move(reply));
    });
  });
}

void cluster_node::answer_query(const messages::ProcessMessage& message) {
  const messages::InstanceQuery& asked = message.query();
  const partition_id at(static_cast<std::uint16_t>(asked.partition()));
  const std::uint64_t token = addresses_.add({at, message.from(), message.call()});
  actors::query_request query{asked.workflow_id(), {token, asked.name(), asked.input()}};
  if (runs(at) && node_ != nullptr && node_->query(std::move(query))) return;
  addresses_.take(token);
  messages::ProcessMessage reply;
  reply.set_to(message.from());
  reply.set_call(message.call());
  reply.mutable_answer()->set_outcome(messages::RequestAnswer::NOT_OWNER);
  inbox_->send(std::move(reply));
}

/// Remembers first and looks then, so that an end in between is not missed.
void cluster_node::answer_watch(const messages::ProcessMessage& message) {
  if (!runs(partition_id(static_cast<std::uint16_t>(message.watch().partition())))) return;
  const timestamp now = time_.now();
  {
    const std::lock_guard lock(watchers_guard_);
    std::erase_if(watchers_, [now](const auto& entry) { return entry.second.until < now; });
    for (const std::string& id : message.watch().workflow_ids()) {
      const auto [first, last] = watchers_.equal_range(id);
      const auto its = std::find_if(first, last, [&](const auto& entry) { return entry.second.process == message.from(); });
      if (its != last) {
        its->second.until = now + watch_life;
      } else {
        watchers_.emplace(id, watcher{message.from(), now + watch_life});
      }
    }
  }
  for (const std::string& id : message.watch().workflow_ids()) send_end(message.from(), id);
}

void cluster_node::answer_load_request(const messages::ProcessMessage& message) {
  messages::ProcessMessage reply;
  reply.set_to(message.from());
  reply.set_call(message.call());
  messages::ProcessLoad& load = *reply.mutable_load();
  if (node_ != nullptr) {
    const actors::partition_statistics now = node_->statistics();
    load.set_live_instances(now.live_instances);
    load.set_turns(now.turns);
    load.set_ended_attempts(now.activities_closed);
  }
  for (const std::atomic<std::uint32_t>& each : attempts_) load.set_running_attempts(load.running_attempts() + each);
  inbox_->send(std::move(reply));
}

partition_id cluster_node::partition_of(const std::string& workflow_id) const {
  return actors::partition_of(workflow_id, static_cast<std::uint16_t>(partitions()));
}

/// Where it has ended. "" as process: this one.
bool cluster_node::send_end(const std::string& to, const std::string& workflow_id) {
  const partition_id at = partition_of(workflow_id);
  const auto header = storage::find_header(*store_, at, workflow_id);
  if (!header || !*header) return false;
  std::optional<messages::Event> end;
  try {
    end = inspection::find_end(*store_, at, **header);
  } catch (const engine_error& error) {
    log_.error({at, workflow_id, {}}, "its end can't be read: {}", error.what());
  }
  if (!end) return false;
  if (to.empty()) {
    events_.on_ended({workflow_id, std::move(*end)});
    return true;
  }
  messages::ProcessMessage message;
  message.set_to(to);
  message.mutable_ended()->set_workflow_id(workflow_id);
  *message.mutable_ended()->mutable_end() = std::move(*end);
  inbox_->send(std::move(message));
  return true;
}

}  // namespace evermill
