#include "actors/node.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <xxhash.h>

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
    activities_ = system_.spawn<activity_actor>(parts_.backends, parts_.task_queues,
                                                [this](tasks::attempt_end&& end) { on_unrun(std::move(end)); });
    if (parts_.task_queues != nullptr) {
      parts_.task_queues->attach([activities = activities_](std::vector<task_ptr>&& tasks) {
        caf::anon_send(activities, std::make_shared<dispatch>(dispatch{std::move(tasks), {}, true}));
      });
    }
    for (std::uint16_t id = 0; id < options_.partitions; ++id) {
      if (auto recovered = start_partition(partition_id(id)); !recovered) {
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
    parts_.queue->close();
    if (parts_.task_queues != nullptr) parts_.task_queues->detach();
    for (const caf::actor& partition : partitions_) caf::anon_send(partition, stop_atom::value);
    caf::anon_send(activities_, stop_atom::value);
    caf::anon_send(committer_, stop_atom::value);
    {
      const std::lock_guard lock(partitions_guard_);
      partitions_.clear();
    }
    activities_ = nullptr;
    committer_ = nullptr;
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
    for (const caf::actor& partition : partitions_) caf::anon_send(partition, drain_atom::value);
    look();  // after the answers the message before has been handled
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
    for (const caf::actor& partition : partitions_) {
      auto question = std::make_shared<partition_look>();
      auto answer = question->answer.get_future();
      caf::anon_send(partition, std::move(question));
      drive_until_ready(answer);
      const auto [figures, idle] = answer.get();
      sum.first.turns += figures.turns;
      sum.first.activities_closed += figures.activities_closed;
      sum.first.late_results += figures.late_results;
      sum.first.repeats += figures.repeats;
      sum.first.live_instances += figures.live_instances;
      sum.second = sum.second && idle;
    }
    return sum;
  }

  void query(query_request&& query) const {
    const partition_id to = partition_of(query.workflow_id, options_.partitions);
    caf::anon_send(partitions_.at(to.value), std::make_shared<query_request>(std::move(query)));
  }

  bool run_one() const {
    const bool slow = options_.committer_waits && committer_;
    return run_one_simulated(system_, options_.choose_next, slow ? &committer_ : nullptr, options_.committer_waits);
  }

 private:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;

  /// The end of an attempt that no backend was given.
  void on_unrun(tasks::attempt_end&& end) {
    if (parts_.task_queues != nullptr) parts_.task_queues->ended(*end.task);
    publish_attempt_end(*parts_.queue, std::move(end));
  }

  storage::storage_result<void> start_partition(partition_id id) {
    auto recovered = std::make_shared<recovery_promise>();
    auto outcome = recovered->get_future();
    const auto partition =
        system_.spawn<partition_actor>(&parts_, &options_, id, watch_.get(), committer_, activities_, recovered);
    {
      const std::lock_guard lock(partitions_guard_);
      partitions_.push_back(partition);
    }
    drive_until_ready(outcome);
    return outcome.get();
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
    const std::lock_guard lock(partitions_guard_);
    if (turn.partition.value >= partitions_.size()) return;
    caf::anon_send(partitions_[turn.partition.value], std::make_shared<overdue_turn>(overdue_turn{turn}));
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
  std::mutex partitions_guard_;  // what writes partitions_ after the start, and the watch
  std::unique_ptr<turn_watch> watch_;
  caf::actor committer_;
  caf::actor activities_;
  std::vector<caf::actor> partitions_;
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
void node::query(query_request&& query) { impl_->query(std::move(query)); }
bool node::run_one() { return impl_->run_one(); }

}  // namespace evermill::actors
