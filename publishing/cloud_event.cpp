#include "publishing/cloud_event.hpp"

#include <nlohmann/json.hpp>

#include "base/namespaces.hpp"
#include "messages/history_json.hpp"
#include "messages/message_fields.hpp"

namespace evermill::publishing {
namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view protobuf_type = "application/protobuf";

/// As a JSON string, with its quotes.
std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// With ids as users know them.
messages::Event shown_to_others(messages::Event event) {
  const auto show = [](auto& of) { of.set_workflow_id(std::string(namespaces::plain(of.workflow_id()))); };
  if (!event.has_workflow_execution_started()) return event;
  show(*event.mutable_workflow_execution_started());
  if (event.workflow_execution_started().has_parent()) show(*event.mutable_workflow_execution_started()->mutable_parent());
  return event;
}

}  // namespace

std::string source_of(std::string_view store_id) { return "/evermill/" + std::string(store_id); }

cloud_event make_event(const event_origin& from, const messages::Event& event, data_format format) {
  const std::string run = std::to_string(from.run.value);
  const std::string seq = std::to_string(from.seq.value);
  cloud_event made;
  made.partition = from.partition;
  const auto [name_space, workflow_id] = namespaces::split(from.workflow_id);
  made.key = std::string(workflow_id);
  made.attributes = {{"specversion", "1.0"},
                     {"id", std::to_string(from.partition.value) + '.' + run + '.' + seq},
                     {"source", std::string(from.source)},
                     {"type", std::string(type_prefix) + event_type(event)},
                     {"subject", std::string(workflow_id)},
                     {"time", iso_time(from.time)},
                     {"workflowtype", std::string(from.workflow_type)},
                     {"runnumber", run},
                     {"eventnumber", seq}};
  if (name_space != namespaces::default_name) made.attributes.emplace_back("workflownamespace", std::string(name_space));
  if (format == data_format::json) {
    made.content_type = json_type;
    made.data = event_json(from.seq.value, from.time, event);
  } else {
    made.content_type = protobuf_type;
    made.data = shown_to_others(event).SerializeAsString();
  }
  return made;
}

cloud_event make_loss(std::string_view source, partition_id partition, std::uint64_t since, std::uint64_t through,
                      std::uint64_t events, timestamp now) {
  const std::string of = std::to_string(partition.value);
  cloud_event made;
  made.partition = partition;
  made.attributes = {{"specversion", "1.0"},
                     {"id", of + ".lost." + std::to_string(since) + '-' + std::to_string(through)},
                     {"source", std::string(source)},
                     {"type", std::string(loss_type)},
                     {"time", iso_time(now)}};
  made.content_type = json_type;
  made.data = "{\"partition\":" + of + ",\"count\":" + std::to_string(events) + ",\"since\":" + std::to_string(since) +
              ",\"through\":" + std::to_string(through) + '}';
  return made;
}

void omit_data(cloud_event& event) {
  event.attributes.emplace_back("omittedbytes", std::to_string(event.data.size()));
  event.content_type.clear();
  event.data.clear();
}

queue::record to_record(cloud_event&& event) {
  queue::record made;
  made.key = std::move(event.key);
  made.value = std::move(event.data);
  made.headers.reserve(event.attributes.size() + 1);
  for (auto& [name, value] : event.attributes) made.headers.emplace_back("ce_" + name, std::move(value));
  if (!event.content_type.empty()) made.headers.emplace_back("content-type", std::move(event.content_type));
  return made;
}

std::string to_json_line(const cloud_event& event) {
  std::string line = "{";
  for (const auto& [name, value] : event.attributes) {
    if (line.size() > 1) line += ',';
    line += '"' + name + "\":" + json_string(value);
  }
  if (!event.content_type.empty()) {
    line += ",\"datacontenttype\":" + json_string(event.content_type);
    line += event.content_type == json_type ? ",\"data\":" + event.data : ",\"data_base64\":\"" + base64(event.data) + '"';
  }
  return line += "}\n";
}

}  // namespace evermill::publishing
