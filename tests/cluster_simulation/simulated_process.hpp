// One process of a simulated cluster: the production code of a node, on one thread, run by hand. Its store outlives its lives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/node.hpp"
#include "auditor.hpp"
#include "engine/cluster_node.hpp"
#include "engine/engine_metrics.hpp"
#include "lossy_store.hpp"
#include "plugins/task/task_backend.hpp"
#include "tests/cluster/late_broker.hpp"
#include "tests/simulation/record.hpp"
#include "tests/simulation/simulated_parts.hpp"

namespace evermill::cluster_simulation {

struct running_attempt {
  std::shared_ptr<const messages::ActivityTask> task;
  std::int64_t started_us = 0;
  bool told_to_stop = false;
};

/// What all processes share.
struct world {
  explicit world(std::uint64_t seed, bool print);

  std::uint64_t below(std::uint64_t bound) { return dice->next() % bound; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }

  simulation::run_record record;
  log lines;
  std::unique_ptr<random_source> dice;   ///< the world's choices
  std::unique_ptr<random_source> given;  ///< what processes draw from
  simulation::simulated_clock time;
  std::shared_ptr<queue::memory_server> server = queue::make_memory_server(&time);
  std::uint32_t partitions = 2;
  registry definitions;
  messages::ClusterDescription description;
  std::unique_ptr<auditor> truth;
  bool calm = false;  ///< no more faults, and attempts complete
  std::set<tasks::dispatch_id> dispatched;
  std::set<std::pair<tasks::dispatch_id, std::string>> reported;
  std::vector<running_attempt> lost;  ///< with their processes; but what they have done may still be told
  std::uint64_t next_text = 1;
};

class simulated_process final : private actors::node_listener, private tasks::task_backend {
 public:
  using on_answered = std::function<void(std::uint64_t token, const actors::answer& what)>;

  simulated_process(world& in, std::string name, on_answered answered);
  ~simulated_process() override;
  simulated_process(const simulated_process&) = delete;
  simulated_process& operator=(const simulated_process&) = delete;

  void start();
  /// Nothing of it goes on; what is on its way to the broker may come. The others are not told.
  void kill();
  /// The others are told of its last life's end, or that it is not heard of.
  void expel();
  /// It is heard of again.
  void readmit();
  /// A power cut takes the last writes of its store.
  void lose_writes();
  void lose_store();
  /// It does nothing, and hears nothing.
  void pause(bool pauses) { paused_ = pauses; }
  /// Gives up all that it has.
  void leave();

  bool alive() const { return node_ != nullptr; }
  bool paused() const { return paused_; }
  bool acts() const { return alive() && !paused_; }
  const std::string& label() const { return name_; }
  cluster::late_broker& connection() { return *connection_; }
  std::vector<std::shared_ptr<cluster::late_broker>>& earlier_connections() { return earlier_; }
  const storage::key_value_store& store() const { return *store_; }
  bool owns(partition_id id) const { return alive() && cluster_->runs(id); }
  void publish(partition_id to, std::shared_ptr<const messages::DecisionEvent> event) { cluster_->queue().publish(to, std::move(event)); }

  /// Lets one thing happen. False: nothing can.
  bool step();
  /// Tells how an attempt has ended, be it its own or one that was lost.
  void report(const running_attempt& ended);

 private:
  void on_answer(std::uint64_t token, actors::answer&& what) override;
  void on_ended(actors::ended_execution&& what) override;
  void on_turn(actors::durable_turn&&) override {}
  void on_update_ended(actors::ended_update&&) override {}
  bool has_followers() override { return false; }
  void on_failed(partition_id partition, const std::string& message) override;

  std::string_view name() const override { return "simulated"; }
  bool serves(std::string_view) const override { return true; }
  void run(std::vector<std::shared_ptr<const messages::ActivityTask>> tasks) override;
  void cancel(const tasks::dispatch_id& id) override;
  void request_stop(const tasks::dispatch_id& id) override { cancel(id); }
  void expire(const tasks::dispatch_id&) override {}
  void stop(std::chrono::milliseconds) override {}

  bool end_an_attempt();
  bool run_a_step();
  tasks::outcome some_outcome(const running_attempt& which);

  world& in_;
  const std::string name_;
  const on_answered answered_;
  std::unique_ptr<lossy_store> store_ = std::make_unique<lossy_store>();
  std::vector<std::shared_ptr<cluster::late_broker>> earlier_;
  std::shared_ptr<cluster::late_broker> connection_;
  std::vector<std::string> members_;  ///< of lives that others may still believe in
  engine_options options_;
  cluster_metrics counts_;
  std::shared_ptr<cluster_loops> loops_;
  std::unique_ptr<cluster_node> cluster_;
  std::unique_ptr<actors::node> node_;
  std::vector<running_attempt> running_;
  std::vector<std::function<void()>> steps_;
  bool paused_ = false;
  bool dying_ = false;
};

}  // namespace evermill::cluster_simulation
