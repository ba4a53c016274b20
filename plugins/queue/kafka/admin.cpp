#include "plugins/queue/kafka/admin.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace evermill::queue::kafka {
namespace {

using std::chrono::milliseconds;
using new_topic_handle = std::unique_ptr<rd_kafka_NewTopic_t, destroyed_by<rd_kafka_NewTopic_destroy>>;
using delete_topic_handle = std::unique_ptr<rd_kafka_DeleteTopic_t, destroyed_by<rd_kafka_DeleteTopic_destroy>>;
using delete_records_handle = std::unique_ptr<rd_kafka_DeleteRecords_t, destroyed_by<rd_kafka_DeleteRecords_destroy>>;
using resource_handle = std::unique_ptr<rd_kafka_ConfigResource_t, destroyed_by<rd_kafka_ConfigResource_destroy>>;

constexpr milliseconds longest_request{5'000};
constexpr milliseconds slice{200};            // until it is looked whether it was closed
constexpr milliseconds first_pause{20};
constexpr milliseconds longest_pause{500};
constexpr std::chrono::seconds settling_time{30};  // until every server knows of a topic

const properties admin_defaults{{"client.id", "evermill"},
                          {"socket.timeout.ms", "10000"},
                          {"socket.connection.setup.timeout.ms", "5000"},
                          {"reconnect.backoff.ms", "50"},
                          {"reconnect.backoff.max.ms", "1000"}};

int number(const std::string& text, int otherwise) {
  int value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string value_of(const admin::configs& in, const std::string& name) {
  const auto found = in.find(name);
  return found == in.end() ? std::string() : found->second;
}

/// How many replicas must have a record before it counts as written: one may be away at any time.
int in_sync_for(int replication) { return replication >= 3 ? replication / 2 + 1 : 1; }

}  // namespace

broker_result<std::unique_ptr<admin>> admin::open(const settings& with, dispatcher& by, const log& to) {
  auto opened = client::open(RD_KAFKA_PRODUCER, with, admin_defaults, {}, {}, to);
  if (!opened) return unexpected(std::move(opened.error()));
  return std::unique_ptr<admin>(new admin(with, served_client::make(std::move(*opened), by)));
}

milliseconds admin::request_limit() const { return std::min(settings_.operation_timeout, longest_request); }

void admin::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

std::optional<broker_error> admin::why_closed(const std::string& what) const {
  std::lock_guard lock(mutex_);
  if (!closed_) return std::nullopt;
  return broker_error{broker_errc::closed, settings_.address() + ": " + what + ": it is closed"};
}

/// False: it was closed.
bool admin::pause(milliseconds how_long) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, how_long, [&] { return closed_; });
}

template <class T, class Try>
broker_result<T> admin::repeat(const std::string& what, Try&& once) {
  const auto deadline = clock::now() + settings_.operation_timeout;
  for (milliseconds wait = first_pause;; wait = std::min(2 * wait, longest_pause)) {
    if (auto closed = why_closed(what)) return unexpected(std::move(*closed));
    attempt<T> tried = once();
    if (tried.outcome) return std::move(*tried.outcome);
    if (clock::now() + wait >= deadline) return unexpected(client_->get().error(tried.again, what));
    pause(wait);
  }
}

std::map<std::string, admin::shape> admin::shapes(const std::optional<std::string>& topic, rd_kafka_resp_err_t& code) {
  topic_handle only;
  if (topic) only.reset(rd_kafka_topic_new(client_->handle(), topic->c_str(), nullptr));
  const rd_kafka_metadata_t* answer = nullptr;
  code = rd_kafka_metadata(client_->handle(), topic ? 0 : 1, only.get(), &answer, static_cast<int>(request_limit().count()));
  std::map<std::string, shape> found;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return found;
  const metadata_handle kept(answer);
  for (int i = 0; i < answer->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& each = answer->topics[i];
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (topic) code = each.err;
      continue;
    }
    shape& of = found[each.topic];
    of.partitions = static_cast<std::uint32_t>(each.partition_cnt);
    of.is_led = true;
    for (int p = 0; p < each.partition_cnt; ++p) {
      const auto replicas = static_cast<std::size_t>(each.partitions[p].replica_cnt);
      of.replicas = p == 0 ? replicas : std::min(of.replicas, replicas);
      if (each.partitions[p].leader < 0) of.is_led = false;
    }
  }
  return found;
}

/// not_found is an outcome.
admin::attempt<std::uint32_t> admin::look(const std::string& topic, const std::string& what) {
  rd_kafka_resp_err_t code{};
  const auto found = shapes(topic, code);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const auto at = found.find(topic);
    if (at != found.end() && at->second.partitions > 0) return {at->second.partitions};
    code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  }
  if (is_transient(code)) return {std::nullopt, code};
  return {unexpected(client_->get().error(code, what))};
}

bool admin::was_there(const std::string& topic) const {
  std::lock_guard lock(mutex_);
  const auto at = ensured_.find(topic);
  return at != ensured_.end() && clock::now() < at->second + settling_time;
}

broker_result<std::uint32_t> admin::find(const std::string& topic) {
  const std::string what = "find topic " + topic;
  return repeat<std::uint32_t>(what, [&] { return look(topic, what); });
}

event_handle admin::answer(rd_kafka_admin_op_t kind,
                           const std::function<void(rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& ask,
                           rd_kafka_resp_err_t& code) {
  std::array<char, 256> why{};
  const options_handle options(rd_kafka_AdminOptions_new(client_->handle(), kind));
  const int limit_ms = static_cast<int>(request_limit().count());
  rd_kafka_AdminOptions_set_request_timeout(options.get(), limit_ms, why.data(), why.size());
  if (kind != RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS) {
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), limit_ms, why.data(), why.size());
  }
  const queue_handle replies(rd_kafka_queue_new(client_->handle()));
  ask(options.get(), replies.get());
  const auto deadline = clock::now() + 2 * request_limit();
  while (clock::now() < deadline && !why_closed({})) {
    event_handle got(rd_kafka_queue_poll(replies.get(), static_cast<int>(slice.count())));
    if (!got) continue;
    code = rd_kafka_event_error(got.get());
    return got;
  }
  code = RD_KAFKA_RESP_ERR__TIMED_OUT;
  return nullptr;
}

std::optional<admin::configs> admin::describe(rd_kafka_ResourceType_t type, const std::string& name,
                                              rd_kafka_resp_err_t& code) {
  const resource_handle resource(rd_kafka_ConfigResource_new(type, name.c_str()));
  rd_kafka_ConfigResource_t* asked = resource.get();
  const event_handle got = answer(
      RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
      [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* replies) {
        rd_kafka_DescribeConfigs(client_->handle(), &asked, 1, options, replies);
      },
      code);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  std::size_t resources = 0;
  const auto* const result = rd_kafka_event_DescribeConfigs_result(got.get());
  const rd_kafka_ConfigResource_t** const described = rd_kafka_DescribeConfigs_result_resources(result, &resources);
  if (resources == 0) return std::nullopt;
  code = rd_kafka_ConfigResource_error(described[0]);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  std::size_t entries = 0;
  const rd_kafka_ConfigEntry_t** const all = rd_kafka_ConfigResource_configs(described[0], &entries);
  configs found;
  for (std::size_t i = 0; i < entries; ++i) {
    const char* const value = rd_kafka_ConfigEntry_value(all[i]);
    found.emplace(rd_kafka_ConfigEntry_name(all[i]), value != nullptr ? value : "");
  }
  return found;
}

/// Those of the server that answers as the controller does: settings of one server that differ from the others' are not seen.
std::optional<admin::configs> admin::server_configs(rd_kafka_resp_err_t& code) {
  const int id = rd_kafka_controllerid(client_->handle(), static_cast<int>(request_limit().count()));
  if (id < 0) {
    code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    return std::nullopt;
  }
  return describe(RD_KAFKA_RESOURCE_BROKER, std::to_string(id), code);
}

rd_kafka_resp_err_t admin::create(const std::string& topic, std::uint32_t partitions, const configs& more,
                                  std::string& detail) {
  int replication = settings_.replication;
  rd_kafka_resp_err_t code{};
  if (replication < 0) {
    const std::optional<configs> server = server_configs(code);
    if (!server && is_transient(code)) return code;
    if (server) replication = number(value_of(*server, "default.replication.factor"), -1);
  }
  configs wanted{{"cleanup.policy", "delete"},
                 {"retention.ms", "-1"},
                 {"retention.bytes", "-1"},
                 {"unclean.leader.election.enable", "false"},
                 {"max.message.bytes", std::to_string(2 * 1024 * 1024)}};
  if (replication > 0) wanted["min.insync.replicas"] = std::to_string(in_sync_for(replication));
  for (const auto& [name, value] : more) wanted[name] = value;

  std::array<char, 256> why{};
  const new_topic_handle made(
      rd_kafka_NewTopic_new(topic.c_str(), static_cast<int>(partitions), replication, why.data(), why.size()));
  if (!made) {
    detail = why.data();
    return RD_KAFKA_RESP_ERR__INVALID_ARG;
  }
  for (const auto& [name, value] : wanted) rd_kafka_NewTopic_set_config(made.get(), name.c_str(), value.c_str());
  rd_kafka_NewTopic_t* asked = made.get();
  const event_handle got = answer(
      RD_KAFKA_ADMIN_OP_CREATETOPICS,
      [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* replies) {
        rd_kafka_CreateTopics(client_->handle(), &asked, 1, options, replies);
      },
      code);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
  std::size_t count = 0;
  const auto* const result = rd_kafka_event_CreateTopics_result(got.get());
  const rd_kafka_topic_result_t** const topics = rd_kafka_CreateTopics_result_topics(result, &count);
  if (count == 0) return RD_KAFKA_RESP_ERR__FAIL;
  if (const char* const text = rd_kafka_topic_result_error_string(topics[0])) detail = text;
  return rd_kafka_topic_result_error(topics[0]);
}

broker_result<std::uint32_t> admin::ensure(const std::string& topic, std::uint32_t partitions, const configs& more) {
  const std::string what = "create topic " + topic;
  bool is_created = false;
  return repeat<std::uint32_t>(what, [&]() -> attempt<std::uint32_t> {
    rd_kafka_resp_err_t code{};
    const auto found = shapes(topic, code);
    const auto at = found.find(topic);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && at != found.end() && at->second.partitions > 0) {
      if (at->second.is_led) {
        std::lock_guard lock(mutex_);
        ensured_[topic] = clock::now();
        return {at->second.partitions};
      }
      return {std::nullopt, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE};
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && meaning_of(code) != broker_errc::not_found) {
      if (is_transient(code)) return {std::nullopt, code};
      return {unexpected(client_->get().error(code, what))};
    }
    if (is_created) return {std::nullopt, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE};  // not known everywhere yet
    std::string detail;
    code = create(topic, partitions, more, detail);
    is_created = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    // One that is being deleted exists for a while, and then does not.
    if (is_created || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS || is_transient(code)) return {std::nullopt, code};
    return {unexpected(client_->get().error(code, what, detail))};
  });
}

broker_result<void> admin::remove(const std::string& topic) {
  const std::string what = "delete topic " + topic;
  bool is_deleted = false;
  {
    std::lock_guard lock(mutex_);
    ensured_.erase(topic);
  }
  return repeat<void>(what, [&]() -> attempt<void> {
    rd_kafka_resp_err_t code{};
    if (!is_deleted) {
      const delete_topic_handle asked_for(rd_kafka_DeleteTopic_new(topic.c_str()));
      rd_kafka_DeleteTopic_t* asked = asked_for.get();
      const event_handle got = answer(
          RD_KAFKA_ADMIN_OP_DELETETOPICS,
          [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* replies) {
            rd_kafka_DeleteTopics(client_->handle(), &asked, 1, options, replies);
          },
          code);
      std::string detail;
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        std::size_t count = 0;
        const auto* const result = rd_kafka_event_DeleteTopics_result(got.get());
        const rd_kafka_topic_result_t** const topics = rd_kafka_DeleteTopics_result_topics(result, &count);
        code = count > 0 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__FAIL;
        if (const char* const text = count > 0 ? rd_kafka_topic_result_error_string(topics[0]) : nullptr) detail = text;
      }
      if (is_transient(code)) return {std::nullopt, code};
      if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return {unexpected(client_->get().error(code, what, detail))};
      is_deleted = true;
    }
    // Until it can't be found any more.
    (void)shapes(topic, code);
    if (meaning_of(code) == broker_errc::not_found) return succeeded();
    return {std::nullopt, RD_KAFKA_RESP_ERR__TIMED_OUT};
  });
}

broker_result<stream_bounds> admin::bounds_once(const std::string& topic, std::uint32_t partition, milliseconds how_long) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  const rd_kafka_resp_err_t code =
      rd_kafka_query_watermark_offsets(client_->handle(), topic.c_str(), static_cast<std::int32_t>(partition), &low, &high,
                                       static_cast<int>(how_long.count()));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return unexpected(client_->get().error(code, "bounds of " + topic + "/" + std::to_string(partition)));
  }
  return stream_bounds{static_cast<position>(low) + 1, static_cast<position>(high)};
}

broker_result<stream_bounds> admin::bounds(const std::string& topic, std::uint32_t partition) {
  const std::string what = "bounds of " + topic + "/" + std::to_string(partition);
  return repeat<stream_bounds>(what, [&]() -> attempt<stream_bounds> {
    // librdkafka waits for a topic that is not there as for a server that does not answer.
    attempt<std::uint32_t> found = look(topic, what);
    if (!found.outcome) return {std::nullopt, found.again};
    if (!*found.outcome) {
      const bool is_late = found.outcome->error().code == broker_errc::not_found && was_there(topic);
      if (is_late) return {std::nullopt, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART};
      return {unexpected(std::move(found.outcome->error()))};
    }
    if (partition >= **found.outcome) {
      return {unexpected(client_->get().error(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, what))};
    }
    broker_result<stream_bounds> read = bounds_once(topic, partition, request_limit());
    if (!read && read.error().code == broker_errc::unavailable) return {std::nullopt, RD_KAFKA_RESP_ERR__TIMED_OUT};
    if (!read && read.error().code == broker_errc::not_found && was_there(topic)) {
      return {std::nullopt, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART};
    }
    return {std::move(read)};
  });
}

broker_result<void> admin::trim(const std::string& topic, std::uint32_t partition, position through) {
  const std::string what = "trim " + topic + "/" + std::to_string(partition);
  const broker_result<stream_bounds> kept = bounds(topic, partition);
  if (!kept) return unexpected(kept.error());
  if (through < kept->first) return {};
  const position until = std::min(through, kept->last);
  return repeat<void>(what, [&]() -> attempt<void> {
    const partitions_handle before(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(before.get(), topic.c_str(), static_cast<std::int32_t>(partition))->offset =
        static_cast<std::int64_t>(until);
    const delete_records_handle asked_for(rd_kafka_DeleteRecords_new(before.get()));
    rd_kafka_DeleteRecords_t* asked = asked_for.get();
    rd_kafka_resp_err_t code{};
    const event_handle got = answer(
        RD_KAFKA_ADMIN_OP_DELETERECORDS,
        [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* replies) {
          rd_kafka_DeleteRecords(client_->handle(), &asked, 1, options, replies);
        },
        code);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const auto* const offsets =
          rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(got.get()));
      code = offsets->cnt > 0 ? offsets->elems[0].err : RD_KAFKA_RESP_ERR__FAIL;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return succeeded();
    if (is_transient(code)) return {std::nullopt, code};
    return {unexpected(client_->get().error(code, what))};
  });
}

broker_result<broker_durability> admin::durability() {
  const std::string what = "ask for its settings";
  return repeat<broker_durability>(what, [&]() -> attempt<broker_durability> {
    rd_kafka_resp_err_t code{};
    const auto failed = [&]() -> attempt<broker_durability> {
      if (is_transient(code)) return {std::nullopt, code};
      return {unexpected(client_->get().error(code, what))};
    };
    const auto judged = [](const std::string& name, int replicas, const configs& with, bool of_topic) {
      const int in_sync = number(value_of(with, "min.insync.replicas"), 1);
      const bool is_unclean = value_of(with, "unclean.leader.election.enable") == "true";
      const std::string flush = value_of(with, of_topic ? "flush.messages" : "log.flush.interval.messages");
      const bool is_replicated = replicas >= 3 && in_sync >= 2 && !is_unclean;
      return broker_durability{is_replicated || (flush == "1" && !is_unclean),
                               name + ": " + std::to_string(replicas) + " replicas, min.insync.replicas=" +
                                   std::to_string(in_sync) +
                                   ", unclean.leader.election.enable=" + (is_unclean ? "true" : "false") +
                                   (flush == "1" ? ", each record is synced (flush.messages=1)" : ", records sync later")};
    };
    const std::optional<configs> server = server_configs(code);
    if (!server) return failed();
    const int replication =
        settings_.replication > 0 ? settings_.replication : number(value_of(*server, "default.replication.factor"), 1);
    configs created = *server;  // as the topics would be that are created here
    created["min.insync.replicas"] = std::to_string(in_sync_for(replication));
    created["unclean.leader.election.enable"] = "false";
    broker_durability weakest = judged("topics that are created", replication, created, false);

    const auto topics = shapes(std::nullopt, code);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed();
    for (const auto& [topic, shape] : topics) {
      if (!topic.starts_with(settings_.prefix + ".")) continue;
      const std::optional<configs> described = describe(RD_KAFKA_RESOURCE_TOPIC, topic, code);
      if (!described && meaning_of(code) == broker_errc::not_found) continue;  // deleted meanwhile
      if (!described) return failed();
      broker_durability found = judged(topic, static_cast<int>(shape.replicas), *described, true);
      if (weakest.survives_power_cut && !found.survives_power_cut) weakest = std::move(found);
    }
    weakest.reason += weakest.survives_power_cut ? ": a record that was answered is on more than one machine, or synced"
                                                 : ": a power cut can lose records that were answered";
    return {std::move(weakest)};
  });
}

}  // namespace evermill::queue::kafka
