// A journaled event as a CloudEvent 1.0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "evermill/broker.hpp"
#include "messages/journal.pb.h"

namespace evermill::publishing {

/// What the data of an event is.
enum class data_format : std::uint8_t {
  json,      ///< as `history --json` shows it: application/json
  protobuf,  ///< evermill.messages.Event (messages/journal.proto): application/protobuf
};

/// Every type begins with it: evermill.ActivityTaskScheduled.
inline constexpr std::string_view type_prefix = "evermill.";
/// Reports that events were given up before they were published; see make_loss.
inline constexpr std::string_view loss_type = "evermill.events_lost";

struct cloud_event {
  partition_id partition;  ///< whose event it is; events of one partition keep their order
  std::string key;         ///< the workflow id; "": of no workflow
  /// All but datacontenttype, in the order in which they are written. Names are lower-case letters and digits.
  std::vector<std::pair<std::string, std::string>> attributes;
  std::string content_type;  ///< of the data; "": there is no data
  std::string data;
};

/// Where an event of a journal comes from.
struct event_origin {
  std::string_view source;  ///< the CloudEvents source of this store or cluster: a URI reference
  partition_id partition;
  run_number run;
  event_seq seq;
  timestamp time;  ///< of the turn
  std::string_view workflow_id;  ///< as it is kept
  std::string_view workflow_type;
};

/// "/evermill/ID": the source of a store or cluster of this id.
std::string source_of(std::string_view store_id);

/// Its id, "PARTITION.RUN.EVENT", is the same whenever and by whomever it is published, and no other event of its source has
/// it. Beside the attributes of the specification it has the extensions workflowtype, runnumber and eventnumber, and workflownamespace
/// where that is not the default one.
cloud_event make_event(const event_origin& from, const messages::Event& event, data_format format);

/// Of a partition whose rows from number `since` to `through` were given up with so many events. Its data is JSON in any
/// format.
cloud_event make_loss(std::string_view source, partition_id partition, std::uint64_t since, std::uint64_t through,
                      std::uint64_t events, timestamp now);

/// Takes the data out and says so: by the extension omittedbytes, which is its size.
void omit_data(cloud_event& event);

/// In the binary mode of the CloudEvents Kafka binding: attributes as headers "ce_…" and "content-type", the value is the data.
queue::record to_record(cloud_event&& event);

/// In the structured mode of the CloudEvents JSON format, with the line's end. Data that is no JSON is data_base64.
std::string to_json_line(const cloud_event& event);

}  // namespace evermill::publishing
