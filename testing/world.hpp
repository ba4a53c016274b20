// The world of an environment: one process after the other, each with a node of its own, on one store and one clock.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "actors/node.hpp"
#include "base/random.hpp"
#include "evermill/testing/environment.hpp"
#include "testing/inline_backend.hpp"
#include "testing/virtual_clock.hpp"
#include "testing/volatile_store.hpp"

namespace evermill::testing {

/// For one thread: CAF keeps an actor system's logger alive through a thread-local of the thread that made it.
class world final : private actors::node_listener {
 public:
  world(registry definitions, const environment_options& options, store_opener open);
  ~world() override;
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  /// Publishes the request and returns its answer when it is durable, whatever crashes meanwhile.
  actors::answer ask(const messages::DecisionEvent& request, std::optional<partition_id> to = {});
  /// Asks the code of a running execution; `closed` where it has ended.
  actors::answer query(const actors::query_request& what);
  /// How the update ended since this process began; null: it has not.
  std::shared_ptr<const actors::code_result> update_end(const std::string& workflow_id, const std::string& update_id) const;
  /// One thing that can happen without time going on: a message is handled, a step or an attempt runs, the process
  /// dies. False: there is nothing. Throws environment_error, engine_error (storage).
  bool happen();
  /// The next message between actors, or the next process; false where there is neither.
  bool handle_messages();
  /// Rings one alarm whose time has come already.
  bool ring_due_alarm();
  /// The next time at which something is due; nothing where only leaving memory is.
  std::optional<timestamp> next_due() const;
  /// Goes there; false where there is no such time.
  bool skip();
  /// At once; inside a step's function, when that has returned and before anybody has its result.
  void crash();

  partition_id partition_of(std::string_view workflow_id) const {
    return actors::partition_of(workflow_id, partitions_);
  }
  const registry& definitions() const { return definitions_; }
  std::uint16_t partitions() const { return partitions_; }
  random_source& random() { return *random_; }
  volatile_store& store() { return store_; }
  const volatile_store& store() const { return store_; }
  virtual_clock& time() { return clock_; }
  timestamp now() const { return clock_.now(); }
  inline_backend& activities() { return activities_; }
  std::uint64_t crashes() const { return crashes_; }
  /// Of the nodes; not those with which a directory is opened.
  std::uint64_t commits() const { return store_.writes() - boots_; }

 private:
  void boot();
  void die();
  std::size_t times_durable(const messages::DecisionEvent& request) const;

  void on_answer(std::uint64_t token, actors::answer&& what) override { answers_.emplace(token, std::move(what)); }
  void on_ended(actors::ended_execution&&) override {}
  void on_update_ended(actors::ended_update&& what) override {
    ended_updates_.emplace(std::pair(std::move(what.workflow_id), std::move(what.update_id)), std::move(what.end));
  }
  void on_turn(actors::durable_turn&&) override {}
  bool has_followers() override { return false; }
  void on_failed(partition_id, const std::string& message) override;

  const registry definitions_;
  const log lines_;
  virtual_clock clock_;
  const std::unique_ptr<random_source> random_;
  volatile_store store_;
  inline_backend activities_;
  std::uint16_t partitions_;
  actors::node_options options_;
  std::uint64_t boots_ = 0;
  std::uint64_t crashes_ = 0;
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, actors::answer> answers_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const actors::code_result>> ended_updates_;
  std::deque<std::function<void()>> steps_;
  bool in_step_ = false;
  bool crash_after_step_ = false;
  std::optional<std::string> failure_;
  std::unique_ptr<queue::decision_queue> queue_;
  std::unique_ptr<actors::node> node_;
};

}  // namespace evermill::testing
