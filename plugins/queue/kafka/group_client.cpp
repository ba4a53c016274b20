#include "plugins/queue/kafka/group_client.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace evermill::queue::kafka {
namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;
using message_handle = std::unique_ptr<rd_kafka_message_t, destroyed_by<rd_kafka_message_destroy>>;

constexpr milliseconds longest_heartbeat{500};
constexpr milliseconds least_poll_interval{30'000};
constexpr int look_limit_ms = 500;
constexpr milliseconds leaving_limit{3000};
constexpr int leaving_slice_ms = 10;

/// What a member was given: a version (2 bytes), the number of topics (4), and these.
bool has_partition(const rd_kafka_group_member_info& member) {
  const auto* const bytes = static_cast<const unsigned char*>(member.member_assignment);
  return member.member_assignment_size >= 6 && (bytes[2] | bytes[3] | bytes[4] | bytes[5]) != 0;
}

void on_event(rd_kafka_t*, void* on_work) { (*static_cast<const std::function<void()>*>(on_work))(); }

}  // namespace

broker_result<std::unique_ptr<group_client>> group_client::open(const settings& with, const membership_options& options,
                                                                const std::string& topic, std::function<void()> on_work,
                                                                const log& to) {
  std::unique_ptr<group_client> made(
      new group_client(with.prefix + "." + options.group, options.member_id, topic, std::move(on_work), to));
  // Members hear of each other with heartbeats: a third of a long session would be a long time to join.
  const milliseconds heartbeat = std::clamp(options.session_timeout / 3, milliseconds(1), longest_heartbeat);
  const properties defaults{{"socket.timeout.ms", "10000"},
                            {"socket.connection.setup.timeout.ms", "5000"},
                            {"reconnect.backoff.ms", "50"},
                            // Listing groups fails when a connection does: so it is not tried all the time with a server that
                            // is away, and those that are there tell between two tries.
                            {"reconnect.backoff.max.ms", "4000"}};
  // cooperative-sticky: who has the partition keeps it when others come.
  const properties fixed{{"client.id", options.member_id},
                         {"group.id", made->group_},
                         {"session.timeout.ms", std::to_string(options.session_timeout.count())},
                         {"heartbeat.interval.ms", std::to_string(heartbeat.count())},
                         {"max.poll.interval.ms",
                          std::to_string(std::max(options.session_timeout, least_poll_interval).count())},
                         {"partition.assignment.strategy", "cooperative-sticky"},
                         {"enable.auto.commit", "false"},
                         {"enable.auto.offset.store", "false"},
                         {"auto.offset.reset", "latest"}};
  group_client& of = *made;
  client::hooks on{.rebalanced = [&of](rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions) {
    of.rebalance(code, partitions);
  }};
  auto opened = client::open(RD_KAFKA_CONSUMER, with, defaults, fixed, std::move(on), to);
  if (!opened) return unexpected(std::move(opened.error()));
  made->client_ = std::move(*opened);
  rd_kafka_t* const handle = made->client_->handle();
  rd_kafka_poll_set_consumer(handle);
  made->events_.reset(rd_kafka_queue_get_consumer(handle));
  void* const work = const_cast<std::function<void()>*>(&made->on_work_);
  rd_kafka_queue_cb_event_enable(made->events_.get(), on_event, work);
  return made;
}

group_client::~group_client() {
  if (events_) rd_kafka_queue_cb_event_enable(events_.get(), nullptr, nullptr);
}

broker_result<void> group_client::subscribe() {
  const partitions_handle topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), topic_.c_str(), RD_KAFKA_PARTITION_UA);
  const rd_kafka_resp_err_t code = rd_kafka_subscribe(client_->handle(), topics.get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return unexpected(client_->error(code, "join group " + group_));
  return {};
}

void group_client::serve() {
  if (has_left_) return;
  while (const message_handle message{rd_kafka_consumer_poll(client_->handle(), 0)}) {
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;  // came before the partition was paused
    if (message->err == RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT) {
      log_.error({}, "kafka: group {}: the server does not allow this session timeout; see its settings "
                     "group.min.session.timeout.ms and group.max.session.timeout.ms", group_);
      continue;
    }
    log_.warn({}, "kafka: group {}: {}", group_, client_->error(message->err, rd_kafka_message_errstr(message.get())).message);
  }
}

void group_client::rebalance(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions) {
  is_rearranged_ = true;
  error_handle failed;
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    for (int i = 0; i < partitions->cnt; ++i) partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
    failed.reset(rd_kafka_incremental_assign(client_->handle(), partitions));
    rd_kafka_pause_partitions(client_->handle(), partitions);  // having it is all: it is read elsewhere
  } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    failed.reset(rd_kafka_incremental_unassign(client_->handle(), partitions));
  } else {
    rd_kafka_assign(client_->handle(), nullptr);
  }
  if (failed) log_.warn({}, "kafka: group {}: {}", group_, rd_kafka_error_string(failed.get()));
}

std::string group_client::life() const {
  const std::unique_ptr<char, destroyed_by<std::free>> name(rd_kafka_memberid(client_->handle()));
  return name ? name.get() : "";
}

group_state group_client::look() {
  // Not rd_kafka_DescribeConsumerGroups: in librdkafka 2.0 it ends the process when the connection is lost at the wrong moment.
  const rd_kafka_group_list* found = nullptr;
  const rd_kafka_resp_err_t code = rd_kafka_list_groups(client_->handle(), group_.c_str(), &found, look_limit_ms);
  group_state seen;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__PARTIAL) return seen;
  const std::unique_ptr<const rd_kafka_group_list, destroyed_by<rd_kafka_group_list_destroy>> kept(found);
  if (found->group_cnt == 0) {  // with an answer of all servers: there is no such group
    seen.is_known = seen.is_stable = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    return seen;
  }
  const rd_kafka_group_info& group = found->groups[0];
  if (group.err != RD_KAFKA_RESP_ERR_NO_ERROR) return seen;
  const std::string_view state = group.state;
  seen.is_known = true;
  seen.is_stable = state != "PreparingRebalance" && state != "CompletingRebalance";
  for (int i = 0; i < group.member_cnt; ++i) {
    const rd_kafka_group_member_info& each = group.members[i];
    seen.members.insert(each.client_id);
    if (has_partition(each)) seen.coordinator = each.client_id;
  }
  return seen;
}

void group_client::leave() {
  if (has_left_) return;
  const auto deadline = clock::now() + leaving_limit;
  // Closing alone tells the server nothing when the member has no partition (librdkafka 2.0.2), and what is under way when the
  // handle is destroyed is not sent: so it is looked until the server knows.
  rd_kafka_unsubscribe(client_->handle());
  for (bool is_listed = true; is_listed && clock::now() < deadline;) {
    const message_handle ignored(rd_kafka_consumer_poll(client_->handle(), leaving_slice_ms));
    const group_state seen = look();
    is_listed = !seen.is_known || seen.members.contains(member_);
  }
  has_left_ = true;
  const queue_handle closing(rd_kafka_queue_new(client_->handle()));  // not the consumer's, which is forwarded to it
  const error_handle failed(rd_kafka_consumer_close_queue(client_->handle(), closing.get()));
  if (failed) return;
  while (rd_kafka_consumer_closed(client_->handle()) == 0 && clock::now() < deadline) {
    const event_handle event(rd_kafka_queue_poll(closing.get(), leaving_slice_ms));
    if (event && rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE) {
      rebalance(rd_kafka_event_error(event.get()), rd_kafka_event_topic_partition_list(event.get()));
    }
  }
}

}  // namespace evermill::queue::kafka
