#include "actors/node.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <xxhash.h>

#include <future>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "actors/activity_actor.hpp"
#include "actors/committer_actor.hpp"
#include "actors/partition_actor.hpp"
#include "actors/simulated_scheduling.hpp"
#include "actors/spare_threads.hpp"
#include "actors/turn_watch.hpp"
#include "base/check.hpp"
#include "evermill/registry.hpp"

namespace evermill::actors {
namespace {

/// How many messages an actor handles before another has its turn.
constexpr std::size_t messages_per_turn = 300;
constexpr std::chrono::milliseconds finish_poll_interval{2};
/// As many turns may not come back before others have fewer threads.
constexpr unsigned spare_thread_count = 4;

class system_config : public caf::actor_system_config {
 public:
  system_config(unsigned threads, bool simulated) {
    add_message_types<caf::id_block::evermill>();
    set("scheduler.policy", simulated ? caf::atom("testing") : caf::atom("sharing"));
    set("scheduler.max-threads", threads);
    set("scheduler.max-throughput", messages_per_turn);
    set("logger.console", caf::atom("none"));
  }
};

/// CAF keeps a system's logger alive through a thread-local of each thread that spawns on it, and waits for it when the system ends:
/// so partitions are spawned on the system's own threads, whoever asks for them.
class starter final : public caf::event_based_actor {
 public:
  using caf::event_based_actor::event_based_actor;

 protected:
  caf::behavior make_behavior() override {
    return {[](const partition_start_ptr& start) { start->spawned.set_value(start->spawn()); }, [this](stop_atom) { quit(); }};
  }
};

}  // namespace

partition_id partition_of(std::string_view workflow_id, std::uint16_t partitions) {
  return partition_id(static_cast<std::uint16_t>(XXH3_64bits(workflow_id.data(), workflow_id.size()) % partitions));
}

class node::impl {
 public:
  impl(node_parts parts, node_options options)
      : parts_(std::move(parts)),
        options_(options),
        config_(work_threads(options) + (watches() ? spare_thread_count : 0), simulated()),
        system_(config_),
        spare_(system_) {
    if (watches()) start_watching();
    committer_ = simulated() ? system_.spawn<committer_actor>(parts_.store)
                             : system_.spawn<committer_actor, caf::detached>(parts_.store);
    activities_ = system_.spawn<activity_actor>(parts_, [this](tasks::attempt_end&& end) { on_unrun(std::move(end)); });
    if (parts_.task_queues != nullptr) {
      parts_.task_queues->attach([activities = activities_](std::vector<task_ptr>&& tasks) {
        caf::anon_send(activities, std::make_shared<dispatch>(dispatch{std::move(tasks), {}, true}));
      });
    }
    starter_ = system_.spawn<starter>();
    if (parts_.deciders != nullptr) {
      parts_.deciders->on_served([this] {
        for (const caf::actor& partition : partitions()) caf::anon_send(partition, served_atom::value);
      });
    }
    for (std::uint16_t id = 0; options_.start_partitions && id < options_.partitions; ++id) {
      if (auto recovered = start_partition(partition_id(id), options_.boot); !recovered) {
        stop();
        throw std::runtime_error(recovered.error().message);
      }
    }
  }

  ~impl() { stop(); }

  void keep_what_is_left_behind() {
    definitions_ = std::make_unique<registry>(*parts_.definitions);
    parts_.lines.error({}, "{} turns of workflows have not come back: they and their threads are left behind", watch_->overdue());
  }

  void stop() {
    if (std::exchange(stopped_, true)) return;
    if (parts_.deciders != nullptr) parts_.deciders->on_served({});
    parts_.queue->close();
    if (parts_.task_queues != nullptr) parts_.task_queues->detach();
    for (const caf::actor& partition : partitions()) caf::anon_send(partition, stop_atom::value);
    for (const caf::actor& each : {starter_, activities_, committer_}) caf::anon_send(each, stop_atom::value);
    {
      const std::lock_guard lock(partitions_guard_);
      partitions_.clear();
    }
    starter_ = activities_ = committer_ = nullptr;
    while (simulated() && run_one()) {
    }
    spare_.stop();
    // What does not come back is left behind.
    while (watch_ && system_.registry().running() > watch_->overdue()) pause();
    if (!left_behind()) system_.await_all_actors_done();
  }

  /// Are there turns that have not come back, so that this must not be destroyed?
  bool left_behind() const { return watch_ && watch_->overdue() > 0; }

  void drain() {
    for (const caf::actor& partition : partitions()) caf::anon_send(partition, drain_atom::value);
    look();  // after the answers the message before has been handled
  }

  storage::storage_result<void> start_partition(partition_id id, boot_number boot) {
    auto recovered = std::make_shared<recovery_promise>();
    auto outcome = recovered->get_future();
    auto gone = std::make_shared<std::promise<void>>();
    running_partition started{{}, gone->get_future()};
    const auto start = std::make_shared<partition_start>();
    start->spawn = [&] {
      return system_.spawn<partition_actor>(&parts_, &options_, id, boot, watch_.get(), committer_, activities_,
                                            partition_promises{recovered, gone});
    };
    auto spawned = start->spawned.get_future();
    caf::anon_send(starter_, start);
    drive_until_ready(spawned);
    started.actor = spawned.get();
    {
      const std::lock_guard lock(partitions_guard_);
      EVERMILL_CHECK(partitions_.try_emplace(id, std::move(started)).second, "a partition runs once");
    }
    drive_until_ready(outcome);
    auto result = outcome.get();
    if (!result) stop_partition(id);
    return result;
  }

  void stop_partition(partition_id id) {
    std::optional<running_partition> stopped;
    {
      const std::lock_guard lock(partitions_guard_);
      const auto it = partitions_.find(id);
      if (it == partitions_.end()) return;
      stopped = std::move(it->second);
      partitions_.erase(it);
    }
    caf::anon_send(stopped->actor, stop_atom::value);
    drive_until_ready(stopped->gone);
    stopped->gone.wait();
  }

  void drain_partition(partition_id id) {
    const caf::actor partition = find(id);
    if (!partition) return;
    caf::anon_send(partition, drain_atom::value);
    static_cast<void>(look(partition));  // as `drain`: what is said of its attempts from now on finds it draining
  }

  void published(partition_id id, std::uint64_t through) {
    if (const caf::actor partition = find(id)) caf::anon_send(partition, published_atom::value, through);
  }

  bool partition_idle(partition_id id) const {
    const caf::actor partition = find(id);
    const auto seen = partition ? look(partition) : std::nullopt;
    return !seen || seen->second;
  }

  bool has_partition(partition_id id) const { return static_cast<bool>(find(id)); }

  void send_unacknowledged() {
    for (const caf::actor& partition : partitions()) caf::anon_send(partition, resend_atom::value);
  }

  bool finish(std::chrono::milliseconds limit) {
    for (std::chrono::milliseconds waited{0}; waited <= limit; waited += finish_poll_interval) {
      if (look().second && look().second) return true;  // twice: a partition may just have written to another
      pause();
    }
    return false;
  }

  std::pair<partition_statistics, bool> look() const {
    std::pair<partition_statistics, bool> sum{{}, true};
    for (const caf::actor& partition : partitions()) {
      const auto seen = look(partition);
      if (!seen) continue;
      const auto& [figures, idle] = *seen;
      sum.first.turns += figures.turns;
      sum.first.activities_closed += figures.activities_closed;
      sum.first.late_results += figures.late_results;
      sum.first.repeats += figures.repeats;
      sum.first.events_lost += figures.events_lost;
      sum.first.live_instances += figures.live_instances;
      sum.second = sum.second && idle;
    }
    return sum;
  }

  bool query(query_request&& query) const {
    const caf::actor to = find(partition_of(query.workflow_id, options_.partitions));
    if (to) caf::anon_send(to, std::make_shared<query_request>(std::move(query)));
    return static_cast<bool>(to);
  }

  bool run_one() const {
    const bool slow = options_.committer_waits && committer_;
    return run_one_simulated(system_, options_.choose_next, slow ? &committer_ : nullptr, options_.committer_waits);
  }

 private:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;
  struct running_partition {
    caf::actor actor;
    std::future<void> gone;
  };

  caf::actor find(partition_id id) const {
    const std::lock_guard lock(partitions_guard_);
    const auto it = partitions_.find(id);
    return it == partitions_.end() ? nullptr : it->second.actor;
  }

  std::vector<caf::actor> partitions() const {
    const std::lock_guard lock(partitions_guard_);
    std::vector<caf::actor> all;
    all.reserve(partitions_.size());
    for (const auto& [id, each] : partitions_) all.push_back(each.actor);
    return all;
  }

  /// Nothing: it was stopped meanwhile.
  std::optional<std::pair<partition_statistics, bool>> look(const caf::actor& partition) const {
    auto question = std::make_shared<partition_look>();
    auto answer = question->answer.get_future();
    caf::anon_send(partition, std::move(question));
    drive_until_ready(answer);
    try {
      return answer.get();
    } catch (const std::future_error&) {
      return std::nullopt;
    }
  }

  /// The end of an attempt that no backend was given.
  void on_unrun(tasks::attempt_end&& end) {
    if (parts_.task_queues != nullptr) parts_.task_queues->ended(*end.task);
    if (parts_.on_unrun) parts_.on_unrun(end);
    publish_attempt_end(*parts_.queue, std::move(end));
  }

  static unsigned work_threads(const node_options& options) {
    return options.workflow_threads != 0 ? options.workflow_threads : std::max(1u, std::thread::hardware_concurrency());
  }

  bool simulated() const { return static_cast<bool>(options_.choose_next); }
  bool watches() const { return !simulated() && options_.turn_timeout.count() > 0; }

  void start_watching() {
    for (unsigned n = 0; n < spare_thread_count; ++n) spare_.add();
    watch_ = std::make_unique<turn_watch>(options_.turn_timeout,
                                          turn_watch::callbacks{[this](const turn_name& turn) { on_overdue(turn); },
                                                                [this] { spare_.add(); }});
  }

  void on_overdue(const turn_name& turn) {
    if (!spare_.use()) {
      parts_.lines.error({turn.partition, {}, turn.run},
                         "no spare thread is left for a turn that does not come back: all others have one thread less");
    }
    const caf::actor partition = find(turn.partition);
    if (partition) caf::anon_send(partition, std::make_shared<overdue_turn>(overdue_turn{turn}));
  }

  void pause() const {
    std::promise<void> rung;
    parts_.time->set_alarm(parts_.time->now() + finish_poll_interval, [&rung] { rung.set_value(); });
    rung.get_future().wait();
  }

  /// Nobody but the caller runs the actors of a simulated node.
  template <class T>
  void drive_until_ready(std::future<T>& result) const {
    if (!simulated()) return;
    while (result.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      EVERMILL_CHECK(run_one(), "what is waited for in a simulation has an actor that can go on");
    }
  }

  node_parts parts_;
  std::unique_ptr<registry> definitions_;  // of code that is left behind
  node_options options_;
  system_config config_;
  mutable caf::actor_system system_;
  spare_threads spare_;
  bool stopped_ = false;
  mutable std::mutex partitions_guard_;
  std::unique_ptr<turn_watch> watch_;
  caf::actor committer_;
  caf::actor activities_;
  caf::actor starter_;
  std::map<partition_id, running_partition> partitions_;
};

node::node(node_parts parts, node_options options) : impl_(std::make_unique<impl>(std::move(parts), options)) {}
/// A thread that runs code can't be ended: where one does not come back, it keeps what it uses.
node::~node() {
  impl_->stop();
  if (!impl_->left_behind()) return;
  impl_->keep_what_is_left_behind();
  static_cast<void>(impl_.release());
}
void node::drain() { impl_->drain(); }
bool node::finish(std::chrono::milliseconds limit) { return impl_->finish(limit); }
partition_statistics node::statistics() const { return impl_->look().first; }
bool node::query(query_request&& query) { return impl_->query(std::move(query)); }
storage::storage_result<void> node::start_partition(partition_id id, boot_number boot) { return impl_->start_partition(id, boot); }
void node::drain_partition(partition_id id) { impl_->drain_partition(id); }
bool node::partition_idle(partition_id id) const { return impl_->partition_idle(id); }
void node::published(partition_id id, std::uint64_t through) { impl_->published(id, through); }
void node::stop_partition(partition_id id) { impl_->stop_partition(id); }
bool node::has_partition(partition_id id) const { return impl_->has_partition(id); }
void node::send_unacknowledged() { impl_->send_unacknowledged(); }
bool node::run_one() { return impl_->run_one(); }

}  // namespace evermill::actors
