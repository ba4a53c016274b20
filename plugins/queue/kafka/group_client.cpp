#include "plugins/queue/kafka/group_client.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace evermill::queue::kafka {
namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;
using message_handle = std::unique_ptr<rd_kafka_message_t, destroyed_by<rd_kafka_message_destroy>>;

constexpr milliseconds longest_heartbeat{500};
constexpr milliseconds least_poll_interval{30'000};
constexpr milliseconds longest_question{5000};
constexpr milliseconds leaving_limit{3000};
constexpr int leaving_slice_ms = 10;

void on_event(rd_kafka_t*, void* on_work) { (*static_cast<const std::function<void()>*>(on_work))(); }

}  // namespace

broker_result<std::unique_ptr<group_client>> group_client::open(const settings& with, const membership_options& options,
                                                                const std::string& topic, std::function<void()> on_work,
                                                                const log& to) {
  std::unique_ptr<group_client> made(new group_client(with.prefix + "." + options.group, options.member_id, topic, std::move(on_work), to));
  // Members hear of each other with heartbeats: a third of a long session would be a long time to join.
  const milliseconds heartbeat = std::clamp(options.session_timeout / 3, milliseconds(1), longest_heartbeat);
  const properties defaults{{"socket.timeout.ms", "10000"},
                            {"socket.connection.setup.timeout.ms", "5000"},
                            {"reconnect.backoff.ms", "50"},
                            {"reconnect.backoff.max.ms", "1000"}};
  // cooperative-sticky: who has the partition keeps it when others come.
  const properties fixed{{"client.id", options.member_id},
                         {"group.id", made->group_},
                         {"session.timeout.ms", std::to_string(options.session_timeout.count())},
                         {"heartbeat.interval.ms", std::to_string(heartbeat.count())},
                         {"max.poll.interval.ms", std::to_string(std::max(options.session_timeout, least_poll_interval).count())},
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
  made->answers_.reset(rd_kafka_queue_new(handle));
  void* const work = const_cast<std::function<void()>*>(&made->on_work_);
  rd_kafka_queue_cb_event_enable(made->events_.get(), on_event, work);
  rd_kafka_queue_cb_event_enable(made->answers_.get(), on_event, work);
  return made;
}

group_client::~group_client() {
  if (answers_) rd_kafka_queue_cb_event_enable(answers_.get(), nullptr, nullptr);
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
  const std::unique_ptr<char, destroyed_by<free>> name(rd_kafka_memberid(client_->handle()));
  return name ? name.get() : "";
}

bool group_client::ask() {
  if (is_asking_) return false;
  std::array<char, 256> why{};
  const options_handle options(rd_kafka_AdminOptions_new(client_->handle(), RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), static_cast<int>(longest_question.count()), why.data(), why.size());
  const char* name = group_.c_str();
  rd_kafka_DescribeConsumerGroups(client_->handle(), &name, 1, options.get(), answers_.get());
  is_asking_ = true;
  return true;
}

std::optional<group_state> group_client::take_answer() {
  const event_handle got(rd_kafka_queue_poll(answers_.get(), 0));
  if (!got) return std::nullopt;
  is_asking_ = false;
  group_state seen;
  const auto* const result = rd_kafka_event_DescribeConsumerGroups_result(got.get());
  if (rd_kafka_event_error(got.get()) != RD_KAFKA_RESP_ERR_NO_ERROR || result == nullptr) return seen;
  std::size_t count = 0;
  const rd_kafka_ConsumerGroupDescription_t** const groups = rd_kafka_DescribeConsumerGroups_result_groups(result, &count);
  if (count == 0 || rd_kafka_error_code(rd_kafka_ConsumerGroupDescription_error(groups[0])) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return seen;
  }
  const rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupDescription_state(groups[0]);
  seen.is_known = true;
  seen.is_stable = state != RD_KAFKA_CONSUMER_GROUP_STATE_PREPARING_REBALANCE &&
                   state != RD_KAFKA_CONSUMER_GROUP_STATE_COMPLETING_REBALANCE;
  for (std::size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(groups[0]); ++i) {
    const rd_kafka_MemberDescription_t* const each = rd_kafka_ConsumerGroupDescription_member(groups[0], i);
    const std::string id = rd_kafka_MemberDescription_client_id(each);
    seen.members.insert(id);
    const rd_kafka_MemberAssignment_t* const has = rd_kafka_MemberDescription_assignment(each);
    const rd_kafka_topic_partition_list_t* const partitions =
        has != nullptr ? rd_kafka_MemberAssignment_partitions(has) : nullptr;
    if (partitions != nullptr && partitions->cnt > 0) seen.coordinator = id;
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
    ask();
    const message_handle ignored(rd_kafka_consumer_poll(client_->handle(), leaving_slice_ms));
    const std::optional<group_state> seen = take_answer();
    is_listed = !seen || !seen->is_known || seen->members.contains(member_);
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
