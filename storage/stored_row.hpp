// Any row of any family, decoded: for tools that look at a store as it lies there, damaged or not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "messages/commit_log.pb.h"
#include "messages/decision.pb.h"
#include "messages/journal.pb.h"
#include "messages/state.pb.h"
#include "storage/executions.hpp"
#include "storage/key_value_store.hpp"

namespace evermill::storage {

struct description_row {
  messages::StoreDescription description;
};
struct partition_row {
  partition_id partition;
  messages::PartitionState state;
};
struct header_row {
  partition_id partition;
  std::string workflow_id;
  messages::InstanceHeader header;
};
struct turn_row {
  partition_id partition;
  run_number run;
  event_seq first;
  messages::TurnRecord record;
};
struct open_work_row {
  partition_id partition;
  run_number run;
  messages::OpenWork work;
};
struct open_activity_row {
  partition_id partition;
  run_number run;
  event_seq scheduled;
  messages::OpenActivity activity;
};
struct stored_timer_row {
  partition_id partition;
  timestamp fire_at;
  run_number run;
  event_seq started;
  std::string workflow_id;
};
struct outbound_row {
  partition_id source;
  partition_id destination;
  std::uint64_t number = 0;
  messages::DecisionEvent event;
};
struct parked_row {
  partition_id partition;
  run_number run;
  std::uint64_t index = 0;
  messages::DecisionEvent event;
};
struct request_row {
  partition_id partition;
  std::string workflow_id;
  std::string request_id;
  messages::HandledRequest request;
};
struct human_task_row {
  partition_id partition;
  run_number run;
  event_seq created;
  messages::HumanTask task;
};
struct log_position_row {
  partition_id partition;
  messages::LogPosition position;
};
struct published_row {
  partition_id partition;
  std::uint64_t number = 0;
  messages::CommittedTurns turns;
};
using stored_row = std::variant<description_row, partition_row, header_row, turn_row, open_work_row, open_activity_row,
                                stored_timer_row, outbound_row, parked_row, request_row, human_task_row, log_position_row,
                                published_row, execution_row>;

/// What the row says. Its key must be well-formed and its value's checksum right: `corrupt` otherwise, or `newer_format`;
/// the message says what is wrong, not where. Any bytes may be given.
storage_result<stored_row> parse_row(family f, std::string_view key, std::string_view value);

/// As docs/storage-format.md names it, but "description" for RocksDB's "default".
std::string family_name(family f);

/// "journal 000103010a01": names a row for people, whatever its key holds.
std::string row_name(family f, std::string_view key);

}  // namespace evermill::storage
