// The rows beside the journals, one group of functions per family. Writers add to a batch; readers report bad data as
// `corrupt` with the row's name. docs/storage-format.md gives keys and bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "messages/decision.pb.h"
#include "messages/state.pb.h"
#include "storage/key_value_store.hpp"

namespace evermill::storage {

// --- instances: partition, workflow id → header

void put_header(write_batch& batch, partition_id partition, std::string_view workflow_id,
                const messages::InstanceHeader& header);
storage_result<std::optional<messages::InstanceHeader>> find_header(const key_value_store& store, partition_id partition,
                                                                    std::string_view workflow_id);
void erase_header(write_batch& batch, partition_id partition, std::string_view workflow_id);
struct listed_instance {
  std::string workflow_id;
  messages::InstanceHeader header;
};
/// Up to `limit` instances of the partition after `after` ("" = from the start), by workflow id.
storage_result<std::vector<listed_instance>> list_instances(const key_value_store& store, partition_id partition,
                                                            std::string_view after, std::size_t limit);

// --- partitions: partition → state

void put_partition_state(write_batch& batch, partition_id partition, const messages::PartitionState& state);
/// A partition that never committed has an empty state, whose index of executions is complete.
storage_result<messages::PartitionState> load_partition_state(const key_value_store& store, partition_id partition);

// --- open work: partition, run → OpenWork; partition, run, scheduled_seq → OpenActivity

void put_open_work(write_batch& batch, partition_id partition, run_number run, const messages::OpenWork& work);
void erase_open_work(write_batch& batch, partition_id partition, run_number run);
void put_open_activity(write_batch& batch, partition_id partition, run_number run, event_seq scheduled,
                       const messages::OpenActivity& activity);
void erase_open_activity(write_batch& batch, partition_id partition, run_number run, event_seq scheduled);

struct run_open_work {
  run_number run;
  messages::OpenWork work;
  std::vector<std::pair<event_seq, messages::OpenActivity>> activities;  ///< by scheduled_seq
};
/// Up to `limit` runs with open work whose number is at least `from`, in order. One ordered scan.
storage_result<std::vector<run_open_work>> scan_open_work(const key_value_store& store, partition_id partition,
                                                          run_number from, std::size_t limit);
storage_result<std::optional<run_open_work>> find_open_work(const key_value_store& store, partition_id partition,
                                                            run_number run);

// --- timers: partition, time, run, started_seq → workflow id

struct timer_row {
  timestamp fire_at;
  run_number run;
  event_seq started;
  std::string workflow_id;
  auto operator<=>(const timer_row&) const = default;
};
void put_timer(write_batch& batch, partition_id partition, const timer_row& timer);
void erase_timer(write_batch& batch, partition_id partition, timestamp fire_at, run_number run, event_seq started);
/// Up to `limit` timers strictly after the position (fire_at, run, started) of `after`, earliest first; `after` may be
/// default-constructed except for fire_at, to start at a watermark.
storage_result<std::vector<timer_row>> scan_timers(const key_value_store& store, partition_id partition,
                                                   const timer_row& after, std::size_t limit);

// --- outbox: source, destination, number → DecisionEvent

void put_outbound(write_batch& batch, partition_id source, partition_id destination, std::uint64_t number,
                  const messages::DecisionEvent& event);
void erase_outbound(write_batch& batch, partition_id source, partition_id destination, std::uint64_t number);
/// Up to `limit` messages of the lane with numbers above `after`, in order.
storage_result<std::vector<std::pair<std::uint64_t, messages::DecisionEvent>>> scan_outbound(
    const key_value_store& store, partition_id source, partition_id destination, std::uint64_t after,
    std::size_t limit);

// --- inbox: partition, run, index → DecisionEvent

void put_parked(write_batch& batch, partition_id partition, run_number run, std::uint64_t index,
                const messages::DecisionEvent& event);
void erase_parked(write_batch& batch, partition_id partition, run_number run, std::uint64_t index);
/// All parked events of a run, in order.
storage_result<std::vector<std::pair<std::uint64_t, messages::DecisionEvent>>> scan_parked(const key_value_store& store,
                                                                                           partition_id partition,
                                                                                           run_number run);

/// Is any event parked for the run, readable or not?
storage_result<bool> has_parked(const key_value_store& store, partition_id partition, run_number run);

// --- requests: partition, workflow id, request id → HandledRequest

struct request_name {
  std::string workflow_id;
  std::string request_id;
  auto operator<=>(const request_name&) const = default;
};
struct stored_request {
  request_name name;
  messages::HandledRequest request;
};
void put_request(write_batch& batch, partition_id partition, std::string_view workflow_id, std::string_view request_id,
                 const messages::HandledRequest& request);
void erase_request(write_batch& batch, partition_id partition, std::string_view workflow_id, std::string_view request_id);
storage_result<std::optional<messages::HandledRequest>> find_request(const key_value_store& store, partition_id partition,
                                                                     std::string_view workflow_id,
                                                                     std::string_view request_id);
/// Up to `limit` requests after `after` (default: from the start), by name.
storage_result<std::vector<stored_request>> scan_requests(const key_value_store& store, partition_id partition,
                                                          const request_name& after, std::size_t limit);

// --- human tasks: partition, run, created_seq → HumanTask

struct stored_human_task {
  run_number run;
  event_seq created;
  messages::HumanTask task;
};
void put_human_task(write_batch& batch, partition_id partition, run_number run, event_seq created,
                    const messages::HumanTask& task);
void erase_human_task(write_batch& batch, partition_id partition, run_number run, event_seq created);
storage_result<std::optional<messages::HumanTask>> find_human_task(const key_value_store& store, partition_id partition,
                                                                   run_number run, event_seq created);
/// Up to `limit` open tasks of the partition after the one of (`run`, `created`), in that order; 0, 0: from the start.
storage_result<std::vector<stored_human_task>> scan_human_tasks(const key_value_store& store, partition_id partition,
                                                                run_number run, event_seq created, std::size_t limit);

// --- published: partition, publish number → CommittedTurns

/// Publish numbers are the partition's own: dense, from 1.
void put_published(write_batch& batch, partition_id partition, std::uint64_t number, const messages::CommittedTurns& turns);
void erase_published(write_batch& batch, partition_id partition, std::uint64_t number);
struct numbered_turns {
  std::uint64_t number = 0;
  messages::CommittedTurns turns;
};
/// Up to `limit` rows with numbers above `after`, in order.
storage_result<std::vector<numbered_turns>> scan_published(const key_value_store& store, partition_id partition,
                                                           std::uint64_t after, std::size_t limit);

// --- description: one row

/// Reads the description, or creates it with `partitions` (0: default_partitions) where the store is new; raises the
/// boot number durably.
/// Errors: `mismatch` when `partitions` is not 0 and differs from the stored one; newer_format; corrupt.
inline constexpr std::uint32_t default_partitions = 4;
storage_result<messages::StoreDescription> boot_store(key_value_store& store, std::uint32_t partitions,
                                                      const std::function<std::string()>& make_store_id);
/// For tools that bring rows from elsewhere; boot_store otherwise.
void put_description(write_batch& batch, const messages::StoreDescription& description);
/// Reads the description and changes nothing; nothing comes back where the store is new. Errors: newer_format, corrupt.
storage_result<std::optional<messages::StoreDescription>> find_description(const key_value_store& store);

}  // namespace evermill::storage
