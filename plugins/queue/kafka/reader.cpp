#include "plugins/queue/kafka/reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace evermill::queue::kafka {
namespace {

using message_handle = std::unique_ptr<rd_kafka_message_t, destroyed_by<rd_kafka_message_destroy>>;

constexpr std::size_t largest_fetch_kbytes = 1024;
constexpr std::chrono::milliseconds bounds_limit{1000};

const properties reader_defaults{
    {"client.id", "evermill"},
    {"fetch.min.bytes", "1"},
    {"fetch.wait.max.ms", "100"},  // a partition that is added waits for the request that is under way
    {"fetch.error.backoff.ms", "50"},
    {"socket.timeout.ms", "10000"},
    {"socket.connection.setup.timeout.ms", "5000"},
    {"socket.nagle.disable", "true"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "1000"},
    {"topic.metadata.refresh.interval.ms", "30000"},
};

properties fixed(std::size_t prefetch_kbytes, readers::isolation how) {
  // A fetch that was begun below the limit is taken whole: so each has a half.
  const std::size_t half = std::max<std::size_t>(prefetch_kbytes / 2, 1);
  const std::size_t fetch = std::min(half, largest_fetch_kbytes);
  return {{"auto.offset.reset", "error"},
          {"auto.commit.enable", "false"},
          {"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"},
          {"isolation.level", how == readers::isolation::read_committed ? "read_committed" : "read_uncommitted"},
          {"enable.partition.eof", "false"},
          {"queued.min.messages", "100000"},
          {"queued.max.messages.kbytes", std::to_string(std::max<std::size_t>(prefetch_kbytes - fetch, 1))},
          {"fetch.message.max.bytes", std::to_string(fetch * 1024)}};
}

stored_record stored(const rd_kafka_message_t& message) {
  stored_record made;
  made.at = static_cast<position>(message.offset) + 1;
  rd_kafka_timestamp_type_t type{};
  made.written = from_micros(rd_kafka_message_timestamp(&message, &type) * 1000);
  if (message.key != nullptr) made.what.key.assign(static_cast<const char*>(message.key), message.key_len);
  if (message.payload != nullptr) made.what.value.assign(static_cast<const char*>(message.payload), message.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return made;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    made.what.headers.emplace_back(name, value != nullptr ? std::string(static_cast<const char*>(value), size) : "");
  }
  return made;
}

}  // namespace

/// What is behind a stream_reader. Outlives it on the dispatcher only, and then calls nobody.
class partition_reader final : public dispatcher::source {
 public:
  partition_reader(readers& of, std::shared_ptr<readers::shared_handle> handle, readers::place where, position after,
                   std::function<void()> on_readable)
      : readers_(of),
        handle_(std::move(handle)),
        where_(std::move(where)),
        after_(after),
        on_readable_(std::move(on_readable)) {}
  ~partition_reader() override { end(broker_errc::closed); }

  broker_result<void> start() {
    const std::string what = "read " + name();
    {
      std::lock_guard lock(mutex_);
      topic_.reset(rd_kafka_topic_new(librdkafka(), where_.first.c_str(), nullptr));
      if (!topic_) return unexpected(handle_->client->get().error(rd_kafka_last_error(), what));
      queue_.reset(rd_kafka_queue_new(librdkafka()));
      rd_kafka_queue_cb_event_enable(queue_.get(), on_event, this);
      if (!fetch()) return unexpected(handle_->client->get().error(rd_kafka_last_error(), what));
    }
    readers_.dispatcher_.wake(shared_from_this());
    return {};
  }

  broker_result<std::size_t> poll(std::vector<stored_record>& out, std::size_t limit) {
    std::lock_guard lock(mutex_);
    if (ended_) return unexpected(*ended_);
    if (limit == 0) return std::size_t{0};
    std::size_t count = take(out, limit);
    if (count == 0 && !ended_) {
      wants_call_ = true;
      count = take(out, limit);  // what came before the call was wanted
      if (count > 0) wants_call_ = false;
    }
    if (count == 0 && ended_) return unexpected(*ended_);
    return count;
  }

  /// After return nothing is called and librdkafka does not know this any more.
  void end(broker_errc why) {
    std::unique_lock lock(mutex_);
    if (!ended_) ended_ = broker_error{why, readers_.settings_.address() + ": read " + name() + ": it was closed"};
    on_readable_ = nullptr;
    quiet_.wait(lock, [&] { return calls_running_ == 0; });
    if (!handle_) return;
    if (queue_) rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
    if (is_fetching_) rd_kafka_consume_stop(topic_.get(), static_cast<std::int32_t>(where_.second));
    queue_.reset();
    topic_.reset();
    const std::shared_ptr<readers::shared_handle> handle = std::exchange(handle_, nullptr);
    lock.unlock();
    readers_.give_back(handle, where_);
  }

 private:
  static void on_event(rd_kafka_t*, void* self) {
    auto& of = *static_cast<partition_reader*>(self);
    if (auto alive = of.weak_from_this().lock()) of.readers_.dispatcher_.wake(std::move(alive));
  }

  /// On the dispatcher: there may be something.
  void serve() override {
    std::unique_lock lock(mutex_);
    if (!wants_call_ || !on_readable_ || ended_ || rd_kafka_queue_length(queue_.get()) == 0) return;
    wants_call_ = false;
    ++calls_running_;
    const std::function<void()> call = on_readable_;
    lock.unlock();
    call();
    lock.lock();
    if (--calls_running_ == 0) quiet_.notify_all();
  }

  std::string name() const { return where_.first + "/" + std::to_string(where_.second); }
  rd_kafka_t* librdkafka() const { return handle_->client->handle(); }

  bool fetch() {
    is_fetching_ = rd_kafka_consume_start_queue(topic_.get(), static_cast<std::int32_t>(where_.second),
                                                static_cast<std::int64_t>(after_), queue_.get()) == 0;
    return is_fetching_;
  }

  std::size_t take(std::vector<stored_record>& out, std::size_t limit) {
    std::array<rd_kafka_message_t*, 256> messages{};
    std::size_t count = 0;
    while (count < limit && !ended_) {
      const std::size_t most = std::min(limit - count, messages.size());
      const ssize_t got = rd_kafka_consume_batch_queue(queue_.get(), 0, messages.data(), most);
      if (got <= 0) break;
      for (ssize_t i = 0; i < got; ++i) {
        const message_handle message(messages[static_cast<std::size_t>(i)]);
        if (ended_) continue;
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
          look_at(*message);
        } else if (message->offset >= static_cast<std::int64_t>(after_)) {
          out.push_back(stored(*message));
          after_ = out.back().at;
          ++count;
        }
      }
    }
    return count;
  }

  void look_at(const rd_kafka_message_t& message) {
    switch (message.err) {
      case RD_KAFKA_RESP_ERR__PARTITION_EOF: return;
      case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: out_of_range(); return;
      default: break;
    }
    if (meaning_of(message.err) == broker_errc::refused) {
      ended_ = handle_->client->get().error(message.err, "read " + name());
      return;
    }
    // Whatever else it is, librdkafka goes on by itself: a topic that is not known may be known again.
    readers_.log_.debug({}, "kafka: read {}: {}", name(),
                        readers_.settings_.masked(rd_kafka_message_errstr(&message)));
  }

  /// librdkafka has stopped: there is nothing at `after_`. Where the server can't say why now, it is asked again by reading.
  void out_of_range() {
    const broker_result<stream_bounds> now = readers_.admin_.bounds_once(where_.first, where_.second, bounds_limit);
    if (now) ended_ = why_unreadable(*now);
    if (ended_) return;
    rd_kafka_consume_stop(topic_.get(), static_cast<std::int32_t>(where_.second));
    if (!fetch()) ended_ = handle_->client->get().error(rd_kafka_last_error(), "read " + name());
  }

  std::optional<broker_error> why_unreadable(const stream_bounds& now) const;

  readers& readers_;
  std::mutex mutex_;
  std::condition_variable quiet_;
  std::shared_ptr<readers::shared_handle> handle_;
  const readers::place where_;
  topic_handle topic_;
  queue_handle queue_;
  bool is_fetching_ = false;
  position after_;
  std::function<void()> on_readable_;
  bool wants_call_ = true;
  unsigned calls_running_ = 0;
  std::optional<broker_error> ended_;
};

namespace {

std::optional<broker_error> unreadable(const std::string& what, position after, const stream_bounds& now) {
  const std::string place = what + ": the record after " + std::to_string(after);
  if (after > now.last) {
    return broker_error{broker_errc::regressed,
                        place + " can't come: the newest there ever was is " + std::to_string(now.last) +
                            ". The topic is not what it was: was it deleted, and created again?"};
  }
  if (after + 1 < now.first) {
    return broker_error{broker_errc::trimmed, place + " is not kept any more: the oldest is " + std::to_string(now.first)};
  }
  return std::nullopt;
}

class owned_reader final : public stream_reader {
 public:
  explicit owned_reader(std::shared_ptr<partition_reader> of) : of_(std::move(of)) {}
  ~owned_reader() override { of_->end(broker_errc::closed); }
  broker_result<std::size_t> poll(std::vector<stored_record>& out, std::size_t limit) override { return of_->poll(out, limit); }

 private:
  const std::shared_ptr<partition_reader> of_;
};

}  // namespace

std::optional<broker_error> partition_reader::why_unreadable(const stream_bounds& now) const {
  return unreadable(readers_.settings_.address() + ": read " + name(), after_, now);
}

broker_result<std::unique_ptr<stream_reader>> readers::read(const std::string& topic, std::uint32_t partition,
                                                            const reader_options& options, std::function<void()> on_readable) {
  const broker_result<stream_bounds> kept = admin_.bounds(topic, partition);
  if (!kept) return unexpected(kept.error());
  const std::string what = settings_.address() + ": read " + topic + "/" + std::to_string(partition);
  if (auto why = unreadable(what, options.after, *kept)) return unexpected(std::move(*why));
  place where{topic, partition};
  auto handle = take(where, options.prefetch_bytes);
  if (!handle) return unexpected(std::move(handle.error()));
  const auto made = std::make_shared<partition_reader>(*this, std::move(*handle), std::move(where), options.after,
                                                       std::move(on_readable));
  {
    std::lock_guard lock(mutex_);
    if (closed_) return unexpected(broker_error{broker_errc::closed, what + ": it is closed"});
    std::erase_if(open_, [](const std::weak_ptr<partition_reader>& each) { return each.expired(); });
    open_.push_back(made);
  }
  if (const auto started = made->start(); !started) return unexpected(started.error());
  return std::make_unique<owned_reader>(made);
}

broker_result<std::shared_ptr<readers::shared_handle>> readers::take(const place& what, std::size_t prefetch_bytes) {
  const std::size_t kbytes = std::clamp<std::size_t>(prefetch_bytes / 1024, 2, 1024 * 1024);
  std::lock_guard lock(mutex_);
  if (closed_) {
    return unexpected(broker_error{broker_errc::closed, settings_.address() + ": read " + what.first + ": it is closed"});
  }
  for (const std::shared_ptr<shared_handle>& each : handles_) {
    if (each->prefetch_kbytes == kbytes && each->reading.insert(what).second) return each;
  }
  auto opened = client::open(RD_KAFKA_CONSUMER, settings_, reader_defaults, fixed(kbytes, isolation_), {}, log_);
  if (!opened) return unexpected(std::move(opened.error()));
  auto made = std::make_shared<shared_handle>();
  made->prefetch_kbytes = kbytes;
  made->client = served_client::make(std::move(*opened), dispatcher_);
  made->reading.insert(what);
  handles_.push_back(made);
  return made;
}

void readers::give_back(const std::shared_ptr<shared_handle>& handle, const place& what) {
  std::lock_guard lock(mutex_);
  handle->reading.erase(what);
}

void readers::close() {
  std::list<std::weak_ptr<partition_reader>> open;
  std::vector<std::shared_ptr<shared_handle>> handles;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    open.swap(open_);
  }
  for (const std::weak_ptr<partition_reader>& each : open) {
    if (const auto reader = each.lock()) reader->end(broker_errc::closed);
  }
  std::lock_guard lock(mutex_);
  handles.swap(handles_);
}

}  // namespace evermill::queue::kafka
