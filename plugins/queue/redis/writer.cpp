#include "plugins/queue/redis/writer.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "plugins/queue/broker_limits.hpp"

namespace evermill::queue {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A script that writes holds up the whole server for as long as it runs.
constexpr std::size_t max_batch_records = 1'000;
constexpr std::size_t max_batch_bytes = 4 * 1024 * 1024;

// An append is given up long before its writer is forgotten, so that what comes late is known to be done.
constexpr milliseconds writer_is_known_for = std::chrono::hours(1);

/// As text that is ordered as the numbers are.
std::string padded(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(20 - digits.size(), '0') + digits;
}

timestamp wall_time() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace

redis_writer::redis_writer(std::shared_ptr<redis_common> common, std::string id, const redis_writer_options& options)
    : common_(std::move(common)), id_(std::move(id)), options_(options), thread_([this] { run(); }) {}

broker_result<void> redis_writer::append(const stream_partition& to, std::vector<record> records, std::size_t bytes,
                                         broker::append_callback done, std::uint64_t fence) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return redis_closed();
    if (pending_bytes_ != 0 && pending_bytes_ + bytes > options_.max_pending_bytes) {
      return unexpected(broker_error{broker_errc::overloaded, "redis broker: " + std::to_string(pending_bytes_) +
                                                                  " bytes wait to be written: try again later"});
    }
    pending_bytes_ += bytes;
    ++unanswered_;
    waiting_[to].push_back({std::move(records), std::move(done), fence, bytes, wall_time(),
                            steady_clock::now() + options_.append_timeout});
  }
  changed_.notify_all();
  return {};
}

bool redis_writer::flush(milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return unanswered_ == 0; });
}

void redis_writer::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void redis_writer::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closed_ || !waiting_.empty() || !on_their_way_.empty(); });
      if (closed_) break;
      form_batches();
    }
    if (exchange_batches()) {
      back_off_.succeeded();
      continue;
    }
    answer_late();
    if (!pause(back_off_.next())) break;
  }
  for (auto& [to, what] : on_their_way_) {
    for (pending& part : what.parts) answer(part, redis_closed());
  }
  on_their_way_.clear();
  std::unique_lock lock(mutex_);
  auto rest = std::exchange(waiting_, {});
  lock.unlock();
  for (auto& [to, parts] : rest) {
    for (pending& part : parts) answer(part, redis_closed());
  }
}

void redis_writer::form_batches() {
  for (auto lane = waiting_.begin(); lane != waiting_.end();) {
    auto& [to, parts] = *lane;
    if (on_their_way_.contains(to)) {
      ++lane;
      continue;
    }
    batch next{to, ++last_number_, parts.front().fence, {}};
    std::size_t records = 0;
    std::size_t bytes = 0;
    while (!parts.empty() && parts.front().fence == next.fence) {
      records += parts.front().records.size();
      bytes += parts.front().bytes;
      if (!next.parts.empty() && (records > max_batch_records || bytes > max_batch_bytes)) break;
      next.parts.push_back(std::move(parts.front()));
      parts.pop_front();
    }
    on_their_way_.emplace(to, std::move(next));
    lane = parts.empty() ? waiting_.erase(lane) : std::next(lane);
  }
}

void redis_writer::send(redis_connection& to, const batch& what) {
  const partition_keys keys(common_->address, what.to);
  const std::string writer = keys.writer + id_;
  std::size_t count = 0;
  for (const pending& part : what.parts) count += part.records.size();
  std::deque<std::string> made;  // words that lie nowhere else; a deque does not move them
  const auto make = [&](std::string word) -> std::string_view { return made.emplace_back(std::move(word)); };
  redis_connection::words arguments{make(std::to_string(what.number)), make(padded(what.fence)),
                                    make(std::to_string(writer_is_known_for.count())), make(std::to_string(count))};
  for (const pending& part : what.parts) {
    const std::string_view written = make(std::to_string(to_micros(part.written)));
    for (const record& each : part.records) {
      arguments.push_back(make(std::to_string((each.key.empty() ? 4 : 6) + 2 * each.headers.size())));
      arguments.insert(arguments.end(), {"t", written});
      if (!each.key.empty()) arguments.insert(arguments.end(), {"k", each.key});
      arguments.insert(arguments.end(), {"v", each.value});
      for (const record_header& header : each.headers) {
        arguments.insert(arguments.end(), {make("h" + header.first), header.second});
      }
    }
  }
  to.add_script(append_script, {keys.records, keys.fence, keys.incarnation, writer}, arguments);
}

bool redis_writer::connect() {
  if (connection_ != nullptr && connection_->usable()) return true;
  auto opened = redis_connection::open(common_->address, 0, common_->address.timeout, &common_->stop);
  broker_result<void> ready;
  if (opened) ready = (*opened)->load(append_script);
  if (!opened) return lost(opened.error());
  if (!ready) return lost(ready.error());
  connection_ = std::move(*opened);
  common_->watch.answers(0);
  return true;
}

bool redis_writer::lost(const broker_error& why) {
  last_failure_ = why;
  if (why.code != broker_errc::closed) common_->watch.lost(0, why.message);
  connection_.reset();
  return false;
}

bool redis_writer::exchange_batches() {
  if (!connect()) return false;
  for (const auto& [to, what] : on_their_way_) send(*connection_, what);
  bool all_over = true;
  for (auto each = on_their_way_.begin(); each != on_their_way_.end();) {
    const auto reply = connection_->next();
    if (!reply) return lost(reply.error());
    if (is_error(**reply)) {
      const broker_error error = error_of(**reply, connection_->where());
      if (error.code == broker_errc::unavailable) {  // nothing was done
        last_failure_ = error;
        all_over = false;
        ++each;
        continue;
      }
    }
    settle(each->second, **reply);
    each = on_their_way_.erase(each);
  }
  if (!all_over) connection_.reset();  // the script may be gone: a new connection loads it
  return all_over;
}

void redis_writer::settle(batch& what, const redisReply& reply) {
  const std::string where = "redis " + common_->address.show(0) + ": partition " + std::to_string(what.to.partition) +
                            " of stream '" + what.to.stream + "' ";
  const std::string_view outcome = reply.elements > 0 ? text_of(*reply.element[0]) : "";
  if (outcome == "ok" && reply.elements == 2) {
    // The last one's position; they lie next to each other.
    position at = number_of(*reply.element[1]);
    for (auto part = what.parts.rbegin(); part != what.parts.rend(); ++part) {
      part->answered_at = at;
      at -= part->records.size();
    }
    for (pending& part : what.parts) answer(part, part.answered_at);
    return;
  }
  broker_error error;
  if (is_error(reply)) {
    error = error_of(reply, common_->address.show(0));
  } else if (outcome == "not_found") {
    error = {broker_errc::not_found, where + "is not there: create it with ensure_stream"};
  } else {
    error = {broker_errc::refused, where + "has seen a higher fence than " + std::to_string(what.fence) +
                                       ": somebody else writes now"};
  }
  for (pending& part : what.parts) answer(part, unexpected(error));
}

void redis_writer::answer(pending& part, const broker_result<position>& outcome) {
  if (std::exchange(part.answered, true)) return;
  if (part.done) part.done(outcome);
  part.done = nullptr;
  {
    std::lock_guard lock(mutex_);
    pending_bytes_ -= part.bytes;
    --unanswered_;
  }
  changed_.notify_all();
}

void redis_writer::answer_late() {
  const auto now = steady_clock::now();
  const auto late = [&](pending& part) {
    if (part.deadline > now) return;
    const bool refused = last_failure_.code == broker_errc::refused;
    answer(part, unexpected(broker_error{refused ? broker_errc::refused : broker_errc::unavailable,
                                         "redis broker: not written within " +
                                             std::to_string(options_.append_timeout.count()) + " ms; " +
                                             last_failure_.message}));
  };
  for (auto each = on_their_way_.begin(); each != on_their_way_.end();) {
    std::vector<pending>& parts = each->second.parts;
    std::for_each(parts.begin(), parts.end(), late);
    const bool over = std::all_of(parts.begin(), parts.end(), [](const pending& part) { return part.answered; });
    each = over ? on_their_way_.erase(each) : std::next(each);
  }
  std::vector<pending> gone;
  {
    std::lock_guard lock(mutex_);
    for (auto lane = waiting_.begin(); lane != waiting_.end();) {
      auto& parts = lane->second;
      for (; !parts.empty() && parts.front().deadline <= now; parts.pop_front()) gone.push_back(std::move(parts.front()));
      lane = parts.empty() ? waiting_.erase(lane) : std::next(lane);
    }
  }
  std::for_each(gone.begin(), gone.end(), late);
}

bool redis_writer::pause(milliseconds limit) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, limit, [&] { return closed_; });
}

}  // namespace evermill::queue
