#include "plugins/queue/kafka/producer.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <span>
#include <utility>

#include "base/check.hpp"
#include "plugins/queue/broker_limits.hpp"

namespace evermill::queue::kafka {
namespace {

using std::chrono::steady_clock;
using headers_handle = std::unique_ptr<rd_kafka_headers_t, destroyed_by<rd_kafka_headers_destroy>>;

/// What Kafka adds to a record and its batch, at most: message.max.bytes counts it, max_record_bytes does not.
constexpr std::size_t overhead_bytes = 64 * 1024;
constexpr std::size_t header_overhead_bytes = 10;
constexpr std::chrono::seconds closing_limit{5};
constexpr int serve_ms = 1000;
constexpr int refresh_ms = 1000;
constexpr int awaited_ms = 50;  // between two looks at a topic that somebody waits for

const properties producer_defaults{
    {"client.id", "evermill"},
    {"message.timeout.ms", "60000"},
    {"message.max.bytes", std::to_string(1024 * 1024 + overhead_bytes)},
    {"linger.ms", "0"},
    {"request.timeout.ms", "10000"},  // a leader that hangs is left for the next one
    {"socket.timeout.ms", "11000"},
    {"socket.connection.setup.timeout.ms", "5000"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "1000"},
    {"topic.metadata.propagation.max.ms", "5000"},
    {"socket.nagle.disable", "true"},
};
// How much may wait is decided here, for whole batches: librdkafka would take a part of one.
const properties fixed{{"enable.idempotence", "true"},
                       {"acks", "all"},
                       {"queue.buffering.max.messages", "0"},
                       {"queue.buffering.max.kbytes", "2147483647"}};
constexpr std::size_t default_waiting_kbytes = 64 * 1024;
constexpr std::size_t default_waiting_records = 500'000;

std::size_t number(const std::string& text, std::size_t otherwise) {
  std::size_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::size_t given(const settings& in, std::string_view name, std::size_t otherwise) {
  for (const auto& [each, value] : in.given) {
    if (each == name) return number(value, otherwise);
  }
  return otherwise;
}

bool has_leaders(const rd_kafka_metadata_t& seen) {
  if (seen.topic_cnt != 1 || seen.topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
  const std::span partitions(seen.topics[0].partitions, static_cast<std::size_t>(seen.topics[0].partition_cnt));
  return !partitions.empty() && std::ranges::all_of(partitions, [](const auto& each) { return each.leader >= 0; });
}

}  // namespace

broker_result<std::unique_ptr<producer>> producer::open(const settings& with, const log& to) {
  std::unique_ptr<producer> made(new producer(with, to));
  auto first = made->begin_life();
  if (!first) return unexpected(std::move(first.error()));
  const client& handle = *(*first)->handle;
  const std::size_t message = number(handle.property("message.max.bytes"), 0);
  made->max_record_bytes_ = message > 2 * overhead_bytes ? message - overhead_bytes : message / 2;
  made->max_waiting_bytes_ = 1024 * given(with, "queue.buffering.max.kbytes", default_waiting_kbytes);
  made->max_waiting_records_ = given(with, "queue.buffering.max.messages", default_waiting_records);
  std::lock_guard lock(made->mutex_);
  made->current_ = std::move(*first);
  return made;
}

broker_result<std::unique_ptr<producer::life>> producer::begin_life() {
  auto made = std::make_unique<life>();
  life& in = *made;
  client::hooks on{.delivered = [this](const rd_kafka_message_t& message) { delivered(message); },
                   .failed =
                       [this, &in] {
                         std::lock_guard lock(mutex_);
                         in.failed = true;
                       }};
  auto opened = client::open(RD_KAFKA_PRODUCER, settings_, producer_defaults, fixed, std::move(on), log_);
  if (!opened) return unexpected(std::move(opened.error()));
  in.handle = std::move(*opened);
  in.thread = std::thread([this, &in] { serve(in); });
  return made;
}

void producer::life::wake() const {
  const queue_handle main(rd_kafka_queue_get_main(handle->handle()));
  rd_kafka_queue_yield(main.get());
}

broker_result<void> producer::append(const std::string& name, std::uint32_t partition, std::vector<record> records,
                                     broker::append_callback done) {
  placed_callback placed;
  if (done) placed = [told = std::move(done)](broker_result<position> at, std::uint32_t) { told(std::move(at)); };
  return add(name, partition, std::move(records), std::move(placed));
}

broker_result<void> producer::append_anywhere(const std::string& name, record what, placed_callback done) {
  std::vector<record> one;
  one.push_back(std::move(what));
  return add(name, any_partition, std::move(one), std::move(done));
}

broker_result<void> producer::add(const std::string& name, std::uint32_t partition, std::vector<record> records,
                                  placed_callback done) {
  EVERMILL_CHECK(!records.empty(), "an append of no records has no position to tell");
  const std::string what = "append to " + name + (partition == any_partition ? "" : "/" + std::to_string(partition));
  auto added = std::make_unique<batch>();
  for (const record& each : records) {
    const std::size_t bytes = record_bytes(each);
    if (bytes > max_record_bytes_ || each.headers.size() * header_overhead_bytes > overhead_bytes / 2) {
      return unexpected(broker_error{broker_errc::too_large,
                                     settings_.address() + ": " + what + ": a record of " + std::to_string(bytes) +
                                         " bytes; there can be " + std::to_string(max_record_bytes_) +
                                         " (message.max.bytes - " + std::to_string(overhead_bytes) + ") in it, and " +
                                         std::to_string(overhead_bytes / 2 / header_overhead_bytes) + " headers"});
    }
    added->bytes += bytes;
  }
  added->records = added->left = records.size();
  added->done = std::move(done);
  added->what = what;

  std::lock_guard lock(mutex_);
  if (closed_) return unexpected(broker_error{broker_errc::closed, settings_.address() + ": " + what + ": it is closed"});
  const bool is_full = waiting_bytes_ + added->bytes > max_waiting_bytes_ ||
                       waiting_records_ + added->records > max_waiting_records_;
  if (is_full && waiting_records_ > 0) {
    return unexpected(broker_error{broker_errc::overloaded, settings_.address() + ": " + what + ": " +
                                                                std::to_string(waiting_bytes_) + " bytes in " +
                                                                std::to_string(waiting_records_) +
                                                                " records wait to be written; try again later"});
  }
  life& in = *current_;
  added->in = &in;
  rd_kafka_topic_t* const to = topic(in, name);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const rd_kafka_resp_err_t code = produce(in, to, partition, records[i], *added);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    if (meaning_of(code) == broker_errc::not_found) {
      in.to_refresh.insert(name);  // it may be there again
      in.wake();
    }
    if (i == 0) return unexpected(in.handle->error(code, what));
    added->failed = code;  // those before it are under way and answer for it
    added->left -= records.size() - i;
    break;
  }
  waiting_records_ += added->records;
  waiting_bytes_ += added->bytes;
  ++unanswered_;
  in.open.insert(added.release());
  return {};
}

rd_kafka_topic_t* producer::topic(life& of, const std::string& name) {
  topic_handle& found = of.topics[name];
  if (!found) found.reset(rd_kafka_topic_new(of.handle->handle(), name.c_str(), nullptr));
  return found.get();
}

rd_kafka_resp_err_t producer::produce(life& in, rd_kafka_topic_t* to, std::uint32_t partition, const record& what, batch& of) {
  if (to == nullptr) return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
  headers_handle headers(what.headers.empty() ? nullptr : rd_kafka_headers_new(what.headers.size()));
  for (const auto& [name, value] : what.headers) {
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  // librdkafka copies key and value, and owns the headers once it has taken the record.
  void* const value = const_cast<char*>(what.value.data());
  const void* const key = what.key.empty() ? nullptr : what.key.data();
  const rd_kafka_resp_err_t code = rd_kafka_producev(
      in.handle->handle(), RD_KAFKA_V_RKT(to), RD_KAFKA_V_PARTITION(static_cast<std::int32_t>(partition)),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, what.value.size()),
      RD_KAFKA_V_KEY(key, what.key.size()), RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_OPAQUE(&of), RD_KAFKA_V_END);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) (void)headers.release();
  return code;
}

void producer::delivered(const rd_kafka_message_t& message) {
  auto* const of = static_cast<batch*>(message._private);
  std::unique_ptr<batch> finished;
  {
    std::lock_guard lock(mutex_);
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (of->failed == RD_KAFKA_RESP_ERR_NO_ERROR) of->failed = message.err;
    } else if (message.offset >= 0) {
      of->last = std::max(of->last, static_cast<position>(message.offset) + 1);
      of->partition = static_cast<std::uint32_t>(message.partition);
    } else {  // repeated after a server was lost, and known as a duplicate that lies too far back
      of->is_unplaced = true;
    }
    if (--of->left > 0) return;
    of->in->open.erase(of);
    finished.reset(of);
    waiting_records_ -= of->records;
    waiting_bytes_ -= of->bytes;
  }
  finish(std::move(finished));
}

void producer::finish(std::unique_ptr<batch> what) {
  if (what->done) {
    if (what->failed == RD_KAFKA_RESP_ERR_NO_ERROR) {
      what->done(what->is_unplaced ? position{0} : what->last, what->partition);
    } else {
      broker_error error = what->in->handle->error(what->failed, what->what);
      const bool is_purged =
          what->failed == RD_KAFKA_RESP_ERR__PURGE_QUEUE || what->failed == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
      {
        std::lock_guard lock(mutex_);
        if (is_purged && closed_) error = {broker_errc::closed, settings_.address() + ": " + what->what + ": it was closed"};
      }
      what->done(unexpected(std::move(error)), what->partition);
    }
    what->done = nullptr;
  }
  std::lock_guard lock(mutex_);
  if (--unanswered_ == 0) answered_.notify_all();
}

void producer::serve(life& of) {
  for (;;) {
    rd_kafka_poll(of.handle->handle(), refresh_topics(of) ? serve_ms : awaited_ms);
    std::unique_lock lock(mutex_);
    if (of.ending) break;
    if (!of.failed) continue;
    lock.unlock();
    replace(of);
    break;
  }
  end(of);
}

/// Is nothing left that somebody waits for?
bool producer::refresh_topics(life& of) {
  std::set<std::string> names;
  {
    std::lock_guard lock(mutex_);
    names.swap(of.to_refresh);
    for (const auto& [name, waiting] : awaited_) names.insert(name);
  }
  for (const std::string& name : names) {
    rd_kafka_topic_t* known = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (of.ending) return true;
      known = topic(of, name);
    }
    if (known == nullptr) continue;
    const rd_kafka_metadata_t* found = nullptr;  // what it says, librdkafka has noted by then
    if (rd_kafka_metadata(of.handle->handle(), 0, known, &found, refresh_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const bool is_led = has_leaders(*found);
    rd_kafka_metadata_destroy(found);
    std::lock_guard lock(mutex_);
    if (is_led && awaited_.erase(name) > 0) refreshed_.notify_all();
  }
  std::lock_guard lock(mutex_);
  return awaited_.empty();
}

void producer::replace(life& failed) {
  log_.error({}, "kafka: {}: the producer can't go on; what waits to be written is given up, and a new one takes its place",
             settings_.address());
  auto next = begin_life();
  std::lock_guard lock(mutex_);
  if (closed_) {
    if (next) {
      (*next)->ending = true;
      (*next)->wake();
      failed_.push_back(std::move(*next));
    }
    return;
  }
  EVERMILL_CHECK(next.has_value(), "what made one producer makes another");
  failed_.push_back(std::exchange(current_, std::move(*next)));
  EVERMILL_CHECK(failed_.back().get() == &failed, "only the producer in use is replaced");
}

/// What is not answered is given up.
void producer::end(life& of) {
  rd_kafka_purge(of.handle->handle(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  const auto deadline = steady_clock::now() + closing_limit;
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (of.open.empty()) break;
    }
    if (steady_clock::now() >= deadline) break;
    rd_kafka_poll(of.handle->handle(), 50);
  }
  std::vector<std::unique_ptr<batch>> forgotten;
  {
    std::lock_guard lock(mutex_);
    for (batch* each : of.open) {
      each->failed = RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
      waiting_records_ -= each->records;
      waiting_bytes_ -= each->bytes;
      forgotten.emplace_back(each);
    }
    of.open.clear();
  }
  for (std::unique_ptr<batch>& each : forgotten) finish(std::move(each));
}

bool producer::flush(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return answered_.wait_for(lock, limit, [&] { return unanswered_ == 0; });
}

void producer::refresh(const std::string& name, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  if (closed_) return;
  ++awaited_[name];
  current_->wake();
  const bool is_known = refreshed_.wait_for(lock, limit, [&] { return closed_ || !awaited_.contains(name); });
  if (is_known) return;
  const auto mine = awaited_.find(name);
  if (--mine->second == 0) awaited_.erase(mine);
}

void producer::close() {
  std::vector<std::unique_ptr<life>> ended;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    awaited_.clear();
    refreshed_.notify_all();
    if (current_) {
      current_->ending = true;
      current_->wake();
    }
  }
  // A thread that replaces its producer adds to the failed ones: all is said once none is left.
  for (;;) {
    std::unique_ptr<life> next;
    {
      std::lock_guard lock(mutex_);
      if (current_) {
        next = std::move(current_);
      } else if (!failed_.empty()) {
        next = std::move(failed_.back());
        failed_.pop_back();
      } else {
        return;
      }
    }
    next->thread.join();
  }
}

std::size_t producer::replacements() const {
  std::lock_guard lock(mutex_);
  return failed_.size();
}

void producer::fail_for_good() {
  std::lock_guard lock(mutex_);
  rd_kafka_test_fatal_error(current_->handle->handle(), RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "by a test");
}

}  // namespace evermill::queue::kafka
