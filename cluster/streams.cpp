#include "cluster/streams.hpp"

#include <future>
#include <memory>
#include <vector>

#include "cluster/waiting_reader.hpp"
#include "messages/record.hpp"

namespace evermill::cluster {
namespace {

using queue::broker_errc;
using queue::broker_error;
using queue::broker_result;

constexpr std::chrono::seconds read_limit{30};

/// The first record behind `after`, once there is one.
broker_result<queue::stored_record> read_one(queue::broker& broker, const queue::stream_partition& from, queue::position after) {
  auto reader = waiting_reader::open(broker, from, after);
  if (!reader) return unexpected(reader.error());
  std::vector<queue::stored_record> found;
  if (const auto read = reader->poll(found, 1, read_limit); !read) return unexpected(read.error());
  return std::move(found.front());
}

broker_result<void> append_and_wait(queue::broker& broker, const queue::stream_partition& to, queue::record&& record) {
  const auto told = std::make_shared<std::promise<broker_result<queue::position>>>();
  std::vector<queue::record> records;
  records.push_back(std::move(record));
  auto taken = broker.append(to, std::move(records), [told](broker_result<queue::position> at) { told->set_value(std::move(at)); });
  if (!taken) return unexpected(taken.error());
  const auto at = told->get_future().get();
  if (!at) return unexpected(at.error());
  return {};
}

broker_result<messages::ClusterDescription> parse_description(queue::broker& broker, const queue::stored_record& record) {
  messages::ClusterDescription description;
  const auto parsed = parse_record(description_stream_name, record.what.value, description);
  if (parsed && !description.cluster_id().empty() && description.partition_count() > 0) return description;
  return unexpected(broker_error{broker_errc::refused, "the first record of " + description_stream_name + " at " + broker.address() +
                                                           " does not describe a cluster of evermill's (" +
                                                           std::string(parsed ? "malformed" : to_string(parsed.error())) + ")"});
}

broker_result<void> ensure(queue::broker& broker, const std::string& stream, std::uint32_t partitions) {
  const auto there = broker.ensure_stream(stream, partitions);
  if (!there) return unexpected(there.error());
  if (*there == partitions) return {};
  return unexpected(broker_error{broker_errc::invalid, "the stream \"" + stream + "\" at " + broker.address() + " has " +
                                                           std::to_string(*there) + " partitions and should have " +
                                                           std::to_string(partitions) +
                                                           "; choose another prefix for this cluster, or delete the stream"});
}

}  // namespace

broker_result<messages::ClusterDescription> open_cluster(queue::broker& broker, std::uint32_t partitions, random_source& random) {
  if (auto made = ensure(broker, description_stream_name, 1); !made) return unexpected(made.error());
  const queue::stream_partition place{description_stream_name, 0};
  const auto bounds = broker.bounds(place);
  if (!bounds) return unexpected(bounds.error());
  if (bounds->last == 0) {
    messages::ClusterDescription mine;
    mine.set_cluster_id(make_uuid(random));
    mine.set_partition_count(partitions != 0 ? partitions : default_cluster_partitions);
    queue::record record;
    append_record(record.value, description_stream_name, mine);
    if (auto written = append_and_wait(broker, place, std::move(record)); !written) return unexpected(written.error());
  }
  auto first = read_one(broker, place, 0);
  if (!first) return unexpected(first.error());
  auto description = parse_description(broker, *first);
  if (!description) return description;
  if (partitions != 0 && partitions != description->partition_count()) {
    return unexpected(broker_error{broker_errc::invalid, "the cluster at " + broker.address() + " has " +
                                                             std::to_string(description->partition_count()) + " partitions, not " +
                                                             std::to_string(partitions) + "; their number is fixed"});
  }
  for (const std::string& stream : {log_stream_name, decision_stream_name, snapshot_stream_name}) {
    if (auto made = ensure(broker, stream, description->partition_count()); !made) return unexpected(made.error());
  }
  for (const std::string& stream : {plan_stream_name, rejected_stream_name}) {
    if (auto made = ensure(broker, stream, 1); !made) return unexpected(made.error());
  }
  if (auto made = ensure(broker, inbox_stream_name, inbox_partitions); !made) return unexpected(made.error());
  return description;
}

broker_result<messages::ClusterDescription> find_cluster(queue::broker& broker) {
  const queue::stream_partition place{description_stream_name, 0};
  const auto none = [&] {
    return unexpected(broker_error{broker_errc::not_found, "there is no cluster at " + broker.address() +
                                                               ": start a node of it first, or look at the prefix"});
  };
  if (const auto there = broker.find_stream(inbox_stream_name); !there) {
    if (there.error().code == broker_errc::not_found) return none();
    return unexpected(there.error());
  }
  const auto bounds = broker.bounds(place);
  if (!bounds) return unexpected(bounds.error());
  if (bounds->last == 0) return none();
  auto first = read_one(broker, place, 0);
  if (!first) return unexpected(first.error());
  return parse_description(broker, *first);
}

broker_result<queue::stored_record> read_last(queue::broker& broker, const queue::stream_partition& from) {
  const auto bounds = broker.bounds(from);
  if (!bounds) return unexpected(bounds.error());
  if (bounds->last == 0 || bounds->last < bounds->first) return queue::stored_record();
  return read_one(broker, from, bounds->last - 1);
}

std::uint32_t inbox_partition_of(const std::string& member) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : member) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash % inbox_partitions;
}

}  // namespace evermill::cluster
