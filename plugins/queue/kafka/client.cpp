#include "plugins/queue/kafka/client.hpp"

#include <array>
#include <utility>

namespace evermill::queue::kafka {
namespace {

using conf_handle = std::unique_ptr<rd_kafka_conf_t, destroyed_by<rd_kafka_conf_destroy>>;

constexpr int syslog_error = 3;
constexpr int syslog_warning = 4;
constexpr int syslog_info = 6;

/// librdkafka warns of each property of the address that is for another kind of handle than this one.
bool is_noise(std::string_view facility) { return facility == "CONFWARN"; }

}  // namespace

broker_errc meaning_of(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL: return broker_errc::overloaded;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE: return broker_errc::too_large;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return broker_errc::not_found;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
    case RD_KAFKA_RESP_ERR_TOPIC_DELETION_DISABLED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT: return broker_errc::refused;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST: return broker_errc::invalid;
    case RD_KAFKA_RESP_ERR__DESTROY: return broker_errc::closed;
    default: return broker_errc::unavailable;
  }
}

bool is_transient(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR__NODE_UPDATE:
    case RD_KAFKA_RESP_ERR__IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE: return true;
    default: return false;
  }
}

broker_result<std::unique_ptr<client>> client::open(rd_kafka_type_t type, const settings& with, const properties& defaults,
                                                    const properties& fixed, hooks on, const log& to) {
  std::unique_ptr<client> made(new client(with, std::move(on), to));
  std::array<char, 512> why{};
  const auto refused = [&](const std::string& name) {
    return unexpected(broker_error{broker_errc::invalid,
                                   with.masked(with.address() + ": option '" + name + "': " + why.data())});
  };
  conf_handle conf(rd_kafka_conf_new());
  const auto set = [&](const std::string& name, const std::string& value) {
    return rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), why.data(), why.size()) == RD_KAFKA_CONF_OK;
  };
  for (const properties* const each : {&defaults, &with.given, &fixed}) {
    for (const auto& [name, value] : *each) {
      if (!set(name, value)) return refused(name);
    }
  }
  if (!set("bootstrap.servers", with.servers)) return refused("bootstrap.servers");
  if (!set("allow.auto.create.topics", "false")) return refused("allow.auto.create.topics");
  rd_kafka_conf_set_opaque(conf.get(), made.get());
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  if (made->on_.delivered) rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);
  if (made->on_.rebalanced) rd_kafka_conf_set_rebalance_cb(conf.get(), on_rebalance);
  made->handle_ = rd_kafka_new(type, conf.get(), why.data(), why.size());
  if (made->handle_ == nullptr) {
    return unexpected(broker_error{broker_errc::invalid, with.masked(with.address() + ": " + why.data())});
  }
  (void)conf.release();  // the handle's now
  return made;
}

client::~client() {
  if (handle_ != nullptr) rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

broker_error client::error(rd_kafka_resp_err_t code, const std::string& what, const std::string& detail) const {
  broker_error made{meaning_of(code), settings_.address() + ": " + what + ": "};
  made.message += detail.empty() ? rd_kafka_err2str(code) : detail;
  if (made.code == broker_errc::unavailable) {
    std::lock_guard lock(mutex_);
    if (is_locked_out_) made.code = broker_errc::refused;
    if (!last_problem_.empty()) made.message += " (last problem: " + last_problem_ + ")";
  }
  switch (made.code) {
    case broker_errc::unavailable: made.message += "; is the server running, and can it be reached from here?"; break;
    case broker_errc::refused: made.message += "; check the sasl and ssl options, and what the server allows"; break;
    case broker_errc::too_large: made.message += "; raise the topic's max.message.bytes, or write smaller records"; break;
    default: break;
  }
  made.message = settings_.masked(std::move(made.message));
  return made;
}

std::string client::property(const char* name) const {
  std::array<char, 64> value{};
  std::size_t size = value.size();
  if (rd_kafka_conf_get(rd_kafka_conf(handle_), name, value.data(), &size) != RD_KAFKA_CONF_OK) return {};
  return value.data();
}

void client::on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
  const client* const self = handle != nullptr ? static_cast<const client*>(rd_kafka_opaque(handle)) : nullptr;
  if (self == nullptr) return;
  const std::string line = self->settings_.masked(text);
  auto as = spdlog::level::debug;
  if (!is_noise(facility)) {
    if (level < syslog_error) as = spdlog::level::err;
    else if (level <= syslog_warning) as = spdlog::level::warn;
    else if (level <= syslog_info) as = spdlog::level::info;
  }
  self->log_.write(as, {}, "kafka: {}: {}", facility, line);
}

void client::on_error(rd_kafka_t*, int code, const char* reason, void* self) {
  client& of = *static_cast<client*>(self);
  const std::string line = of.settings_.masked(reason != nullptr ? reason : "");
  const bool is_expected = is_transient(static_cast<rd_kafka_resp_err_t>(code));  // and is logged where it happens
  of.log_.write(is_expected ? spdlog::level::debug : spdlog::level::warn, {}, "kafka: {}: {}",
                rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code)), line);
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    if (of.on_.failed) of.on_.failed();
    return;
  }
  std::lock_guard lock(of.mutex_);
  of.is_locked_out_ = meaning_of(static_cast<rd_kafka_resp_err_t>(code)) == broker_errc::refused ||
                      (of.is_locked_out_ && code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
  if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || of.last_problem_.empty()) of.last_problem_ = line;
}

void client::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
  static_cast<client*>(self)->on_.delivered(*message);
}

void client::on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions, void* self) {
  static_cast<client*>(self)->on_.rebalanced(code, partitions);
}

void dispatcher::wake(std::shared_ptr<source> who) {
  if (who->is_waiting_.exchange(true)) return;
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  waiting_.push_back(std::move(who));
  changed_.notify_one();
}

void dispatcher::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  std::deque<std::shared_ptr<source>> dropped;  // without the lock: librdkafka may wait for it in `wake`
  std::lock_guard lock(mutex_);
  dropped.swap(waiting_);
}

void dispatcher::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    std::shared_ptr<source> next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    next->is_waiting_ = false;
    next->serve();
    next.reset();  // may be the last owner: without the lock
    lock.lock();
  }
}

std::shared_ptr<served_client> served_client::make(std::unique_ptr<client> what, dispatcher& by) {
  std::shared_ptr<served_client> made(new served_client(std::move(what), by));
  rd_kafka_queue_cb_event_enable(
      made->main_.get(),
      [](rd_kafka_t*, void* self) {
        auto& of = *static_cast<served_client*>(self);
        if (auto alive = of.weak_from_this().lock()) of.dispatcher_.wake(std::move(alive));
      },
      made.get());
  by.wake(made);  // what came before the callback was there
  return made;
}

served_client::served_client(std::unique_ptr<client> what, dispatcher& by)
    : client_(std::move(what)), dispatcher_(by), main_(rd_kafka_queue_get_main(client_->handle())) {}

served_client::~served_client() { rd_kafka_queue_cb_event_enable(main_.get(), nullptr, nullptr); }

}  // namespace evermill::queue::kafka
