#include "plugins/queue/redis/reader.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/check.hpp"
#include "plugins/queue/broker_limits.hpp"

namespace evermill::queue {
namespace {

using std::chrono::milliseconds;

// Redis tells a waiting reader of new records, but not that a stream was deleted or trimmed: that is looked after so often.
constexpr milliseconds look_for_loss_every{1'000};
constexpr milliseconds look_every_without_interrupt{100};
constexpr std::size_t max_fetch_bytes = 1024 * 1024;  // a script holds up the whole server
constexpr std::size_t max_fetches_at_once = 64;

/// The words of a record, as the writer has put them.
stored_record to_record(const redisReply& entry) {
  stored_record made;
  made.at = position_of(text_of(*entry.element[0]));
  const redisReply& words = *entry.element[1];
  for (std::size_t i = 0; i + 1 < words.elements; i += 2) {
    const std::string_view name = text_of(*words.element[i]);
    const std::string_view value = text_of(*words.element[i + 1]);
    if (name == "t") {
      made.written = from_micros(static_cast<std::int64_t>(number_of(*words.element[i + 1])));
    } else if (name == "k") {
      made.what.key = value;
    } else if (name == "v") {
      made.what.value = value;
    } else if (name.starts_with('h')) {
      made.what.headers.emplace_back(name.substr(1), value);
    }
  }
  return made;
}

std::size_t memory_of(const stored_record& of) { return sizeof of + record_bytes(of.what); }

std::size_t held(redis_reading& by) {
  std::lock_guard lock(by.mutex);
  return by.bytes;
}

class redis_reader final : public stream_reader {
 public:
  redis_reader(std::shared_ptr<redis_reader_thread> thread, std::shared_ptr<redis_reading> reading)
      : thread_(std::move(thread)), reading_(std::move(reading)) {}

  ~redis_reader() override {
    thread_->remove(reading_);
    reading_->told.end();
  }

  broker_result<std::size_t> poll(std::vector<stored_record>& out, std::size_t limit) override {
    EVERMILL_CHECK(limit > 0, "a poll for nothing would look like the end of the stream");
    bool has_room = false;
    std::size_t count = 0;
    {
      std::lock_guard lock(reading_->mutex);
      if (reading_->closed) return redis_closed();
      for (; count < limit && !reading_->ahead.empty(); ++count) {
        reading_->bytes -= memory_of(reading_->ahead.front());
        out.push_back(std::move(reading_->ahead.front()));
        reading_->ahead.pop_front();
      }
      if (count == 0 && reading_->ended) return unexpected(*reading_->ended);
      if (count == 0) reading_->wants_call = true;
      if (reading_->full && (reading_->ahead.empty() || reading_->bytes <= reading_->prefetch_bytes / 2)) {
        reading_->full = false;
        has_room = true;
      }
    }
    if (has_room) thread_->wake();
    return count;
  }

  std::size_t buffered() const {
    std::lock_guard lock(reading_->mutex);
    return reading_->bytes;
  }

 private:
  const std::shared_ptr<redis_reader_thread> thread_;
  const std::shared_ptr<redis_reading> reading_;
};

/// Tells the user, if that is to be done. With the lock, which it gives back.
void tell(redis_reading& of, std::unique_lock<std::mutex> lock) {
  const bool due = of.wants_call && !of.closed && (!of.ahead.empty() || of.ended);
  if (due) of.wants_call = false;
  lock.unlock();
  if (due) of.told.make();
}

}  // namespace

redis_reader_thread::redis_reader_thread(std::shared_ptr<redis_common> common)
    : common_(std::move(common)), thread_([this] { run(); }) {}

void redis_reader_thread::add(std::shared_ptr<redis_reading> reading) {
  {
    std::lock_guard lock(mutex_);
    reading->closed = closed_;
    all_.push_back(std::move(reading));
  }
  wake();
}

void redis_reader_thread::remove(const std::shared_ptr<redis_reading>& reading) {
  std::lock_guard lock(mutex_);
  std::erase(all_, reading);
}

void redis_reader_thread::close() {
  if (thread_.joinable()) thread_.join();
  std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& each : all_) {
    std::lock_guard reading_lock(each->mutex);
    each->closed = true;
    each->ahead.clear();
  }
}

redis_reader_thread::readings redis_reader_thread::hungry() {
  std::lock_guard lock(mutex_);
  readings found;
  for (const auto& each : all_) {
    std::lock_guard reading_lock(each->mutex);
    if (!each->full && !each->ended) found.push_back(each);
  }
  return found;
}

void redis_reader_thread::run() {
  for (;;) {
    wake_.clear();
    const readings now = hungry();
    if (now.empty()) {
      wait_for(wake_, common_->stop, std::nullopt);
    } else if (connect()) {
      readings due;
      for (const auto& each : now) {
        if (each->look && due.size() < max_fetches_at_once) due.push_back(each);
      }
      if (due.empty() ? wait_for_more(now) : fetch(due)) back_off_.succeeded();
    }
    if (stopped(*common_)) return;
    if (connection_ == nullptr && !now.empty()) wait_for(common_->stop, common_->stop, back_off_.next());
  }
}

bool redis_reader_thread::lost(const broker_error& why) {
  if (why.code != broker_errc::closed) common_->watch.lost(0, why.message);
  connection_.reset();
  interrupter_.reset();
  std::lock_guard lock(mutex_);
  for (const auto& each : all_) each->look = each->verify = true;
  return false;
}

bool redis_reader_thread::connect() {
  if (connection_ != nullptr && connection_->usable()) return true;
  auto opened = redis_connection::open(common_->address, 0, common_->address.timeout, &common_->stop);
  if (!opened) return lost(opened.error());
  if (const auto ready = (*opened)->load(fetch_script); !ready) return lost(ready.error());
  connection_ = std::move(*opened);
  common_->watch.answers(0);
  return true;
}

bool redis_reader_thread::fetch(const readings& from) {
  for (const auto& each : from) {
    const std::size_t room = each->prefetch_bytes - std::min(each->prefetch_bytes, held(*each));
    const std::string after = std::to_string(each->after);
    const std::string limit = std::to_string(std::clamp<std::size_t>(room, 1, max_fetch_bytes));
    connection_->add_script(fetch_script, {each->keys.records, each->keys.incarnation},
                            {each->incarnation, after, limit, each->verify ? each->last_written : std::string_view{}});
  }
  std::optional<broker_error> failure;
  for (const auto& each : from) {
    const auto reply = connection_->next();
    if (!reply) return lost(reply.error());
    if (is_error(**reply)) {
      broker_error error = error_of(**reply, connection_->where());
      if (error.code == broker_errc::unavailable) {
        failure = std::move(error);
      } else {
        end(*each, std::move(error));
      }
      continue;
    }
    take(*each, **reply);
  }
  return failure ? lost(*failure) : true;
}

void redis_reader_thread::take(redis_reading& into, const redisReply& reply) {
  const std::string where = "redis " + common_->address.show(0) + ": partition " + std::to_string(into.from.partition) +
                            " of stream '" + into.from.stream + "' ";
  const std::string_view outcome = reply.elements > 0 ? text_of(*reply.element[0]) : "";
  const auto trimmed = [&] {
    end(into, {broker_errc::trimmed, where + "does not keep what follows " + std::to_string(into.after) + " any more"});
  };
  if (outcome == "trimmed") return trimmed();
  if (outcome != "ok" || reply.elements != 3) {
    const std::string why = reply.elements > 1 ? std::string(text_of(*reply.element[1])) : "its answer is not understood";
    return end(into, {broker_errc::regressed, where + "is not what it was: " + why});
  }
  const redisReply& entries = *reply.element[2];
  if (entries.elements > 0 && position_of(text_of(*entries.element[0]->element[0])) != into.after + 1) return trimmed();
  into.look = number_of(*reply.element[1]) == 0;
  into.verify = false;
  if (entries.elements == 0) return;
  std::vector<stored_record> records;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < entries.elements; ++i) {
    records.push_back(to_record(*entries.element[i]));
    bytes += memory_of(records.back());
  }
  into.after = records.back().at;
  into.last_written = std::to_string(to_micros(records.back().written));
  std::unique_lock lock(into.mutex);
  std::move(records.begin(), records.end(), std::back_inserter(into.ahead));
  into.bytes += bytes;
  into.full = into.bytes >= into.prefetch_bytes;
  tell(into, std::move(lock));
}

void redis_reader_thread::end(redis_reading& of, broker_error why) {
  std::unique_lock lock(of.mutex);
  of.ended = std::move(why);
  tell(of, std::move(lock));
}

bool redis_reader_thread::wait_for_more(const readings& from) {
  const milliseconds limit = cannot_interrupt_ ? look_every_without_interrupt : look_for_loss_every;
  const std::string block = std::to_string(limit.count());
  redis_connection::words command{"XREAD", "COUNT", "1", "BLOCK", block, "STREAMS"};
  std::vector<std::string> ids;
  for (const auto& each : from) {
    command.push_back(each->keys.records);
    ids.push_back("0-" + std::to_string(each->after));
  }
  command.insert(command.end(), ids.begin(), ids.end());
  connection_->add(command);
  const milliseconds patience = limit + common_->address.timeout;
  const auto end_of_patience = std::chrono::steady_clock::now() + patience;
  bool interrupted = false;
  auto reply = connection_->next(&wake_, patience);
  // The interruption may come before the wait that it is for: then it is sent again.
  while (reply && *reply == nullptr && !stopped(*common_)) {
    interrupted = true;
    if (std::chrono::steady_clock::now() > end_of_patience || !interrupt_wait()) {
      return lost({broker_errc::unavailable, "redis " + connection_->where() + ": no answer in time"});
    }
    reply = connection_->next(nullptr, cannot_interrupt_ ? patience : milliseconds(2));
  }
  if (!reply) return lost(reply.error());
  if (*reply == nullptr) return false;
  if (is_error(**reply)) {
    broker_error error = error_of(**reply, connection_->where());
    if (error.code == broker_errc::unavailable) return lost(error);
    for (const auto& each : from) end(*each, error);
    return true;
  }
  const bool idle = (*reply)->type == REDIS_REPLY_NIL && !interrupted;
  for (const auto& each : from) {
    each->look = each->look || idle;
    for (std::size_t i = 0; !each->look && i < (*reply)->elements; ++i) {
      each->look = text_of(*(*reply)->element[i]->element[0]) == each->keys.records;
    }
  }
  return true;
}

bool redis_reader_thread::interrupt_wait() {
  if (cannot_interrupt_) return true;
  if (interrupter_ == nullptr || !interrupter_->usable()) {
    auto opened = redis_connection::open(common_->address, 0, common_->address.timeout, &common_->stop);
    if (!opened) return false;
    interrupter_ = std::move(*opened);
  }
  const auto answer = interrupter_->run({"CLIENT", "UNBLOCK", connection_->id()});
  if (answer) return true;
  if (answer.error().code != broker_errc::refused) return false;
  cannot_interrupt_ = true;
  common_->log.warn({}, "{}; new readers are looked after every {} ms instead: allow this user CLIENT UNBLOCK",
                    answer.error().message, look_every_without_interrupt.count());
  return true;
}

std::unique_ptr<stream_reader> make_redis_reader(std::shared_ptr<redis_reader_thread> thread,
                                                 std::shared_ptr<redis_reading> reading) {
  return std::make_unique<redis_reader>(std::move(thread), std::move(reading));
}

std::size_t buffered_bytes(const stream_reader& of) {
  const auto* const known = dynamic_cast<const redis_reader*>(&of);
  EVERMILL_CHECK(known != nullptr, "a reader of a Redis broker");
  return known->buffered();
}

}  // namespace evermill::queue
