// A partition with its mailbox: turns messages into calls and the partition's wishes into messages.
#pragma once

#include <caf/event_based_actor.hpp>

#include <unordered_map>

#include "actors/node.hpp"
#include "actors/protocol.hpp"
#include "actors/turn_watch.hpp"

namespace evermill::actors {

using recovery_promise = std::promise<storage::storage_result<void>>;

struct partition_promises {
  std::shared_ptr<recovery_promise> recovered;
  std::shared_ptr<std::promise<void>> gone;  ///< from now on it has no effects
};

/// Recovers before its first message.
class partition_actor final : public caf::event_based_actor, private partition_ports {
 public:
  partition_actor(caf::actor_config& config, const node_parts* parts, const node_options* node, partition_id id, boot_number boot,
                  turn_watch* watch, caf::actor committer, caf::actor activities, partition_promises promises);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  timestamp now() override;
  std::uint64_t random() override;
  std::string make_run_id() override;
  const workflow_definition* find_workflow(std::string_view name_space, const std::string& type, const std::string& version) override;
  bool takes_deciders() override;
  partition_id partition_of(const std::string& workflow_id) override;
  bool has_followers() override;
  bool serves_queue(const std::string& name) override;
  bool runs_elsewhere(const std::string& activity_type, const std::string& task_queue) override;
  bool has_activity(const std::string& type, const std::string& version) override;
  void start_instance(run_number run, std::uint64_t generation, const workflow_definition& definition) override;
  void give_work(run_number run, std::shared_ptr<instance_work> work) override;
  void stop_instance(run_number run) override;
  void submit(storage::write_batch&& batch) override;
  void request_flush() override;
  void request_poll() override;
  void request_recovery() override;
  void request_tick(timestamp when) override;
  void release(effects&& what) override;
  void on_stopped(const storage::storage_error& why) override;
  void run_step(step_effect&& effect);
  void recover();

  const node_parts* parts_;
  const node_options* node_;
  partition_id id_;
  turn_watch* watch_;  ///< null: nobody looks
  caf::actor committer_;
  caf::actor pacer_;  ///< once there was more to recover than one part
  caf::actor activities_;
  partition_promises promises_;
  std::optional<partition> partition_;  ///< until it ends
  std::unordered_map<run_number, caf::actor> instances_;
  bool flush_pending_ = false;
  evermill::clock::alarm_id alarm_ = 0;
};

}  // namespace evermill::actors
